import Testing

@testable import Domain

/// Where a job goes on whose steps went on without a daemon.
struct ResumptionTests {
    private func plan() throws -> Plan {
        var shop = try app(build: [CommandStep(name: "bundle", run: "make")], deploy: [CommandStep(name: "warm", run: "./warm")])
        shop.releases.health = Health(.run("true"))
        let old = ReleaseTarget(release: 41, commit: try commit("b"), path: "/srv/shop/releases/41-bbbbbbb", ref: nil)
        let job = Job(
            id: 42, app: "shop", repository: "acme/shop", ref: try branch("main"), commit: try commit("a"), cause: .push, state: .running,
            queuedAt: Timestamp(milliseconds: 0))
        return Plan(app: shop, job: job, environment: [:], previous: nil, home: "/home", goBack: old)
    }

    /// The steps up to one, of which all but the last succeeded.
    private func steps(to name: String, _ state: StepRecord.State) throws -> [StepRecord] {
        let all = try plan().allSteps
        let last = try #require(all.firstIndex { $0.name == name })
        return all[...last].enumerated().map { position, step in
            StepRecord(
                position: position, name: step.name, state: position == last ? state : .succeeded, startedAt: Timestamp(milliseconds: 1))
        }
    }

    private func resumption(_ steps: [StepRecord], isReverting: Bool = false, first: Int = 0) throws -> Resumption? {
        Resumption(of: try plan(), after: steps, isReverting: isReverting, first: first)
    }

    @Test("a start that has not begun a step begins where it would have")
    func nothing() throws {
        #expect(try resumption([]) == Resumption(position: 0, isBegun: false))
        #expect(try resumption([], first: 4) == Resumption(position: 4, isBegun: false))
    }

    @Test("a step that runs is waited for, one that succeeded is followed by the next")
    func forward() throws {
        for (position, name) in ["fetch", "checkout", "bundle", "activate", "warm", "health"].enumerated() {
            #expect(try resumption(steps(to: name, .running)) == Resumption(position: position, isBegun: true))
            guard name != "fetch" else { continue }
            #expect(try resumption(steps(to: name, .succeeded)) == Resumption(position: position + 1, isBegun: false))
        }
    }

    @Test("what a fetch brought and why a step failed the ledger does not say in full, so the runner is asked again")
    func askedAgain() throws {
        #expect(try resumption(steps(to: "fetch", .succeeded)) == Resumption(position: 0, isBegun: true))
        for state in [StepRecord.State.failed, .cancelled] {
            #expect(try resumption(steps(to: "bundle", state)) == Resumption(position: 2, isBegun: true))
        }
    }

    @Test("a job that goes back goes on with that, and begins it where it had only been decided")
    func back() throws {
        #expect(try resumption(steps(to: "health", .failed), isReverting: true) == Resumption(position: 6, isBegun: false))
        #expect(try resumption(steps(to: "switch-back", .running), isReverting: true) == Resumption(position: 6, isBegun: true))
        #expect(try resumption(steps(to: "switch-back", .succeeded), isReverting: true) == Resumption(position: 7, isBegun: false))
        #expect(try resumption(steps(to: "rollback-health", .succeeded), isReverting: true) == Resumption(position: 9, isBegun: false))
    }

    @Test("steps of another plan are no place to go on from")
    func otherPlan() throws {
        var steps = try steps(to: "bundle", .running)
        steps[2].name = "other"
        #expect(try resumption(steps) == nil)
        steps[2] = StepRecord(position: 99, name: "bundle", state: .running, startedAt: Timestamp(milliseconds: 1))
        #expect(try resumption(steps) == nil)
    }
}
