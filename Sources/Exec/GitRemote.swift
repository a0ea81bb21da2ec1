package import Domain

/// What a forge says of its refs without anything being fetched.
extension GitMirrors {
    /// How long a forge may take to answer.
    package static let remotePatience: Duration = .seconds(20)

    /// Where the forge has a ref at this moment; of an annotated tag, the commit it stands for. nil: it has no such ref.
    ///
    /// - Parameters:
    ///   - account: as the app uses it.
    ///   - environment: the configuration's own `env`.
    /// - Throws: ``ExecError`` with a phrase for people when the forge refuses, cannot be reached, or takes longer than
    ///   ``remotePatience``; `CancellationError` when the task is cancelled.
    package func head(of ref: RefName, app: App, account: Account, environment: [String: String]) async throws -> CommitID? {
        try await heads(of: [ref], app: app, account: account, environment: environment)[ref]
    }

    /// The same for several refs in one connection; those the forge has. With none it is asked whether the repository answers at all.
    ///
    /// - Parameter patience: for the whole answer. git is ended then, which may take another 10 s.
    package func heads(
        of refs: [RefName], app: App, account: Account, environment: [String: String], patience: Duration = remotePatience
    ) async throws -> [RefName: CommitID] {
        let names = refs.isEmpty ? ["HEAD"] : refs.flatMap { [$0.full, $0.full + Self.peeled] }
        let (heads, _) = try await ask(app, account, environment, patience: patience) { $0.remoteRefs(names) }
        return heads.filter { refs.contains($0.key) }.mapValues(\.commit)
    }

    /// Where the forge has the refs that `wanted` is true of, in one connection.
    ///
    /// - Parameters:
    ///   - names: these, and no others are there that could be wanted; nil: the forge names all of the two kinds.
    ///   - branches: whether branches could be wanted.
    ///   - tags: the same of tags.
    /// - Returns: the refs, and whether the forge led to another address of its own: the repository has another name.
    package func heads(
        named names: [RefName]?, branches: Bool, tags: Bool, app: App, account: Account, environment: [String: String],
        patience: Duration = listPatience, where wanted: (RefName) -> Bool
    ) async throws -> (heads: [RefName: RemoteHead], hasMoved: Bool) {
        let (heads, hasMoved) = try await ask(app, account, environment, patience: patience, limit: Self.listLimit) { git in
            names.map { git.remoteRefs($0.flatMap { [$0.full, $0.full + Self.peeled] }) }
                ?? git.remoteRefs(branches: branches, tags: tags)
        }
        return (heads: heads.filter { wanted($0.key) }, hasMoved: hasMoved)
    }

    /// A list of all refs takes a forge longer than a look at some.
    package static let listPatience: Duration = .seconds(60)
    /// Some hundred thousand refs.
    private static let listLimit = 32 << 20

    private func ask(
        _ app: App, _ account: Account, _ environment: [String: String], patience: Duration, limit: Int = 65536,
        _ question: (GitCommand) -> Command
    ) async throws -> (heads: [RefName: RemoteHead], hasMoved: Bool) {
        let git = try command(for: app, account, environment)
        let host = Self.host(of: app.cloneURL)
        func ask(_ git: GitCommand) async throws -> (run: GitRun, answer: GitAnswer) {
            guard let run = try await GitRun.run(question(git), within: patience, limit: limit) else {
                throw ExecError(.git, "\(host) could not be reached: it gave no answer within \(patience.inWords)")
            }
            try Task.checkCancellation()
            return (run, GitAnswer(output: run.masked(account.credentialSecrets), account: account.name, host: host))
        }
        var (run, answer) = try await ask(git)
        var hasMoved = false
        if run.outcome != .succeeded, answer.trouble == .moved, let moved = try await redirect(of: git) {
            (run, answer) = try await ask(moved)
            hasMoved = true
        }
        guard run.outcome == .succeeded else { throw ExecError(.git, answer.phrase) }
        guard run.isWhole else { throw ExecError(.git, "\(host) has more refs of these names than can be read") }
        return (heads: Self.heads(in: run.text), hasMoved: hasMoved)
    }

    /// Where a forge leads whoever asks for a repository that was renamed; nil: nowhere, or to another server, which is not followed. (git
    /// itself would follow it there, and take the account's header along.)
    func redirect(of git: GitCommand) async throws -> GitCommand? {
        guard let run = try await GitRun.run(git.tracingRedirect, within: Self.remotePatience) else { return nil }
        return Self.target(ofRedirect: run.text, from: git.cloneURL).map(git.at)
    }

    /// - Parameter trace: what ``GitCommand/tracingRedirect`` prints.
    static func target(ofRedirect trace: String, from url: String) -> String? {
        let request = "/info/refs?service=git-upload-pack"
        let locations = trace.split(separator: "\n").compactMap { line -> Substring? in
            guard let mark = line.firstRange(of: "<= Recv header: ") else { return nil }
            let field = line[mark.upperBound...].split(separator: ":", maxSplits: 1)
            return field.count == 2 && field[0].lowercased() == "location" ? field[1].drop { $0 == " " } : nil
        }
        guard let location = locations.first?.prefix(while: { !$0.isWhitespace }), location.hasSuffix(request),
            let origin = Account.origin(url)
        else { return nil }
        let address = String(location.dropLast(request.count))
        // A path alone is on the same server.
        let whole = address.hasPrefix("/") && !address.hasPrefix("//") ? origin.dropLast() + address : address
        return whole.hasPrefix(origin) ? whole : nil
    }

    /// What git puts behind a tag's name for the commit it stands for (gitrevisions(7)).
    private static let peeled = "^{}"

    private static func heads(in text: String) -> [RefName: RemoteHead] {
        var heads: [RefName: RemoteHead] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "\t", maxSplits: 1)
            // What the transport had to say stands between the refs.
            guard parts.count == 2, let object = CommitID(parts[0]) else { continue }
            let isPeeled = parts[1].hasSuffix(peeled)
            guard let ref = RefName(full: String(parts[1].dropLast(isPeeled ? peeled.count : 0))) else { continue }
            if isPeeled { heads[ref]?.commit = object } else { heads[ref] = RemoteHead(commit: object, object: object) }
        }
        return heads
    }
}

/// Where a forge has a ref.
package struct RemoteHead: Sendable, Equatable {
    /// Of an annotated tag the commit it stands for.
    package var commit: CommitID
    /// What the ref names itself.
    package var object: CommitID
}
