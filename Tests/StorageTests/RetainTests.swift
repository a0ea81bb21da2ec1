import Domain
import RealParts
import Testing

@testable import Storage

@Suite struct RetainTests {
    // MARK: Deliveries

    @Test("old deliveries go with their verdicts; what they accounted, and their jobs, stay")
    func deliveries() async throws {
        try await withLedger { house in
            try await house.accept(delivery("r1", moved("main", 1, 2), at: 1000))
            try await house.ledger.record([refused(at: 1500)])
            try await house.accept(delivery("r2", moved("main", 2, 3), at: 2000))
            #expect(try await house.ledger.forgetDeliveries(receivedBefore: at(2000)) == 2)
            #expect(try house.values("SELECT request_id FROM deliveries") == ["r2"])
            #expect(try house.counts() == [1, 1, 2, 1, 2])
            #expect(try await house.ledger.forgetDeliveries(receivedBefore: at(2000)) == 0)
            #expect(try house.value("PRAGMA integrity_check") == "ok")
        }
    }

    @Test("a push whose delivery is forgotten makes no second job when it is sent again, whatever its request id")
    func sentAgain() async throws {
        try await withLedger { house in
            try await house.accept(delivery("r1", moved("main", 1, 2), at: 1000))
            try await house.ledger.record([refused(at: 1500)])
            #expect(try await house.ledger.forgetDeliveries(receivedBefore: at(2000)) == 1)
            for request in ["r1", "r9"] {
                let again = try await house.accept(delivery(request, moved("main", 1, 2), at: 3000))
                #expect(again.duplicateOf == 1)
                #expect(again.verdicts.map(\.reason) == ["already job 1; bittern retry 1 runs it again"])
            }
            #expect(try house.value("SELECT count(*) FROM jobs") == 1)
        }
    }

    @Test("the newest delivery stays, so that no number is given twice")
    func newest() async throws {
        try await withLedger { house in
            for request in ["r1", "r2"] { try await house.accept(delivery(request, at: 1000)) }
            #expect(try await house.ledger.forgetDeliveries(receivedBefore: at(2000)) == 1)
            #expect(try await house.accept(delivery("r3", at: 3000)).id == 3)
        }
    }

    @Test("duplicates of a forgotten delivery remain duplicates, and more of them may come")
    func duplicates() async throws {
        try await withLedger { house in
            for moment in [1000, 2000, 2100] as [Int64] { try await house.accept(delivery("r1", moved("main", 1, 2), at: moment)) }
            #expect(try await house.ledger.forgetDeliveries(receivedBefore: at(1500)) == 1)
            #expect(try house.values("SELECT duplicate_of FROM deliveries ORDER BY id") == [1, 1])
            #expect(try await house.accept(delivery("r1", moved("main", 1, 2), at: 3000)).duplicateOf == 1)
            #expect(try house.value("SELECT count(*) FROM jobs") == 1)
        }
    }

    @Test("a ref that returns is a push of its own although the deliveries before it are forgotten")
    func returns() async throws {
        try await withLedger { house in
            try await house.push("main", 1, 2)
            try await house.push("main", 2, 1)
            try await house.ledger.record([refused(at: 1500)])
            #expect(try await house.ledger.forgetDeliveries(receivedBefore: at(5000)) == 2)
            #expect(try await house.push("main", 1, 2) == 3)
        }
    }

    @Test("what a forgotten delivery accounted is no find that waits for its delivery")
    func claims() async throws {
        try await withLedger { house in
            try await house.push("main", 1, 2)
            try await house.ledger.record([refused(at: 1500)])
            #expect(try await house.ledger.forgetDeliveries(receivedBefore: at(5000)) == 1)
            // The push from 2 to 3 was missed, and this one takes it back.
            #expect(try await house.accept(delivery("r2", moved("main", 3, 2))).queuedAnything)
        }
    }

    // MARK: Jobs

    @Test("of an app and ref old jobs go with their steps; the newest stays")
    func jobs() async throws {
        try await withLedger { house in
            for number in 1..<5 as Range<UInt8> {
                let job = try await house.push("main", number, number + 1)
                let claimed = try await house.claim(job)
                try await house.step(claimed, 0, "fetch")
                try await house.ledger.finish(job: job, JobEnd(.failed, "no"), at: at(3000 + Int64(number)))
            }
            #expect(try await house.ledger.forgetJobs(endedBefore: at(3003)) == 2)
            #expect(try house.values("SELECT id FROM jobs") == [3, 4])
            #expect(try house.values("SELECT job FROM steps") == [3, 4])
            #expect(try await house.ledger.forgetJobs(endedBefore: at(9000)) == 1)
            #expect(try house.values("SELECT id FROM jobs") == [4])
            #expect(try house.value("PRAGMA integrity_check") == "ok")
        }
    }

