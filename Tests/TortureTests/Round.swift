import Foundation
import GRDB
import Glibc
import RealParts

/// One round: a daemon, an origin, a storm, and the evidence of what came of it.
struct Round: Sendable {
    struct App: Sendable {
        let name: String
        let refs: [String]
        /// What it follows, as its file has it.
        let follows: String
        /// Commands between the beginning and the end of its build, as YAML strings.
        var build: [String] = []
        var preDeploy: [String] = []
        let deploy: [String]
    }

    /// How a job of ``unreliable`` fails.
    struct Failure: Sendable {
        let reason: String
        let isBeforeActivation: Bool
    }

    static let repository = "acme/shop"
    static let hookSecret = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
    static let apps = [
        App(name: "blog", refs: ["refs/heads/main"], follows: "branches: [main]", deploy: [record, "sleep 0.1"]),
        App(
            name: "docs", refs: ["refs/heads/main"], follows: "branches: [main]", build: ["sleep 0.1"], preDeploy: ["sleep 0.05"],
            deploy: [record]),
        App(
            name: unreliable, refs: ["refs/heads/release"], follows: "branches: [release]", build: [failing],
            deploy: [record + "; " + failingLate]),
        App(
            name: "wiki", refs: ["refs/heads/release", "refs/heads/stage"], follows: "branches: [release, stage]", build: [runaway],
            deploy: [record]),
        App(name: "kiosk", refs: ["refs/tags/v1", "refs/tags/v2"], follows: "tags: [\"v*\"]", deploy: [record]),
    ]

    /// The app whose commands fail now and then: by the number of the job, so that a retry may succeed and a repetition does not.
    private static let unreliable = "shop"
    private static let failing = "[ $((BITTERN_JOB % 5)) != 0 ] || exit 3"
    private static let failingLate = "[ $((BITTERN_JOB % 7)) != 5 ] || exit 4"

    /// How the job must end if it comes to an end by itself; nil: well.
    static func failure(of job: Int64, app: String) -> Failure? {
        guard app == unreliable else { return nil }
        if job.isMultiple(of: 5) { return Failure(reason: "step \"build-1\" exited with status 3", isBeforeActivation: true) }
        return job % 7 == 5 ? Failure(reason: "step \"deploy-1\" exited with status 4", isBeforeActivation: false) : nil
    }

    /// The deploy step that others can count: one write, so that no line is half there.
    private static let record = "echo $BITTERN_JOB >> @DIR@/deployed-$BITTERN_APP"
    /// Says so when another step of the app is alive; the kernel gives the lock back with the last process that holds it.
    private static let alone = "exec 9>>@DIR@/lock-$BITTERN_APP; flock -w 0.1 9 || echo $BITTERN_JOB >> @DIR@/overlaps-$BITTERN_APP"

    /// Now and then a step leaves a process in a session of its own, which would outlive it by far.
    private static let runaway = "[ $((BITTERN_JOB % 7)) != 0 ] || { setsid sleep 300 > /dev/null 2>&1 & sleep 0.03; }"

    /// In memory where that can be: what SIGKILL leaves does not depend on the disk, and a round has some 500 commits to be synced.
    static let parent = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp"

    let seed: UInt64
    let directory: String
    let tally: CrashTally

    /// What a round leaves for the judgement.
    struct Outcome: Sendable {
        var evidence: Evidence
        var script: Script
        var tries: Int
        var looks: Int
        /// How long each part of it took.
        var laps: [(part: String, time: Duration)] = []
    }

    private static let token = "the-token-of-the-kill-loop"

    /// git goes to the repository itself: what is told to the forge is what is looked at here.
    private static func configuration(_ bitbucket: FakeBitbucket) -> String {
        """
        name: web1
        workers: 3
        drain: 1s
        accounts:
          acme:
            kind: bitbucket-cloud
            hook_secret: credential:hook
            ca: \(bitbucket.caFile)
            proxy: \(bitbucket.proxy)
            auth: {access_token: credential:token}

        """
    }

    private static func scenario(_ bare: String) -> JSONValue {
        let words = repository.split(separator: "/").map { JSONValue.string(String($0)) }
        return [
            "cloud": [
                "repositories": [["workspace": words[0], "project": "P", "slug": words[1], "name": "Shop", "path": .string(bare)]],
                "credentials": [
                    [
                        "kind": "access_token", "level": "repository", "token": .string(token), "scopes": ["repository"],
                        "repositories": nil,
                    ]
                ],
            ],
            "datacenter": ["version": "9.4.1", "repositories": [], "credentials": []],
        ]
    }

