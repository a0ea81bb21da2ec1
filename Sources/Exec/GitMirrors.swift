package import Domain
import Glibc
import Synchronization

/// The bare mirrors, one per clone address, and what jobs want of them: the commit fetched, the files written out.
///
/// Every ref is kept under a name made of its hash, so that `rel` may go and `rel/1` come; nothing is ever thrown away by git itself.
package struct GitMirrors: Sendable {
    private let state: StateDirectory
    /// Where ssh reads keys that came as text.
    private let keys: String
    /// Two fetches into one mirror would fight for its locks.
    private let turns = Turns()

    /// - Parameter keys: for keys that come as text; nil: a directory of the state's.
    package init(state: StateDirectory, keys: String? = nil) {
        self.state = state
        self.keys = keys ?? state.path + "/keys"
    }

    /// Brings what the forge has of the job's ref into the mirror and says how the job's commit stands to it. A network that
    /// stumbles is tried again; whether the forge is asked again for what it does not have yet, is not decided here.
    func fetch(_ order: StepOrder, log: StepLog) async throws -> StepOutcome {
        guard let ref = order.job.ref else { throw ExecError(.git, "the job names no ref") }
        let mirror = path(of: order.app)
        let configured = try command(for: order)
        return try await turns.take(mirror) {
            var git = configured
            let lock = try await FileLock(mirror + ".lock")
            defer { lock.release() }
            removeLocksOfTheDead(in: mirror)
            try await initialise(mirror, git, log)
            let outcome = try await fetch(ref, order, &git, mirror, log)
            guard case .fetched(let fetched) = outcome else { return outcome }
            // Of no other commit is a release made; see OrderRules.
            if let commit = fetched.commit, commit == fetched.head || order.job.cause == .manual {
                try await bringWhatBelongs(to: commit, order, git, mirror, log)
            }
            try note(fetched, for: order, in: mirror)
            try await gather(mirror, git)
            return outcome
        }
    }

    /// Every fetch leaves a pack, and git looks through all of them: when there are many, the small ones become one. Nothing is lost by it.
    private func gather(_ mirror: String, _ git: GitCommand) async throws {
        guard FileSystem.names(in: mirror + "/objects/pack").count(where: { $0.hasSuffix(".pack") }) > Self.packsLimit else { return }
        // One that fails is tried after the next fetch.
        _ = try await GitRun.run(git.gather(mirror: mirror), log: nil)
    }

    private static let packsLimit = 50

    /// Submodules and large files, where they are wanted.
    private func bringWhatBelongs(
        to commit: CommitID, _ order: StepOrder, _ git: GitCommand, _ mirror: String, _ log: StepLog
    ) async throws {
        let settings = order.app.releases
        // What follows looks at every entry of it.
        if settings.hasSubmodules || settings.hasLargeFiles { _ = try await size(of: commit.hex, git, mirror) }
        if settings.hasSubmodules {
            try await GitModules(mirrors: self, order: order, log: log).fetch(commit.hex)
        }
        if settings.hasLargeFiles { try await LargeFiles(mirrors: self, order: order, log: log).fetch(commit, git, mirror) }
    }

    // MARK: What was fetched for whom

    /// How many jobs back somebody may ask for.
    private static let jobsKnown: Int64 = 1000

    /// Notes which commits the job's ref was found to hold: whoever writes the release may not believe who asks for it.
    private func note(_ fetched: OrderRules.Fetched, for order: StepOrder, in mirror: String) throws {
        let named = order.job.cause == .manual && fetched.refHoldsCommit ? fetched.commit : nil
        let commits = [fetched.head, named].compactMap(\.self)
        // Of this app alone: apps of one repository share the mirror, and what one may deploy another may not.
        let directory = "\(mirror)/held/\(order.app.name)"
        try FileSystem.makeDirectory(directory, mode: 0o755)
        for name in FileSystem.names(in: directory) where (Int64(name) ?? 0) < order.job.id - Self.jobsKnown {
            unlink(directory + "/" + name)
        }
        let lines = [order.job.ref?.full ?? ""] + commits.map(\.hex)
        try FileSystem.writeFile(
            lines.map { $0 + "\n" }.joined(), named: String(order.job.id), in: directory, mode: 0o644)
    }

    /// Whether the commit is one that the job's ref was found to hold when it was fetched for it.
    func hasFetched(_ commit: CommitID, for order: StepOrder) -> Bool {
        let note = "\(path(of: order.app))/held/\(order.app.name)/\(order.job.id)"
        guard let file = try? SmallFile.read(note, limit: 4096) else { return false }  // never fetched
        let lines = String(decoding: file.bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        return lines.first.map(String.init) == order.job.ref?.full && lines.dropFirst().contains { $0 == commit.hex }
    }

    func initialise(_ mirror: String, _ git: GitCommand, _ log: StepLog) async throws {
        // HEAD is what git writes when the rest is there.
        guard FileSystem.kind(of: mirror + "/HEAD") == nil else { return }
        // What an interrupted beginning left would look like a repository to git, but not be one.
        try FileSystem.removeTree(mirror)
        let run = try await GitRun.run(git.initialise(mirror: mirror), log: log)
        guard run.outcome == .succeeded else { throw ExecError(.git, "git could not make the mirror \(mirror): \(run.text)") }
    }

    private func fetch(
        _ ref: RefName, _ order: StepOrder, _ git: inout GitCommand, _ mirror: String, _ log: StepLog
    ) async throws -> StepOutcome {
        let began = ContinuousClock.now
        let local = Self.localName(of: ref)
        let wasKnown = try await isKnown(local, git, mirror)
        var retry = FetchRetry()
        log.append(line: "fetch \(ref.full) from \(order.app.cloneURL)")
        while true {
            let run = try await GitRun.run(git.fetch(ref, into: local, mirror: mirror), log: log)
            if Task.isCancelled { return .stopped }
            if run.outcome == .succeeded { return .fetched(try await look(at: local, wasKnown: wasKnown, order, git, mirror, log)) }
            let answer = GitAnswer(output: run.masked(order.secrets), account: order.account.name, host: Self.host(of: order.app.cloneURL))
            if answer.trouble == .moved, git.cloneURL == order.app.cloneURL, let moved = try await redirect(of: git) {
                git = moved
                log.append(line: "the repository has another name now: \(moved.cloneURL)")
                continue
            }
            if answer.trouble == .missing {
                var fetched = OrderRules.Fetched(head: nil, headObject: nil, commit: nil, refWasKnown: wasKnown)
                if order.job.cause == .manual { try await lookByName(order, &fetched, git, mirror, log) }
                return .fetched(fetched)
            }
            guard let delay = retry.delay(after: answer.trouble.retried, elapsed: began.duration(to: .now)) else {
                return .failed(reason: answer.phrase)
            }
            log.append(line: "\(answer.phrase); trying again in \(delay.inWords)")
            try await Task.sleep(for: delay)
        }
    }

    /// What a ref of our own names, read from git's file: a process less. nil where somebody had git pack its refs.
    private static func object(of local: String, _ mirror: String) -> CommitID? {
        guard let file = try? SmallFile.read(mirror + "/" + local, limit: 256) else { return nil }  // not there: git knows
        return CommitID(String(decoding: file.bytes.prefix { $0 != 0x0A }, as: UTF8.self))
    }

    private func isKnown(_ local: String, _ git: GitCommand, _ mirror: String) async throws -> Bool {
        if Self.object(of: local, mirror) != nil { return true }
        return try await GitRun.run(git.exists(local, mirror: mirror), log: nil).outcome == .succeeded
    }

    /// How the job's commit stands to the ref as it was just fetched, and to what is live; and what the head holds.
    private func look(
        at local: String, wasKnown: Bool, _ order: StepOrder, _ git: GitCommand, _ mirror: String, _ log: StepLog
    ) async throws -> OrderRules.Fetched {
        let (head, facts) = try await facts(of: local, git, mirror)
        var object = Self.object(of: local, mirror)
        if object == nil { object = try await resolve(local, git, mirror) }
        let isHead = order.job.commit == head || order.job.commit == object
        var fetched = OrderRules.Fetched(
            head: head, headObject: object, commit: isHead ? head : try await resolve(order.job.commit.hex + "^{commit}", git, mirror),
            refWasKnown: wasKnown, facts: facts)
        if order.job.cause == .manual, !isHead { try await lookByName(order, &fetched, git, mirror, log) }
        guard let commit = fetched.commit, order.job.cause != .manual else { return fetched }
        func isStrictAncestor(_ one: CommitID, of other: CommitID) async throws -> Bool {
            guard one != other else { return false }
            return try await GitRun.run(git.isAncestor(one, of: other, mirror: mirror), log: nil).outcome == .succeeded
        }
        fetched.headIsStrictAncestorOfCommit = try await isStrictAncestor(head, of: commit)
        if order.job.ref?.kind == .tag, let live = order.live {
            fetched.commitIsStrictAncestorOfLive = try await isStrictAncestor(commit, of: live)
        }
        if commit == head, FilterRules(order.app.filters).needsChangedFiles {
            fetched.facts?.changed = try await changedFiles(order.live, head, git, mirror, log)
        }
        return fetched
    }

    /// What a manual job must know of its commit, which need not be the head: no branch may hold it any more.
    private func lookByName(
        _ order: StepOrder, _ fetched: inout OrderRules.Fetched, _ git: GitCommand, _ mirror: String, _ log: StepLog
    ) async throws {
        let name = order.job.commit.hex
        if fetched.commit == nil {
            // Where the server gives away what no ref holds; if not, it says so in the log.
            _ = try await GitRun.run(git.fetch(commit: name, mirror: mirror), log: log)
            fetched.commit = try await resolve(name + "^{commit}", git, mirror)
        }
        guard let commit = fetched.commit else { return }
        fetched.refHoldsCommit = false
        if let head = fetched.head {
            fetched.refHoldsCommit = try await GitRun.run(git.isAncestor(commit, of: head, mirror: mirror), log: nil).outcome == .succeeded
        }
        fetched.facts = try await facts(of: commit.hex, git, mirror).facts
    }

    private func facts(of name: String, _ git: GitCommand, _ mirror: String) async throws -> (commit: CommitID, facts: CommitFacts) {
        let run = try await GitRun.run(git.facts(of: name, mirror: mirror), log: nil)
        let lines = run.text.split(separator: "\n", maxSplits: 2, omittingEmptySubsequences: false)
        guard lines.count == 3, let commit = CommitID(lines[0]), let tree = CommitID(lines[1]) else {
            throw ExecError(.git, "git does not know what it just fetched: \(SafeText.shown(run.text, limit: 200))")
        }
        return (commit: commit, facts: CommitFacts(tree: tree, message: String(lines[2])))
    }

    private func resolve(_ name: String, _ git: GitCommand, _ mirror: String) async throws -> CommitID? {
        CommitID(try await GitRun.run(git.resolve([name], mirror: mirror), log: nil).text.prefix { $0 != "\n" })
    }

    /// nil when it cannot be known, which the log says then.
    private func changedFiles(
        _ live: CommitID?, _ new: CommitID, _ git: GitCommand, _ mirror: String, _ log: StepLog
    ) async throws -> [String]? {
        guard let live else {
            log.append(line: "nothing is live yet, so paths hold nothing back")
            return nil
        }
        let run = try await GitRun.run(git.changedFiles(live, new, mirror: mirror), log: nil, limit: 16 << 20)
        guard run.outcome == .succeeded, run.isWhole else {
            log.append(line: "what differs from the live commit \(live.short) cannot be known, so paths hold nothing back")
            return nil
        }
        return run.text.split(separator: "\0").map(String.init)
    }

    func command(for order: StepOrder) throws -> GitCommand {
        try command(
            for: order.app, order.account, order.environment,
            marks: ["BITTERN_JOB": String(order.job.id), "BITTERN_RELEASE": order.ownDirectory])
    }

    /// - Parameter account: as the app uses it.
    func command(
        for app: App, _ account: Account, _ environment: [String: String], marks: [String: String] = [:]
    ) throws -> GitCommand {
        GitCommand(
            account: account, cloneURL: app.cloneURL, environment: environment,
            sshKey: try account.ssh.map { try keyPath($0.key, owner: app.keyOwner(account)) }, marks: marks)
    }

    /// Removes what a git that was killed left locked; no other one works on the mirror now.
    private func removeLocksOfTheDead(in mirror: String) {
        let modules = FileSystem.names(in: mirror + "/modules").map { "\(mirror)/modules/\($0)" }
        for repository in [mirror] + modules {
            for directory in [repository, repository + "/refs/bittern/ref"] {
                for name in FileSystem.names(in: directory) where name.hasSuffix(".lock") { unlink(directory + "/" + name) }
            }
        }
    }

    /// ssh reads keys from files alone; one that came from the environment gets a file only the daemon may read.
    private func keyPath(_ key: SSHCredential.Key, owner: String) throws -> String {
        switch key {
        case .path(let path):
            return path
        case .contents(let secret):
            try FileSystem.makeDirectory(keys, mode: 0o700)
            let path = keys + "/" + owner
            let text = secret.withBytes { String(decoding: $0, as: UTF8.self) } + "\n"
            // One that is right stays: the ssh of somebody else may be about to read it.
            if let file = try? SmallFile.read(path, limit: 1 << 20), file.bytes == Array(text.utf8) { return path }
            try FileSystem.writeFile(text, named: owner, in: keys, mode: 0o600)
            return path
        }
    }

    /// Readable, and another one as soon as the address is another.
    package func path(of app: App) -> String {
        let name = app.repository.folded.split(separator: "/").joined(separator: "-")
        return "\(state.path)/mirrors/\(name)-\(Self.digest(app.cloneURL).prefix(12)).git"
    }

    /// The mirror of a submodule, inside the one of its repository: whoever may see that may see this.
    func path(ofModule url: String, in mirror: String) -> String {
        "\(mirror)/modules/\(Self.digest(url).prefix(24)).git"
    }

    /// One at a time works on what a root has for its next release, also where several processes would.
    func taking<Result: Sendable>(root: String, _ body: () async throws -> Result) async throws -> Result {
        try await turns.take(root) {
            try FileSystem.makeDirectory(root, mode: 0o755)
            let lock = try await FileLock(root + "/.lock")
            defer { lock.release() }
            return try await body()
        }
    }

    private static func localName(of ref: RefName) -> String {
        "refs/bittern/ref/" + digest(ref.full).prefix(40)
    }

    private static func digest(_ text: String) -> String {
        Hexadecimal.text(of: Signature.hash(of: Array(text.utf8)))
    }

    /// For people: the host, or the path of a repository on this machine.
    static func host(of cloneURL: String) -> String {
        guard let scheme = cloneURL.firstRange(of: "://"), !cloneURL.hasPrefix("file:") else { return cloneURL }
        let authority = cloneURL[scheme.upperBound...].prefix { $0 != "/" }
        return String(authority.split(separator: "@").last ?? authority)
    }
}

/// One at a time among processes; given back by the kernel, however a process ends.
private struct FileLock {
    private let descriptor: Int32

    /// Waits its turn.
    init(_ path: String) async throws {
        descriptor = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw ExecError.file("cannot open \(path)") }
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            let cause = errno
            do {
                guard cause == EWOULDBLOCK || cause == EINTR else { throw ExecError.file("cannot lock \(path)", cause) }
                try await Task.sleep(for: .milliseconds(50))
            } catch {
                close(descriptor)
                throw error
            }
        }
    }

    func release() { close(descriptor) }
}