    @Test("the jobs of releases stay, and so do those that wait or run")
    func needed() async throws {
        try await withLedger { house in
            try await house.deploy(house.push("main", 1, 2), at: 2300)
            try await house.deploy(house.push("main", 2, 3), at: 2400)
            let failed = try await house.claim(house.push("main", 3, 4))
            try await house.beginRelease(failed)
            try await house.ledger.finish(job: 3, JobEnd(.failed, "no"), at: at(2500))
            try await house.claim(house.push("main", 4, 5))
            try await house.push("main", 5, 6)
            #expect(try await house.ledger.forgetJobs(endedBefore: at(9000)) == 0)
            #expect(try house.value("SELECT count(*) FROM jobs") == 5)
        }
    }

    @Test("the last job of a ref that came to a verdict stays although a newer one was superseded")
    func verdicts() async throws {
        try await withLedger { house in
            for (job, end) in [
                (1, JobEnd(.failed, "no")), (2, JobEnd(.failed, "no")), (3, JobEnd(.superseded, "gone")), (4, JobEnd(.superseded, "gone")),
            ] as [(Int64, JobEnd)] {
                try await house.claim(house.push("main", UInt8(job), UInt8(job) + 1))
                try await house.ledger.finish(job: job, end, at: at(3000 + job))
            }
            #expect(try await house.ledger.forgetJobs(endedBefore: at(9000)) == 2)
            #expect(try house.values("SELECT id FROM jobs") == [2, 4])
        }
    }

    @Test("a job that is forgotten leaves its number where others name it")
    func numbers() async throws {
        try await withLedger { house in
            try await house.push("main", 1, 2)
            try await house.push("main", 2, 3)
            try await house.push("main", 3, 4)
            #expect(try await house.ledger.forgetJobs(endedBefore: at(9000)) == 2)
            #expect(try house.values("SELECT job FROM verdicts ORDER BY delivery, position") == [1, 2, 3])
            try await house.push("main", 4, 5)
            #expect(try await house.job(3).supersededBy == 4)
        }
    }

    // MARK: Batches

    @Test("many are forgotten in several transactions, and a delivery that arrives meanwhile waits for one of them at most")
    func batches() async throws {
        try await withLedger { house in
            let count = 4 * Ledger.forgottenAtOnce
            try house.execute(
                """
                WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n <= \(count))
                INSERT INTO deliveries (account, remote_address, received_at, verified, answer, body_hash)
                SELECT 'acme', '::1', n, 1, 200, zeroblob(32) FROM numbers
                """)
            // Says how many old ones are left at every delivery.
            try house.execute(
                """
                CREATE TABLE seen (left_over INTEGER);
                CREATE TRIGGER look AFTER INSERT ON deliveries BEGIN
                    INSERT INTO seen SELECT count(*) FROM deliveries WHERE received_at <= \(count);
                END
                """)
            async let forgotten = house.ledger.forgetDeliveries(receivedBefore: at(Int64(count) + 1))
            while try house.value("SELECT count(*) FROM deliveries") == count + 1 { await Task.yield() }
            try await house.accept(delivery("r1", at: 100_000))
            #expect(try await forgotten == count)
            let left = try #require(try house.value("SELECT left_over FROM seen", as: Int.self))
            #expect(left % Ledger.forgottenAtOnce == 0 && left < count)
            #expect(try house.values("SELECT id FROM deliveries") == [count + 1, count + 2])
        }
    }

    @Test("forgetting ends early when its task is cancelled")
    func cancelled() async throws {
        try await withLedger { house in
            try await house.accept(delivery("r1", at: 1000))
            let forgetting = Task {
                try? await Task.sleep(for: .seconds(60))
                return try? await house.ledger.forgetDeliveries(receivedBefore: at(2000))
            }
            forgetting.cancel()
            _ = await forgetting.value
            #expect(try house.value("SELECT count(*) FROM deliveries") == 1)
        }
    }

    // MARK: Logs

    @Test("logs are past when their job ended before then, or is forgotten; not those of a number that no job had yet")
    func logs() async throws {
        try await withLedger { house in
            for job in 1...3 as ClosedRange<Int64> {
                try await house.claim(house.push("main", UInt8(job), UInt8(job) + 1))
                try await house.ledger.finish(job: job, JobEnd(.superseded, "gone"), at: at(3000 + job))
            }
            try await house.push("main", 4, 5)
            #expect(try await house.ledger.forgetJobs(endedBefore: at(3002)) == 1)
            #expect(try await house.ledger.pastJobs(among: [1, 2, 3, 4, 7], endedBefore: at(3003)) == [1, 2])
            #expect(try await house.ledger.pastJobs(among: [], endedBefore: at(3003)) == [])
        }
    }

    private func refused(at milliseconds: Int64) -> RefusedDelivery {
        RefusedDelivery(
            account: "acme", event: nil, requestID: nil, remoteAddress: "192.0.2.1", receivedAt: at(milliseconds), answer: 401,
            reason: "no signature")
    }
}