    private static func file(of app: App) -> String {
        func list(_ name: String, _ commands: [String]) -> String {
            commands.isEmpty ? "" : "\(name):\n" + commands.map { "  - '\(alone); \($0)'\n" }.joined()
        }
        return """
            account: acme
            repository: \(repository)
            clone_url: file://@DIR@/origin/shop.git
            root: @DIR@/srv/\(app.name)
            \(app.follows)
            max_attempts: 1000
            on_failure: keep

            """ + list("build", app.build + ["echo built > built"]) + list("pre_deploy", app.preDeploy) + list("deploy", app.deploy)
    }

    /// Runs it; a calm one has no storm, only the first release of every app. What the daemon's start and end throw, and every wait
    /// that did not end, is thrown.
    func run(isCalm: Bool = false) async throws -> Outcome {
        var random = SeededRandom(seed: seed)
        var laps: [(part: String, time: Duration)] = []
        var began = ContinuousClock.now
        func lap(_ part: String) {
            laps.append((part: part, time: .now - began))
            began = .now
        }
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let origin = try await GitOrigin(bare: directory + "/origin/shop.git", work: directory + "/work")
        let allow = ["git", "-C", origin.bare, "config", "receive.denyDeleteCurrent", "ignore"]
        try await Shell.check(allow, environment: GitOrigin.environment)
        let graph = try await CommitGraph.grow(60, in: origin, &random)
        let script = Script(graph: graph, seed: seed, &random)
        let forge = Forge(origin: origin)
        let apps = Self.apps.reduce(into: [:]) { $0[$1.name] = Self.file(of: $1) }
        lap("origin")
        return try await withFakeBitbucket(Self.scenario(origin.bare)) { bitbucket in
            try await play(
                Play(graph: graph, script: script, forge: forge, bitbucket: bitbucket, apps: apps), isCalm: isCalm, random, laps)
        }
    }

    /// What a round is made of when its daemon is started.
    private struct Play: Sendable {
        let graph: CommitGraph
        let script: Script
        let forge: Forge
        let bitbucket: FakeBitbucket
        let apps: [String: String]
    }

    private func play(
        _ play: Play, isCalm: Bool, _ random: SeededRandom, _ before: [(part: String, time: Duration)]
    ) async throws -> Outcome {
        var random = random
        var laps = before
        var began = ContinuousClock.now
        func lap(_ part: String) {
            laps.append((part: part, time: .now - began))
            began = .now
        }
        let (script, bitbucket) = (play.script, play.bitbucket)
        return try await withBittern(
            config: Self.configuration(bitbucket), apps: play.apps,
            credentials: ["hook": Self.hookSecret, "token": Self.token], in: directory
        ) { daemon in
            let watcher = Watcher(roots: Self.apps.reduce(into: [:]) { $0[$1.name] = root(of: $1) })
            let scene = Scene(
                script: script, forge: play.forge, victim: Victim(daemon: daemon, tally: tally), courier: Courier(daemon: daemon),
                someone: Operator(daemon: daemon, SeededRandom(seed: random.next())))
            watcher.start()
            lap("start")
            do {
                try await begin(scene, random)
                lap("first releases")
                if !isCalm { try await storm(scene, random) }
                lap("storm")
                // One more start, and with it one more look at the refs.
                if !isCalm { try await restart(scene.victim) }
                try await rest(scene.victim, play.forge)
                lap("rest")
            } catch {
                _ = try await watcher.stop()
                throw BrokenOff(cause: error, script: script)
            }
            let processes = try processesOfJobs()
            let (watched, looks) = try await watcher.stop()
            try await scene.victim.terminate()
            var evidence = try await evidence(play.graph, scene)
            evidence.told = try await Evidence.Told(bitbucket)
            evidence.watched = watched
            evidence.processes = processes
            evidence.heldAtEnd = isCalm ? nil : script.heldAtEnd
            lap("end")
            return Outcome(evidence: evidence, script: script, tries: scene.courier.tries, looks: looks, laps: laps)
        }
    }

    /// Who plays in a round.
    private struct Scene: Sendable {
        let script: Script
        let forge: Forge
        let victim: Victim
        let courier: Courier
        let someone: Operator
    }

    func root(of app: App) -> String { "\(directory)/srv/\(app.name)" }
    var ledger: String { directory + "/state/bittern.db" }

    /// What carries a job of this round in its environment.
    func processesOfJobs() throws -> [Int32] {
        try ProcessTable.processes(withEnvironmentContaining: "BITTERN_RELEASE=\(directory)/")
    }

    /// Removes the round's directory.
    func remove() async throws { try await Shell.check(["rm", "-rf", "--", directory]) }