/// One run of git, or of another program of which little is asked, with what it wrote.
struct GitRun: Sendable {
    let outcome: StepOutcome
    /// Of both streams, as much as was asked for.
    let text: String
    /// Whether that is all.
    let isWhole: Bool

    func masked(_ secrets: [Secret]) -> String {
        var mask = LogMask(secrets: secrets)
        let bytes = mask.mask(Array(text.utf8)) + mask.finish()
        return String(decoding: bytes, as: UTF8.self)
    }

    static func run(_ command: Command, log: StepLog?, limit: Int = 65536) async throws -> GitRun {
        let output = Mutex<(bytes: [UInt8], isWhole: Bool)>(([], true))
        let outcome = try await ChildProcess.run(command) { bytes in
            log?.append(bytes)
            output.withLock { output in
                output.bytes += bytes.prefix(max(0, limit - output.bytes.count))
                if output.bytes.count == limit { output.isWhole = false }
            }
        }
        let (bytes, isWhole) = output.withLock { $0 }
        return GitRun(outcome: outcome, text: String(decoding: bytes, as: UTF8.self), isWhole: isWhole)
    }

    /// nil when it took longer and was ended, which may take another 10 s.
    static func run(_ command: Command, within patience: Duration, limit: Int = 65536) async throws -> GitRun? {
        try await withThrowingTaskGroup(of: GitRun?.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await run(command, log: nil, limit: limit) }
            group.addTask {
                try await Task.sleep(for: patience)
                return nil
            }
            return try await group.next().flatMap { $0 }
        }
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
