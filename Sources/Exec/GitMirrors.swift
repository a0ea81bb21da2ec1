import Domain
import Glibc
import Synchronization

/// The bare mirrors, one per clone address, and what jobs want of them: the commit fetched, the files written out.
///
/// Every ref is kept under a name made of its hash, so that `rel` may go and `rel/1` come; nothing is ever thrown away by git itself.
package struct GitMirrors: Sendable {
    private let state: StateDirectory
    /// Two fetches into one mirror would fight for its locks.
    private let turns = Turns()

    package init(state: StateDirectory) {
        self.state = state
    }

    /// Brings what the forge has of the job's ref into the mirror and says how the job's commit stands to it. A network that
    /// stumbles is tried again; whether the forge is asked again for what it does not have yet, is not decided here.
    func fetch(_ order: StepOrder, log: StepLog) async throws -> StepOutcome {
        guard let ref = order.job.ref else { throw ExecError(.git, "the job names no ref") }
        let mirror = path(of: order.app)
        let git = try command(for: order)
        return try await turns.take(mirror) {
            try await initialise(mirror, git, log)
            return try await fetch(ref, order, git, mirror, log)
        }
    }

    private func initialise(_ mirror: String, _ git: GitCommand, _ log: StepLog) async throws {
        // HEAD is what git writes when the rest is there.
        guard FileSystem.kind(of: mirror + "/HEAD") == nil else { return }
        // What an interrupted beginning left would look like a repository to git, but not be one.
        try FileSystem.removeTree(mirror)
        let run = try await GitRun.run(git.initialise(mirror: mirror), log: log)
        guard run.outcome == .succeeded else { throw ExecError(.git, "git could not make the mirror \(mirror): \(run.text)") }
    }

    private func fetch(
        _ ref: RefName, _ order: StepOrder, _ git: GitCommand, _ mirror: String, _ log: StepLog
    ) async throws -> StepOutcome {
        let began = ContinuousClock.now
        let local = Self.localName(of: ref)
        let wasKnown = try await GitRun.run(git.exists(local, mirror: mirror), log: nil).outcome == .succeeded
        var retry = FetchRetry()
        log.append(line: "fetch \(ref.full) from \(order.app.cloneURL)")
        while true {
            let run = try await GitRun.run(git.fetch(ref, into: local, mirror: mirror), log: log)
            if Task.isCancelled { return .stopped }
            if run.outcome == .succeeded { return .fetched(try await look(at: local, wasKnown: wasKnown, order, git, mirror)) }
            let answer = GitAnswer(output: run.masked(order.secrets), account: order.account.name, host: Self.host(of: order.app.cloneURL))
            if answer.trouble == .missing {
                return .fetched(OrderRules.Fetched(head: nil, headObject: nil, commit: nil, refWasKnown: wasKnown))
            }
            guard let delay = retry.delay(after: answer.trouble, elapsed: began.duration(to: .now)) else {
                return .failed(reason: answer.phrase)
            }
            log.append(line: "\(answer.phrase); trying again in \(delay.inWords)")
            try await Task.sleep(for: delay)
        }
    }

    /// How the job's commit stands to the ref as it was just fetched, and to what is live.
    private func look(
        at local: String, wasKnown: Bool, _ order: StepOrder, _ git: GitCommand, _ mirror: String
    ) async throws -> OrderRules.Fetched {
        // All in one process; the commit comes last, because git stops at the first name it does not know.
        let names = [local, local + "^{commit}", order.job.commit.hex + "^{commit}"]
        let run = try await GitRun.run(git.resolve(names, mirror: mirror), log: nil)
        let found = run.text.split(separator: "\n").compactMap { CommitID($0) }
        guard found.count >= 2 else {
            throw ExecError(.git, "git does not know what it just fetched: \(SafeText.shown(run.text, limit: 200))")
        }
        var fetched = OrderRules.Fetched(
            head: found[1], headObject: found[0], commit: found.count > 2 ? found[2] : nil, refWasKnown: wasKnown)
        guard let commit = fetched.commit else { return fetched }
        func isStrictAncestor(_ one: CommitID, of other: CommitID) async throws -> Bool {
            guard one != other else { return false }
            return try await GitRun.run(git.isAncestor(one, of: other, mirror: mirror), log: nil).outcome == .succeeded
        }
        fetched.headIsStrictAncestorOfCommit = try await isStrictAncestor(found[1], of: commit)
        if order.job.ref?.kind == .tag, let live = order.live {
            fetched.commitIsStrictAncestorOfLive = try await isStrictAncestor(commit, of: live)
        }
        return fetched
    }

    /// Writes exactly the job's commit into an empty directory.
    func checkout(_ order: StepOrder, into tree: String, log: StepLog) async throws -> StepOutcome {
        let mirror = path(of: order.app)
        let git = try command(for: order)
        let index = "\(mirror)/index-\(order.job.id)"
        defer { unlink(index) }
        log.append(line: "checkout \(order.job.commit.hex) into \(tree)")
        let command = git.checkout(order.job.commit.hex, tree: tree, index: index, mirror: mirror, umask: order.app.umask)
        let run = try await GitRun.run(command, log: log)
        if Task.isCancelled { return .stopped }
        guard run.outcome != .succeeded else { return .succeeded }
        // git does not say why it was "unable to write file".
        if run.text.contains("unable to write"), FileSystem.isFull(tree) { return .failed(reason: GitAnswer.noSpace) }
        let answer = GitAnswer(output: run.masked(order.secrets), account: order.account.name, host: Self.host(of: order.app.cloneURL))
        return .failed(reason: answer.phrase)
    }

    private func command(for order: StepOrder) throws -> GitCommand {
        GitCommand(
            account: order.account, cloneURL: order.app.cloneURL, environment: order.environment,
            sshKey: try order.account.ssh.map { try keyPath($0.key, account: order.account.name) },
            marks: ["BITTERN_JOB": String(order.job.id), "BITTERN_RELEASE": order.releaseDirectory])
    }

    /// Removes what a git that was killed left locked. Only at start, while no git of this daemon runs.
    package func removeStaleLocks() {
        let mirrors = state.path + "/mirrors"
        for mirror in FileSystem.names(in: mirrors) {
            for directory in ["\(mirrors)/\(mirror)", "\(mirrors)/\(mirror)/refs/bittern/ref"] {
                for name in FileSystem.names(in: directory) where name.hasSuffix(".lock") { unlink(directory + "/" + name) }
            }
        }
    }

    /// ssh reads keys from files alone; one that came from the environment gets a file only the daemon may read.
    private func keyPath(_ key: SSHCredential.Key, account: String) throws -> String {
        switch key {
        case .path(let path):
            return path
        case .contents(let secret):
            let directory = state.path + "/keys"
            try FileSystem.makeDirectory(directory, mode: 0o700)
            let text = secret.withBytes { String(decoding: $0, as: UTF8.self) }
            try FileSystem.writeFile(text + "\n", named: account, in: directory, mode: 0o600)
            return directory + "/" + account
        }
    }

    /// Readable, and another one as soon as the address is another.
    func path(of app: App) -> String {
        let name = app.repository.folded.split(separator: "/").joined(separator: "-")
        return "\(state.path)/mirrors/\(name)-\(Self.digest(app.cloneURL).prefix(12)).git"
    }

    private static func localName(of ref: RefName) -> String {
        "refs/bittern/ref/" + digest(ref.full).prefix(40)
    }

    private static func digest(_ text: String) -> String {
        Hexadecimal.text(of: Signature.hash(of: Array(text.utf8)))
    }

    /// For people: the host, or the path of a repository on this machine.
    private static func host(of cloneURL: String) -> String {
        guard let scheme = cloneURL.firstRange(of: "://"), !cloneURL.hasPrefix("file:") else { return cloneURL }
        let authority = cloneURL[scheme.upperBound...].prefix { $0 != "/" }
        return String(authority.split(separator: "@").last ?? authority)
    }
}

