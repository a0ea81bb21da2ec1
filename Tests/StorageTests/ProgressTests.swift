import Domain
import RealParts
import Storage
import Testing

/// Steps, releases and the end of a job.
@Suite struct ProgressTests {
    @Test(
        "a step is kept with how it ended",
        arguments: [
            (StepOutcome.succeeded, StepRecord.State.succeeded, 0, nil), (.exited(status: 3), .failed, 3, nil),
            (.signalled(15), .failed, nil, 15), (.exceeded(.step(.seconds(1))), .failed, nil, nil), (.stopped, .cancelled, nil, nil),
            (.failed(reason: "no"), .failed, nil, nil), (.concluded(JobEnd(.superseded, "gone")), .succeeded, nil, nil),
        ] as [(StepOutcome, StepRecord.State, Int32?, Int32?)])
    func step(outcome: StepOutcome, state: StepRecord.State, exitStatus: Int32?, signal: Int32?) async throws {
        try await withLedger { house in
            let claimed = try await house.claim(house.push("main", 1, 2))
            try await house.step(claimed, 0, "fetch", outcome)
            let record = StepRecord(
                position: 0, name: "fetch", state: state, exitStatus: exitStatus, signal: signal, startedAt: at(2100), finishedAt: at(2105))
            #expect(try await house.job(claimed.job.id).steps == [record])
        }
    }

    @Test("of a job one step runs at a time")
    func oneStep() async throws {
        try await withLedger { house in
            let claimed = try await house.claim(house.push("main", 1, 2))
            try await house.ledger.stepStarted(job: claimed.job.id, start: 1, position: 0, name: "fetch", at: at(1))
            let error = await #expect(throws: LedgerError.self) {
                try await house.ledger.stepStarted(job: claimed.job.id, start: 1, position: 1, name: "checkout", at: at(2))
            }
            #expect(error?.sentence == "the ledger \(house.path) refused: UNIQUE constraint failed: steps.job")
            #expect(try await house.job(claimed.job.id).steps.map(\.name) == ["fetch"])
        }
    }

    @Test("an end that is told twice changes nothing the second time")
    func endedTwice() async throws {
        try await withLedger { house in
            let claimed = try await house.claim(house.push("main", 1, 2))
            try await house.step(claimed, 0, "fetch")
            try await house.ledger.stepEnded(job: claimed.job, start: 1, position: 0, outcome: .stopped, at: at(9999))
            let step = try #require(try await house.job(claimed.job.id).steps.first)
            #expect(step.state == .succeeded)
            #expect(step.finishedAt == at(2105))
        }
    }

    @Test("a release is known before its directory is made, and belongs to its job")
    func begun() async throws {
        try await withLedger { house in
            let claimed = try await house.claim(house.push("main", 1, 2))
            try await house.beginRelease(claimed)
            #expect(try house.releaseState(claimed.job.id) == "building")
            #expect(try await house.job(claimed.job.id).release == claimed.job.id)
            let live = try await house.ledger.liveReleases()
            #expect(live.isEmpty)
        }
    }

    @Test("a job that begins its release anew begins the same one")
    func begunAgain() async throws {
        try await withLedger { house in
            let claimed = try await house.claim(house.push("main", 1, 2))
            try await house.beginRelease(claimed)
            try await house.beginRelease(claimed)
            #expect(try house.value("SELECT count(*) FROM releases WHERE state = 'building'") == 1)
        }
    }

    @Test("a release that goes live leaves the one before as a good one, and those of other apps alone")
    func activated() async throws {
        try await withLedger { house in
            try await house.deploy(house.push("main", 1, 2))
            try await house.deploy(house.push("main", 1, 2, for: "blog"))
            try await house.deploy(house.push("main", 2, 3))
            #expect(try house.releaseState(1) == "good")
            let live = try await house.ledger.liveReleases()
            #expect(live.mapValues(\.id) == ["blog": 2, "shop": 3])
            let release = Release(
                app: "shop", id: 3, commit: try commit(3), path: "/srv/shop/releases/3", state: .live, activatedAt: at(2300),
                createdAt: at(2200))
            #expect(live["shop"] == release)
        }
    }

    @Test("going live twice is going live once")
    func activatedTwice() async throws {
        try await withLedger { house in
            let claimed = try await house.claim(house.push("main", 1, 2))
            try await house.activate(claimed, at: 2300)
            try await house.ledger.releaseActivated(claimed.job.id, app: "shop", at: at(9999))
            #expect(try house.value("SELECT activated_at FROM releases WHERE state = 'live'") == 2300)
        }
    }

    @Test("a job ends with its state, reason and moment", arguments: Job.State.allCases.filter(\.isEnded))
    func finished(state: Job.State) async throws {
        try await withLedger { house in
            let id = try await house.claim(house.push("main", 1, 2)).job.id
            try await house.ledger.finish(job: id, JobEnd(state, "because"), at: at(9000))
            let job = try await house.job(id)
            #expect(job.state == state)
            #expect(job.reason == "because")
            #expect(job.finishedAt == at(9000))
        }
    }

    @Test("a job ends once, and only when it runs")
    func finishedTwice() async throws {
        try await withLedger { house in
            let id = try await house.push("main", 1, 2)
            try await house.ledger.finish(job: id, JobEnd(.failed, "too early"), at: at(1))
            #expect(try await house.state(of: id) == .queued)
            try await house.claim(id)
            try await house.ledger.finish(job: id, JobEnd(.succeeded, "first"), at: at(2))
            try await house.ledger.finish(job: id, JobEnd(.failed, "second"), at: at(3))
            #expect(try await house.job(id).reason == "first")
        }
    }

    @Test("the end of a job marks the release it left unfinished as failed, and no other")
    func unfinished() async throws {
        try await withLedger { house in
            try await house.deploy(house.push("main", 1, 2))
            let claimed = try await house.claim(house.push("main", 2, 3))
            try await house.beginRelease(claimed)
            try await house.ledger.finish(job: claimed.job.id, JobEnd(.failed, "no"), at: at(3000))
            #expect(try house.releaseState(2) == "failed")
            #expect(try house.releaseState(1) == "live")
        }
    }

    @Test("a release that is live stays so when its job fails afterwards")
    func failedLater() async throws {
        try await withLedger { house in
            let claimed = try await house.claim(house.push("main", 1, 2))
            try await house.activate(claimed)
            try await house.ledger.finish(job: claimed.job.id, JobEnd(.failed, "no"), at: at(3000))
            #expect(try house.releaseState(claimed.job.id) == "live")
        }
    }
}
