import Domain
import RealParts
import Testing

@testable import Storage

/// The outbox: what forges are told of jobs.
@Suite struct ReportTests {
    private static let shop = ReportingApp(app: "shop", account: "acme", server: "web1")

    private func states(_ house: LedgerHouse) throws -> [String] {
        try house.values("SELECT job || ' ' || state || iif(is_verdict, '!', '') FROM outbox ORDER BY id")
    }

    private func due(_ house: LedgerHouse, at milliseconds: Int64 = 9000) async throws -> [JobReport] {
        try await house.ledger.dueReports(to: "acme", at: at(milliseconds), limit: 10)
    }

    @Test("every way in which a job changes its state is in the outbox, in its order")
    func everyState() async throws {
        try await withLedger { house in
            try await house.ledger.report([Self.shop])
            let first = try await house.claim(house.push("main", nil, 1))
            try await house.ledger.finish(job: first.job.id, JobEnd(.failed, "no"), at: at(2500))
            let second = try await house.push("main", 1, 2)
            let third = try await house.push("main", 2, 3)
            #expect(try await house.ledger.cancelQueued(job: third, JobEnd(.cancelled, "by ann"), at: at(2600)))
            let fourth = try await house.claim(house.push("main", 3, 4))
            // It is put back, and starts anew.
            try await house.ledger.putBack(job: fourth.job.id, at: at(2700))
            let again = try await house.claim(fourth.job.id)
            try await house.ledger.finish(job: again.job.id, .alreadyLive(asRelease: 9), at: at(2800))
            #expect(
                try states(house) == [
                    "1 running", "1 failed!", "\(second) superseded", "\(third) cancelled!", "\(fourth.job.id) running",
                    "\(fourth.job.id) running", "\(fourth.job.id) superseded!",
                ])
            let report = try #require(try await due(house).first)
            #expect(report.key == "bittern:shop@web1" && report.name == "shop on web1" && report.account == "acme")
            #expect(report.repository == RepositoryName("acme/shop") && report.ref == RefName(.branch, "main"))
            let pushed = try commit(1)
            #expect(report.commit == pushed && report.state == .running && report.at == at(2000))
        }
    }

    @Test("of apps whose forge hears nothing, nothing is noted")
    func silent() async throws {
        try await withLedger { house in
            try await house.deploy(house.push("main", nil, 1))
            #expect(try states(house) == [])
            try await house.ledger.report([ReportingApp(app: "blog", account: "acme", server: "web1")])
            try await house.deploy(house.push("main", 1, 2))
            #expect(try states(house) == [])
        }
    }

    @Test("what was begun under a key ends under it, though the server is called otherwise or the app is gone")
    func keyStays() async throws {
        try await withLedger { house in
            try await house.ledger.report([Self.shop])
            let claimed = try await house.claim(house.push("main", nil, 1))
            let begun = try #require(try await due(house).first)
            try await house.ledger.reportDone(begun, at: at(2100))
            try await house.ledger.report([])
            try await house.ledger.finish(job: claimed.job.id, JobEnd(.succeeded, "live"), at: at(2500))
            let end = try #require(try await due(house).first)
            #expect(end.state == .succeeded && end.key == "bittern:shop@web1")
            // With the end all of it goes.
            try await house.ledger.reportDone(end, at: at(2600))
            #expect(try states(house) == [])
        }
    }

    @Test("of one commit and key the earlier goes first, whatever became of it; others do not wait for it")
    func order() async throws {
        try await withLedger { house in
            try await house.ledger.report([Self.shop])
            try await house.deploy(house.push("main", nil, 1))
            try await house.deploy(house.push("main", 1, 2))
            let first = try await due(house)
            #expect(first.map { "\($0.job) \($0.state)" } == ["1 running", "2 running"])
            try await house.ledger.reportTried(first[0], again: at(5000))
            #expect(try await due(house, at: 4999).map(\.job) == [2])
            // What was tried less stands first.
            #expect(try await due(house, at: 5000).map { "\($0.job) \($0.state) \($0.attempts)" } == ["2 running 0", "1 running 1"])
            // A clock that was set back puts nothing off for long.
            #expect(try await due(house, at: 5000 - 7_200_001).map(\.job) == [2, 1])
            try await house.ledger.reportDone(first[0], at: at(5001))
            #expect(try await due(house).map { "\($0.job) \($0.state)" } == ["1 succeeded", "2 running"])
        }
    }

    @Test("it is known which accounts have something waiting, since when, and until when")
    func measure() async throws {
        try await withLedger { house in
            #expect(try await house.ledger.outboxMeasure() == OutboxMeasure(waiting: 0, oldest: nil))
            #expect(try await house.ledger.accountsWithReports(at: at(6000)).isEmpty)
            try await house.ledger.report([Self.shop])
            try await house.deploy(house.push("main", nil, 1))
            #expect(try await house.ledger.outboxMeasure() == OutboxMeasure(waiting: 2, oldest: at(2000)))
            #expect(try await house.ledger.accountsWithReports(at: at(6000)) == ["acme": nil])
            for report in try await due(house) { try await house.ledger.reportTried(report, again: at(7000)) }
            // The one behind it could go at once as far as it is concerned, and waits all the same.
            #expect(try await house.ledger.accountsWithReports(at: at(6000)) == ["acme": at(7000)])
            #expect(try await house.ledger.measure(at: at(1)).outbox == 2)
        }
    }
}