/// One run of git with what it wrote.
private struct GitRun: Sendable {
    let outcome: StepOutcome
    /// At most 64 KB of both streams.
    let text: String

    func masked(_ secrets: [Secret]) -> String {
        var mask = LogMask(secrets: secrets)
        let bytes = mask.mask(Array(text.utf8)) + mask.finish()
        return String(decoding: bytes, as: UTF8.self)
    }

    static func run(_ command: Command, log: StepLog?) async throws -> GitRun {
        let output = Mutex<[UInt8]>([])
        let outcome = try await ChildProcess.run(command) { bytes in
            log?.append(bytes)
            output.withLock { $0 += bytes.prefix(max(0, 65536 - $0.count)) }
        }
        return GitRun(outcome: outcome, text: output.withLock { String(decoding: $0, as: UTF8.self) })
    }
}

/// Lets one at a time have a thing that goes by a name, in the order in which they asked.
private actor Turns {
    private var taken: Set<String> = []
    private var waiting: [String: [(ticket: Int, continuation: CheckedContinuation<Void, any Error>)]] = [:]
    private var tickets = 0

    /// - Throws: `CancellationError` when the task is cancelled while it waits; otherwise what the body throws.
    nonisolated func take<Result: Sendable>(_ name: String, _ body: () async throws -> Result) async throws -> Result {
        try await enter(name)
        do {
            let result = try await body()
            await leave(name)
            return result
        } catch {
            await leave(name)
            throw error
        }
    }

    private func enter(_ name: String) async throws {
        if taken.insert(name).inserted { return }
        tickets += 1
        let ticket = tickets
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                // A task that was cancelled before has had its handler called already.
                guard !Task.isCancelled else { return continuation.resume(throwing: CancellationError()) }
                waiting[name, default: []].append((ticket, continuation))
            }
        } onCancel: {
            Task { await self.giveUp(ticket, name) }
        }
    }

    private func giveUp(_ ticket: Int, _ name: String) {
        guard let index = waiting[name]?.firstIndex(where: { $0.ticket == ticket }) else { return }
        waiting[name]?.remove(at: index).continuation.resume(throwing: CancellationError())
    }

    private func leave(_ name: String) {
        guard var queue = waiting[name], !queue.isEmpty else {
            taken.remove(name)
            waiting[name] = nil
            return
        }
        let next = queue.removeFirst().continuation
        waiting[name] = queue.isEmpty ? nil : queue
        next.resume()
    }
}
