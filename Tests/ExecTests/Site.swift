import Domain
import Exec
import Glibc
import RealParts
import Testing

/// A runner with a state directory of its own, one account, and one app whose root is below a temporary directory.
struct Site: Sendable {
    let directory: TemporaryDirectory
    let state: StateDirectory
    let runner: ChildRunner
    var account: Account
    var app: App

    init(
        _ directory: TemporaryDirectory, cloneURL: String, account: Account = Site.account(),
        systemctl: Systemctl = Systemctl(environment: ["PATH": "/usr/bin:/bin"], cgroup: "")
    ) throws {
        self.directory = directory
        self.account = account
        state = StateDirectory(path: directory.path("state"))
        try state.prepare()
        runner = ChildRunner(
            executor: SerialQueueExecutor(label: "test"), state: state, mirrors: GitMirrors(state: state), probe: NobodyToAsk(),
            systemctl: systemctl)
        let repository = try #require(RepositoryName("acme/shop"))
        app = App(
            name: "shop", account: account.name, repository: repository, cloneURL: cloneURL, branches: [],
            root: try directory.makeDirectory("root"))
    }

    /// An account without credentials, unless some are given.
    static func account(
        url: String? = nil, ca: String? = nil, rest: RESTCredential? = nil, ssh: SSHCredential? = nil
    ) -> Account {
        Account(
            name: "acme", kind: .bitbucketDataCenter, url: url, certificateAuthority: ca, hookSecrets: [Secret("hook-secret-of-acme")],
            rest: rest, ssh: ssh)
    }

    func job(_ commit: String) throws -> Job { try job(1, commit) }

    func job(_ id: Int64, _ commit: String, on branch: String = "main") throws -> Job {
        try job(id, commit, ref: #require(RefName(.branch, branch)))
    }

    func job(_ id: Int64, _ commit: String, ref: RefName) throws -> Job {
        Job(
            id: id, app: app.name, repository: "acme/shop", ref: ref, commit: try #require(CommitID(commit)), cause: .push, state: .running,
            attempt: 1, queuedAt: Timestamp(milliseconds: 1), startedAt: Timestamp(milliseconds: 2))
    }

    func order(_ step: String, of job: Job, environment: [String: String] = [:]) throws -> StepOrder {
        let plan = Plan(app: app, job: job, environment: environment, previous: nil, home: state.home(app: app.name))
        let position = try #require(plan.steps.firstIndex { $0.name == step })
        return StepOrder(
            id: StepID(job: job.id, start: 1, position: position), app: app, account: account, job: job, step: plan.steps[position],
            ownDirectory: plan.release.path, environment: environment)
    }

    /// Runs one step to its end.
    func run(_ step: String, of job: Job, environment: [String: String] = [:]) async throws -> StepOutcome {
        let order = try order(step, of: job, environment: environment)
        await runner.start(order)
        return try await outcome(of: order)
    }

    /// Runs steps one after the other; all but the last have to succeed.
    func run(_ steps: [String], of job: Job) async throws -> StepOutcome {
        for step in steps.dropLast() {
            let outcome = try await run(step, of: job)
            try #require(outcome == .succeeded || outcome.isThere)
        }
        return try await run(#require(steps.last), of: job)
    }

    /// Waits for a step that was started; where that takes too long the step is stopped and the test fails.
    func outcome(of order: StepOrder, within limit: Duration = .seconds(60)) async throws -> StepOutcome {
        try await withTimeLimit(limit, waitingFor: order.step.name) {
            await withTaskCancellationHandler {
                // What the head holds has tests of its own.
                let outcome = await runner.wait(for: order.id)?.outcome ?? .lost
                guard case .fetched(var fetched) = outcome else { return outcome }
                fetched.facts = nil
                return .fetched(fetched)
            } onCancel: {
                Task { await runner.stop(order.id) }
            }
        }
    }

    /// What a fetch found of the head.
    func facts(of job: Job) async throws -> CommitFacts? {
        let order = try order("fetch", of: job)
        await runner.start(order)
        guard case .fetched(let fetched) = await runner.wait(for: order.id)?.outcome else { return nil }
        return fetched.facts
    }

    /// What stands in a step's log; nothing when there is none yet.
    func log(_ step: String, of job: Job) throws -> String {
        let path = state.log(try order(step, of: job).id, step: step)
        guard FileSystem.kind(of: path) == .file else { return "" }
        return try directory.read(String(path.dropFirst(directory.path.count + 1)))
    }

    func release(of job: Job) -> String { Plan.releaseDirectory(root: app.root, job: job.id, commit: job.commit) }

    /// A file in a job's release.
    func file(_ name: String, of job: Job) throws -> String {
        try directory.read(String("\(release(of: job))/\(name)".dropFirst(directory.path.count + 1)))
    }

    /// The one mirror.
    func mirror() throws -> String {
        let names = FileSystem.names(in: state.path + "/mirrors").filter { $0.hasSuffix(".git") }
        try #require(names.count == 1)
        return try "\(state.path)/mirrors/\(#require(names.first))"
    }

    /// Runs git in the mirror, as an administrator would.
    func gitInMirror(_ arguments: String...) async throws -> String {
        try await Shell.check(["git", "-C", mirror()] + arguments, environment: GitOrigin.environment).output
    }
}

/// A repository `acme/shop` with one commit, and a site that clones it from its path on this machine.
func withSite(
    account: Account = Site.account(), files: [String: String] = ["index": "1"],
    _ body: (inout Site, GitOrigin, _ commit: String) async throws -> Void
) async throws {
    try await withTemporaryDirectory { directory in
        let origin = try await GitOrigin(bare: directory.path("repositories/acme/shop.git"), work: directory.path("work"))
        let commit = try await origin.commit(files: files)
        var site = try Site(directory, cloneURL: "file://" + origin.bare, account: account)
        try await body(&site, origin, commit)
    }
}

/// The processes that were started with something of the test's directory in their environment, so none but the test's own.
func left(of directory: TemporaryDirectory) throws -> [Int32] {
    try ProcessTable.processes(withEnvironmentContaining: directory.path)
}

/// Ends what a test itself may have left, should it have failed.
func endAll(of directory: TemporaryDirectory) throws {
    for process in try left(of: directory) { kill(process, SIGKILL) }
}

extension StepOutcome {
    /// Whether a fetch brought the job's commit.
    var isThere: Bool {
        if case .fetched(let fetched) = self { fetched.commit != nil } else { false }
    }
}

/// For apps without servers.
struct NobodyToAsk: HealthProbe {
    func ask(_ question: Health.Question, within limit: Duration) async -> String? { "nobody answers" }
}
