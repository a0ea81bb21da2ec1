package import Domain

/// What a forge says of its refs without anything being fetched.
extension GitMirrors {
    /// How long a forge may take to answer.
    package static let remotePatience: Duration = .seconds(20)

    /// Where the forge has a ref at this moment; of an annotated tag, the commit it stands for. nil: it has no such ref.
    ///
    /// - Parameters:
    ///   - account: the app's; the app's own credentials, where it has some, are shown instead of the account's.
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
        let account = app.credentials.map(account.showing) ?? account
        let names = refs.isEmpty ? ["HEAD"] : refs.flatMap { [$0.full, $0.full + Self.peeled] }
        let command = try command(for: app, account, environment).remoteRefs(names)
        let host = Self.host(of: app.cloneURL)
        guard let run = try await GitRun.run(command, within: patience) else {
            throw ExecError(.git, "\(host) could not be reached: it gave no answer within \(patience.inWords)")
        }
        try Task.checkCancellation()
        guard run.outcome == .succeeded else {
            throw ExecError(.git, GitAnswer(output: run.masked(account.gitSecrets), account: account.name, host: host).phrase)
        }
        guard run.isWhole else { throw ExecError(.git, "\(host) has more refs of these names than can be read") }
        return Self.heads(of: refs, in: run.text)
    }

    /// What git puts behind a tag's name for the commit it stands for (gitrevisions(7)).
    private static let peeled = "^{}"

    private static func heads(of refs: [RefName], in text: String) -> [RefName: CommitID] {
        var heads: [RefName: CommitID] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "\t", maxSplits: 1)
            // What the transport had to say stands between the refs.
            guard parts.count == 2, let object = CommitID(parts[0]) else { continue }
            let isPeeled = parts[1].hasSuffix(peeled)
            guard let ref = RefName(full: String(parts[1].dropLast(isPeeled ? peeled.count : 0))), refs.contains(ref) else { continue }
            if isPeeled || heads[ref] == nil { heads[ref] = object }
        }
        return heads
    }
}
