import Foundation
import GRDB
import RealParts

/// One round: a daemon, an origin, a storm, and the evidence of what came of it.
struct Round: Sendable {
    struct App: Sendable {
        let name: String
        let branches: [String]
        /// Commands between the beginning and the end of its build, as YAML strings.
        let build: [String]
        let deploy: [String]
    }

    static let repository = "acme/shop"
    static let hookSecret = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
    static let apps = [
        App(name: "blog", branches: ["main"], build: [], deploy: [record, "sleep 0.1"]),
        App(name: "docs", branches: ["main"], build: ["sleep 0.2"], deploy: [record]),
        App(name: "shop", branches: ["release"], build: ["sleep 0.05"], deploy: ["sleep 0.02; " + record]),
        App(name: "wiki", branches: ["release", "stage"], build: [runaway], deploy: [record]),
    ]

    /// The deploy step that others can count: one write, so that no line is half there.
    private static let record = "echo $BITTERN_JOB >> @DIR@/deployed-$BITTERN_APP"
    /// Says so when another step of the app is alive; the kernel gives the lock back with the last process that holds it.
    private static let alone = "exec 9>>@DIR@/lock-$BITTERN_APP; flock -w 0.1 9 || echo $BITTERN_JOB >> @DIR@/overlaps-$BITTERN_APP"

    /// Now and then a step leaves a process in a session of its own, which would outlive it by far.
    private static let runaway = "[ $((BITTERN_JOB % 7)) != 0 ] || { setsid sleep 300 > /dev/null 2>&1 & sleep 0.03; }"

    let seed: UInt64
    let directory: String

    /// What a round leaves for the judgement.
    struct Outcome: Sendable {
        var evidence: Evidence
        var script: Script
        var tries: Int
        var looks: Int
    }

    private static let configuration = """
        workers: 3
        drain: 1s
        accounts:
          acme: {kind: bitbucket-cloud, hook_secret: credential:hook}

        """

    private static func file(of app: App) -> String {
        func list(_ name: String, _ commands: [String]) -> String {
            "\(name):\n" + commands.map { "  - \"\(alone); \($0)\"\n" }.joined()
        }
        return """
            account: acme
            repository: \(repository)
            clone_url: file://@DIR@/origin/shop.git
            root: @DIR@/srv/\(app.name)
            branches: [\(app.branches.joined(separator: ", "))]
            max_attempts: 1000

            """ + list("build", app.build + ["echo built > built"]) + list("deploy", app.deploy)
    }

    /// Runs it; a calm one has no storm, only the first release of every app. What the daemon's start and end throw, and every wait that did not end, is thrown.
    func run(isCalm: Bool = false) async throws -> Outcome {
        var random = SeededRandom(seed: seed)
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let origin = try await GitOrigin(bare: directory + "/origin/shop.git", work: directory + "/work")
        let allow = ["git", "-C", origin.bare, "config", "receive.denyDeleteCurrent", "ignore"]
        try await Shell.check(allow, environment: GitOrigin.environment)
        let graph = try await CommitGraph.grow(60, in: origin, &random)
        let script = Script(graph: graph, &random)
        let forge = Forge(origin: origin)
        let apps = Self.apps.reduce(into: [:]) { $0[$1.name] = Self.file(of: $1) }
        return try await withBittern(
            config: Self.configuration, apps: apps, credentials: ["hook": Self.hookSecret], in: directory
        ) { daemon in
            let watcher = Watcher(roots: Self.apps.reduce(into: [:]) { $0[$1.name] = root(of: $1) })
            let courier = Courier(daemon: daemon)
            watcher.start()
            do {
                try await begin(script, forge, courier, random)
                if !isCalm { try await storm(script, daemon, forge, courier, random) }
                try await rest()
            } catch {
                _ = try await watcher.stop()
                throw error
            }
            let processes = try processesOfJobs()
            let (watched, looks) = try await watcher.stop()
            guard try await daemon.terminate() == 0 else { throw UnexpectedEnd(status: daemon.exitStatus) }
            var evidence = try await evidence(graph, forge, courier)
            evidence.watched = watched
            evidence.processes = processes
            return Outcome(evidence: evidence, script: script, tries: courier.tries, looks: looks)
        }
    }

    func root(of app: App) -> String { "\(directory)/srv/\(app.name)" }
    var ledger: String { directory + "/state/bittern.db" }

    /// What carries a job of this round in its environment.
    func processesOfJobs() throws -> [Int32] {
        try ProcessTable.processes(withEnvironmentContaining: "BITTERN_RELEASE=\(directory)/")
    }

    /// Removes the round's directory.
    func remove() async throws { try await Shell.check(["rm", "-rf", "--", directory]) }