    /// The refs are made and every app gets its first release: the mirrors know every ref from now on.
    private func begin(_ scene: Scene, _ random: SeededRandom) async throws {
        let beginnings = scene.script.beginnings.sorted { $0.key < $1.key }
        let moves = beginnings.map { Script.Move(ref: $0.key, old: nil, new: $0.value, forced: false) }
        let push = Script.Push(pause: .zero, moves: moves, delay: .zero)
        try await scene.forge.push(moves)
        scene.courier.expect(push, number: -1)
        try await scene.courier.bring(push, number: -1, random)
        try await eventually("the first releases", within: .seconds(20)) {
            try scene.victim.mustBeAlive()
            return Self.apps.allSatisfy { Watcher.target(of: root(of: $0) + "/current") != nil }
        }
    }

    private func storm(_ scene: Scene, _ random: SeededRandom) async throws {
        var random = random
        let script = scene.script
        let seeds = script.pushes.map { _ in random.next() }
        let choices = SeededRandom(seed: random.next())
        try await withThrowingTaskGroup { group in
            group.addTask { try await strike(scene, choices) }
            group.addTask {
                for wish in script.wishes {
                    try await Task.sleep(for: wish.pause)  // the storm itself
                    try await scene.someone.perform(wish.act, on: wish.app)
                }
            }
            group.addTask {
                try await withThrowingTaskGroup { deliveries in
                    for (number, push) in script.pushes.enumerated() {
                        try await Task.sleep(for: push.pause)  // the storm itself
                        try await scene.forge.push(push.moves)
                        scene.courier.expect(push, number: number)
                        deliveries.addTask { try await scene.courier.bring(push, number: number, SeededRandom(seed: seeds[number])) }
                    }
                    try await deliveries.waitForAll()
                }
            }
            try await group.waitForAll()
        }
        try await scene.someone.leaveHeld(script.heldAtEnd)
    }

    /// Ends the daemon and starts it again, over and over.
    private func strike(_ scene: Scene, _ random: SeededRandom) async throws {
        var random = random
        let victim = scene.victim
        try await withThrowingTaskGroup { orders in
            for blow in scene.script.blows {
                try await victim.end(blow.way, after: blow.pause)
                try await Task.sleep(for: blow.down)  // the storm itself
                if let moment = blow.duringStart { try await victim.killDuringStart(after: moment) }
                // What killed itself while it recovered is started once more, without a plan.
                let isReady = try await victim.start(blow.crash)
                if !isReady { _ = try await victim.start() }
                scene.courier.daemonStarted()
                guard isReady, let crash = blow.crash, let app = Self.apps.randomElement(using: &random)?.name else { continue }
                orders.addTask { try await Self.bring(crash.verb, about: app, scene.someone) }
            }
            try await orders.waitForAll()
        }
    }

    /// Brings the crash points about that only somebody's order leads to.
    private static func bring(_ verb: String, about app: String, _ someone: Operator) async throws {
        switch verb {
        case "cancelQueued": try await someone.perform(.cancel, on: app)
        case "retry": try await someone.perform(.retry, on: app)
        case "hold": try await someone.perform(.hold, on: app)
        case "resume":
            try await someone.perform(.hold, on: app)
            try await someone.perform(.resume, on: app)
        default: break
        }
    }

    private func restart(_ victim: Victim) async throws {
        try await victim.terminate()
        _ = try await victim.start()
    }

    /// Waits until the refs were looked at since the last start, no job runs, none waits but for the end of a hold, and the forge was told of all.
    private func rest(_ victim: Victim, _ forge: Forge) async throws {
        let queue = try Book.open(ledger)
        let heads = try await forge.objects()
        // What a look finds is queued before it ends: from there on nothing but the jobs themselves is to be waited for.
        try await eventually("the look after the last start", within: .seconds(60)) {
            try victim.mustBeAlive()
            return victim.log.contains("looked for pushes missed in ")
        }
        try await eventually("the accounting of all heads", within: .seconds(60)) {
            try victim.mustBeAlive()
            let accounted = try Book.accounted(queue)
            return heads.allSatisfy { ref, names in accounted[ref].map(names.contains) ?? false }
        }
        try await eventually("the end of all jobs", within: .seconds(90)) {
            try victim.mustBeAlive()
            return try Book.unfinished(queue) == 0
        }
        try await eventually("an empty outbox", within: .seconds(60)) {
            try victim.mustBeAlive()
            return try Book.untold(queue) == 0
        }
        try queue.close()
    }

    private func evidence(_ graph: CommitGraph, _ scene: Scene) async throws -> Evidence {
        var evidence = Evidence(
            answered: scene.courier.answered, refusals: scene.courier.refusals, records: await scene.forge.records, graph: graph,
            heads: try await scene.forge.heads(), deeds: await scene.someone.deeds, ends: scene.victim.ends,
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

/// A round did not come to its end.
struct BrokenOff: Error {
    let cause: any Error
    /// What was played.
    let script: Script
}