    /// The branches are made and every app gets its first release: the mirrors know every ref from now on.
    private func begin(_ script: Script, _ forge: Forge, _ courier: Courier, _ random: SeededRandom) async throws {
        let moves = script.beginnings.sorted { $0.key < $1.key }.map { Script.Move(branch: $0.key, old: nil, new: $0.value, forced: false) }
        let push = Script.Push(pause: .zero, moves: moves, delay: .zero)
        try await forge.push(moves)
        courier.expect(push, number: -1)
        try await courier.bring(push, number: -1, random)
        try await eventually("the first releases", within: .seconds(20)) {
            Self.apps.allSatisfy { Watcher.target(of: root(of: $0) + "/current") != nil }
        }
    }

    private func storm(
        _ script: Script, _ daemon: BitternDaemon, _ forge: Forge, _ courier: Courier, _ random: SeededRandom
    ) async throws {
        var random = random
        let seeds = script.pushes.map { _ in random.next() }
        try await withThrowingTaskGroup { group in
            group.addTask {
                for blow in script.blows { try await strike(blow, daemon, courier) }
            }
            group.addTask {
                try await withThrowingTaskGroup { deliveries in
                    for (number, push) in script.pushes.enumerated() {
                        try await Task.sleep(for: push.pause)  // the storm itself
                        try await forge.push(push.moves)
                        courier.expect(push, number: number)
                        deliveries.addTask { try await courier.bring(push, number: number, SeededRandom(seed: seeds[number])) }
                    }
                    try await deliveries.waitForAll()
                }
            }
            try await group.waitForAll()
        }
    }

    /// Ends the daemon and starts it again.
    private func strike(_ blow: Script.Blow, _ daemon: BitternDaemon, _ courier: Courier) async throws {
        try await Task.sleep(for: blow.pause)  // the storm itself
        if blow.inOrder {
            guard try await daemon.terminate(within: .seconds(20)) == 0 else { throw UnexpectedEnd(status: daemon.exitStatus) }
        } else {
            try await daemon.kill9()
        }
        try await Task.sleep(for: blow.down)  // the storm itself
        if let moment = blow.duringStart {
            let starting = Task { try await daemon.start() }
            try await Task.sleep(for: moment)  // the storm itself
            daemon.send(signal: SIGKILL)
            // It may have been READY before, or not yet be a process as the signal was sent; what ended it otherwise is a finding.
            if case .failure(let error) = await starting.result, daemon.exitStatus != .signaled(SIGKILL) { throw error }
            try await daemon.kill9()
        }
        try await daemon.start()
        courier.daemonStarted()
    }

    /// Waits until no job waits or runs.
    private func rest() async throws {
        let queue = try Book.open(ledger)
        try await eventually("the end of all jobs", within: .seconds(60)) { try Book.unfinished(queue) == 0 }
        try queue.close()
    }

    private func evidence(_ graph: CommitGraph, _ forge: Forge, _ courier: Courier) async throws -> Evidence {
        var heads: [String: String] = [:]
        for branch in Script.branches { heads[branch] = try await forge.origin.head(of: branch) }
        var evidence = Evidence(
            answered: courier.answered, refusals: courier.refusals, records: await forge.records, graph: graph, heads: heads,
            book: try Book(try Book.open(ledger)), damage: [], links: [:], watched: [], processes: [], overlaps: [:], deployed: [:])
        try collect(&evidence, ledger: ledger)
        return evidence
    }

    /// Reads anew what lies on the disk.
    func collect(_ evidence: inout Evidence, ledger: String) throws {
        let queue = try Book.open(ledger)
        evidence.damage = try Book.damage(queue)
        evidence.book = try Book(queue)
        try queue.close()
        for app in Self.apps {
            let current = root(of: app) + "/current"
            let revision = Watcher.contents(of: current + "/REVISION").map { String(decoding: $0, as: UTF8.self) }
            evidence.links[app.name] = (Watcher.target(of: current), revision)
            evidence.overlaps[app.name] = lines("overlaps-\(app.name)")
            evidence.deployed[app.name] = lines("deployed-\(app.name)").compactMap { Int64($0) }
        }
    }

    /// The ledger's tables as text.
    func tables() -> String {
        do {
            return try Book.tables(try Book.open(ledger))
        } catch {
            return "the ledger cannot be read: \(error)"
        }
    }

    private func lines(_ name: String) -> [String] {
        let bytes = FileManager.default.contents(atPath: "\(directory)/\(name)") ?? Data()  // no file: no step wrote
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}

/// The daemon was asked to end and did not exit with 0.
struct UnexpectedEnd: Error, CustomStringConvertible {
    let status: ExitStatus?

    var description: String { "after SIGTERM the daemon \(status.map { "\($0)" } ?? "did not end")" }
}
