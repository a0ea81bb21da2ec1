import Domain
import RealParts
import Testing

@testable import Storage

@Suite struct OrderTests {
    /// The changes of the one ref as "old>new by delivery", `-` where there is none.
    private func changes(_ house: LedgerHouse) throws -> [String] {
        try house.values(
            """
            SELECT iif(old IS NULL, '-', substr(hex(old), 1, 2)) || '>' || iif(new IS NULL, '-', substr(hex(new), 1, 2))
                || ' by ' || coalesce(delivery, '-')
            FROM changes ORDER BY id
            """)
    }

    // What a fetch finds gone.

    @Test("a ref that a fetch found gone and that comes back is a new move, though the deletion's delivery is late")
    func deletionFound() async throws {
        try await withLedger { house in
            let claimed = try await house.claim(house.push("main", nil, 2))
            let outcome = try await house.ledger.order(
                claimed.job, after: fetched(head: nil, commit: nil), patienceIsOver: false, at: at(3000))
            #expect(outcome == OrderOutcome(next: .end(JobEnd(.superseded, "refs/heads/main was deleted"))))
            #expect(try changes(house) == ["->02 by 1", "02>- by -"])
            try await house.ledger.finish(job: claimed.job.id, JobEnd(.superseded, "refs/heads/main was deleted"), at: at(3001))
            let again = try await house.push("main", nil, 2)
            #expect(again != claimed.job.id)
            #expect(try changes(house) == ["->02 by 1", "02>- by -", "->02 by 2"])
        }
    }

    @Test("a ref that a fetch found back at a head that had its job, and that moves on as before, makes a new move of it")
    func returnFound() async throws {
        try await withLedger { house in
            try await house.deploy(house.push("main", nil, 2))
            let claimed = try await house.claim(house.push("main", 2, 3))
            let end = JobEnd(.superseded, "0202020 is the head and had its job")
            for _ in 1...2 {
                let outcome = try await house.ledger.order(
                    claimed.job, after: fetched(head: 2, commit: 3), patienceIsOver: false, at: at(3000))
                #expect(outcome == OrderOutcome(next: .end(end)))
            }
            #expect(try changes(house) == ["->02 by 1", "02>03 by 2", "03>02 by -"])
            try await house.ledger.finish(job: claimed.job.id, end, at: at(3001))
            let again = try await house.push("main", 2, 3)
            #expect(again != claimed.job.id)
        }
    }

    // The head's own job.

    @Test("a head that nobody told of is accounted as a find, and its job queued with the cause catch-up")
    func find() async throws {
        try await withLedger { house in
            let claimed = try await house.claim(house.push("main", 1, 2))
            let outcome = try await house.ledger.order(
                claimed.job, after: fetched(head: 3, commit: 2), patienceIsOver: false, at: at(3000))
            let queued = try #require(outcome.queued)
            #expect(outcome.next == .end(.superseded(by: queued.id)))
            #expect(queued == (try await house.job(queued.id)))
            #expect(queued.cause == .catchUp)
            #expect(queued.state == .queued)
            #expect(queued.commit == (try commit(3)))
            #expect(queued.app == "shop")
            #expect(queued.repository == claimed.job.repository)
            #expect(queued.ref == claimed.job.ref)
            #expect(queued.delivery == nil)
            #expect(queued.queuedAt == at(3000))
            #expect(try changes(house) == ["01>02 by 1", "02>03 by -"])
            #expect(try house.value("SELECT change FROM jobs WHERE id = \(queued.id)") == 2)
        }
    }

    @Test("the head's job keeps the lock of the job that found it")
    func lock() async throws {
        try await withLedger { house in
            let job = try await house.push("main", 1, 2)
            try house.execute("UPDATE jobs SET lock_name = 'database'")
            let claimed = try await house.claim(job)
            _ = try await house.ledger.order(claimed.job, after: fetched(head: 3, commit: 2), patienceIsOver: false, at: at(3000))
            #expect(try house.values("SELECT lock_name FROM jobs", as: String.self) == ["database", "database"])
        }
    }

    @Test("a head that waits already is not queued again: its job takes over")
    func headWaits() async throws {
        try await withLedger { house in
            let claimed = try await house.claim(house.push("main", 1, 2))
            let waiting = try await house.push("main", 2, 3)
            let before = try house.counts()
            let outcome = try await house.ledger.order(
                claimed.job, after: fetched(head: 3, commit: 2), patienceIsOver: false, at: at(3000))
            #expect(outcome == OrderOutcome(next: .end(.superseded(by: waiting)), queued: nil))
            #expect(try house.counts() == before)
        }
    }

    @Test("a job for the head's annotated tag is the head's job")
    func headWaitsAsTag() async throws {
        try await withLedger { house in
            let claimed = try await house.claim(house.push("main", 1, 2))
            let waiting = try await house.push("main", 2, 9)
            let outcome = try await house.ledger.order(
                claimed.job, after: fetched(head: 3, object: 9, commit: 2), patienceIsOver: false, at: at(3000))
            #expect(outcome.next == .end(.superseded(by: waiting)))
        }
    }

    @Test("a head that a delivery accounted for another app only is not accounted again: its change gets the job")
    func accountedByDelivery() async throws {
        try await withLedger { house in
            let claimed = try await house.claim(house.push("main", 1, 2))
            try await house.push("main", 2, 3, for: "blog")
            let outcome = try await house.ledger.order(
                claimed.job, after: fetched(head: 3, commit: 2), patienceIsOver: false, at: at(3000))
            let queued = try #require(outcome.queued)
            #expect(queued.cause == .catchUp)
            #expect(try changes(house) == ["01>02 by 1", "02>03 by 2"])
            #expect(try house.value("SELECT change FROM jobs WHERE id = \(queued.id)") == 2)
        }
    }

    @Test("a head that a fetch for another app found is accounted once: both apps have a job from that find")
    func accountedForOtherApp() async throws {
        try await withLedger { house in
            try await house.accept(delivery("r1", moved("main", 1, 2, for: "shop", "blog")))
            var queued: [String] = []
            for _ in 0..<2 {
                let claimed = try await house.claim()
                let outcome = try await house.ledger.order(
                    claimed.job, after: fetched(head: 3, commit: 2), patienceIsOver: false, at: at(3000))
                queued.append(try #require(outcome.queued).app)
            }
            #expect(Set(queued) == ["shop", "blog"])
            #expect(try changes(house) == ["01>02 by 1", "02>03 by -"])
            #expect(try house.values("SELECT change FROM jobs WHERE cause = 'catch-up'") == [2, 2])
        }
    }

    @Test("a head whose last change had a job of this app that came to no verdict gets another one")
    func jobWithoutVerdict() async throws {
        try await withLedger { house in
            // The first is the one to be run again, the second was superseded without a word on its commit.
            let first = try await house.push("main", 1, 2)
            try await house.ledger.finish(job: house.claim(first).job.id, JobEnd(.failed, "no"), at: at(2500))
            let second = try await house.claim(house.push("main", 2, 3))
            let gone = try await house.ledger.order(second.job, after: fetched(head: nil, commit: 3), patienceIsOver: false, at: at(2600))
            guard case .end(let end) = gone.next else {
                Issue.record("unexpected: \(gone)")
                return
            }
            try await house.ledger.finish(job: second.job.id, end, at: at(2700))
            try house.execute(
                """
                INSERT INTO jobs (app, repository, ref, commit_id, cause, change, retry_of, lock_name, state, queued_at)
                SELECT app, repository, ref, commit_id, 'retry', change, id, lock_name, 'queued', 2800 FROM jobs WHERE id = \(first)
                """)
            let retry = try await house.claim()
            let outcome = try await house.ledger.order(retry.job, after: fetched(head: 3, commit: 2), patienceIsOver: false, at: at(3000))
            let queued = try #require(outcome.queued)
            #expect(queued.commit == (try commit(3)))
            #expect(outcome.next == .end(.superseded(by: queued.id)))
        }
    }

    @Test("a head whose job came to a verdict last needs no other", arguments: [Job.State.succeeded, .failed, .skipped, .cancelled])
    func headHadItsVerdict(state: Job.State) async throws {
        try await withLedger { house in
            try await house.ledger.finish(job: house.claim(house.push("main", 2, 3)).job.id, JobEnd(state, "so"), at: at(2500))
            let late = try await house.claim(house.push("main", 1, 2))
            let outcome = try await house.ledger.order(late.job, after: fetched(head: 3, commit: 2), patienceIsOver: false, at: at(3000))
            #expect(outcome == OrderOutcome(next: .end(JobEnd(.superseded, "0303030 is the head and had its job")), queued: nil))
        }
    }

    @Test("a verdict on the head counts only when it was the last of the app and ref")
    func olderVerdict() async throws {
        try await withLedger { house in
            for (old, new) in [(1, 3), (3, 4)] as [(UInt8, UInt8)] {
                let id = try await house.push("main", old, new)
                try await house.ledger.finish(job: house.claim(id).job.id, JobEnd(.succeeded, "live"), at: at(2500 + Int64(new)))
            }
            let other = try await house.push("next", 1, 3)
            try await house.ledger.finish(job: house.claim(other).job.id, JobEnd(.succeeded, "live"), at: at(2600))
            let late = try await house.claim(house.push("main", 1, 2))
            let outcome = try await house.ledger.order(late.job, after: fetched(head: 3, commit: 2), patienceIsOver: false, at: at(3000))
            #expect(outcome.queued?.commit == (try commit(3)))
        }
    }

    @Test("a commit that never appeared fails its job and gives the head one")
    func neverAppeared() async throws {
        try await withLedger { house in
            let claimed = try await house.claim(house.push("main", 1, 2))
            let unknown = try fetched(head: 1, commit: nil)
            let waiting = try await house.ledger.order(claimed.job, after: unknown, patienceIsOver: false, at: at(3000))
            #expect(waiting == OrderOutcome(next: .fetchAgain, queued: nil))
            #expect(try house.counts() == [1, 1, 1, 1, 1])
            let outcome = try await house.ledger.order(claimed.job, after: unknown, patienceIsOver: true, at: at(33_000))
            #expect(outcome.next == .end(.neverAppeared(try commit(2), on: try #require(claimed.job.ref))))
            #expect(outcome.queued?.commit == (try commit(1)))
        }
    }

    @Test("the forge is not waited for once a change to its head was accounted after the job's own")
    func accountedAfter() async throws {
        try await withLedger { house in
            let claimed = try await house.claim(house.push("main", 1, 2))
            let behind = try fetched(head: 1, commit: 2, headIsOlder: true)
            #expect(try await house.ledger.order(claimed.job, after: behind, patienceIsOver: false, at: at(3000)).next == .fetchAgain)
            let back = try await house.push("main", 2, 1)
            let outcome = try await house.ledger.order(claimed.job, after: behind, patienceIsOver: false, at: at(3100))
            #expect(outcome.next == .end(.superseded(by: back)))
        }
    }

    // Repeated, as after a crash.

    @Test("what was done before a crash is found and not done again")
    func repeated() async throws {
        try await withLedger { house in
            let claimed = try await house.claim(house.push("main", 1, 2))
            let found = try fetched(head: 3, commit: 2)
            let first = try await house.ledger.order(claimed.job, after: found, patienceIsOver: false, at: at(3000))
            let counts = try house.counts()
            let second = try await house.ledger.order(claimed.job, after: found, patienceIsOver: false, at: at(3100))
            #expect(second.next == first.next)
            #expect(second.queued == nil)
            #expect(try house.counts() == counts)
        }
    }

    @Test("a daemon that died between the order and the end leaves one job, that of the head")
    func restarted() async throws {
        try await withLedger { house in
            let claimed = try await house.claim(house.push("main", 1, 2))
            let outcome = try await house.ledger.order(
                claimed.job, after: fetched(head: 3, commit: 2), patienceIsOver: false, at: at(3000))
            let queued = try #require(outcome.queued?.id)
            try await house.ledger.requeue(job: claimed.job.id, at: at(3100))
            #expect(try await house.job(claimed.job.id).supersededBy == queued)
            try await house.claim(queued)
            #expect(try await house.ledger.claim(at: at(3200)) == nil)
        }
    }

    @Test("a failed job that is ordered again after the head got its job does not queue a second one")
    func repeatedFailure() async throws {
        try await withLedger { house in
            let claimed = try await house.claim(house.push("main", 1, 2))
            let unknown = try fetched(head: 1, commit: nil)
            let queued = try await house.ledger.order(claimed.job, after: unknown, patienceIsOver: true, at: at(3000)).queued
            let again = try await house.ledger.order(claimed.job, after: unknown, patienceIsOver: true, at: at(3100))
            #expect(again.queued == nil)
            #expect(again.next == .end(.superseded(by: try #require(queued?.id))))
        }
    }

    // Going on.

    @Test("a job that goes on has its commit peeled in the ledger")
    func peeled() async throws {
        try await withLedger { house in
            let claimed = try await house.claim(house.push("main", 1, 9))
            let outcome = try await house.ledger.order(
                claimed.job, after: fetched(head: 2, object: 9, commit: 2), patienceIsOver: false, at: at(3000))
            #expect(outcome == OrderOutcome(next: .goOn(try commit(2)), queued: nil))
            #expect(try await house.job(claimed.job.id).commit == (try commit(2)))
        }
    }

    @Test("a head that is live already ends its job with the number of the release")
    func alreadyLive() async throws {
        try await withLedger { house in
            try await house.deploy(house.push("main", 1, 2))
            try await house.push("main", 2, 3)
            try await house.push("main", 3, 2)
            let claimed = try await house.claim()
            let outcome = try await house.ledger.order(
                claimed.job, after: fetched(head: 2, commit: 2), patienceIsOver: false, at: at(3000))
            #expect(outcome.next == .end(.alreadyLive(asRelease: 1)))
        }
    }

    @Test("what is live for another app does not matter")
    func liveElsewhere() async throws {
        try await withLedger { house in
            try await house.deploy(house.push("main", 1, 2, for: "blog"))
            let job = try #require(try await house.accept(delivery("r2", moved("main", 1, 2))).verdicts.first?.job)
            let claimed = try await house.claim(job)
            let outcome = try await house.ledger.order(
                claimed.job, after: fetched(head: 2, commit: 2), patienceIsOver: false, at: at(3000))
            #expect(outcome.next == .goOn(try commit(2)))
        }
    }

    @Test("a tag older than the tag that is live ends its job")
    func olderTag() async throws {
        try await withLedger { house in
            for (name, old, new) in [("v2", nil, 3), ("v1", nil, 2)] as [(String, UInt8?, UInt8)] {
                var change = try moved("main", old, new)
                let ref = try #require(RefName(.tag, name))
                change.ref = .change(Change(ref: ref, old: nil, new: try commit(new)))
                try await house.accept(delivery(name, change))
            }
            try await house.deploy(1)
            let claimed = try await house.claim(2)
            var older = try fetched(head: 2, commit: 2)
            older.commitIsStrictAncestorOfLive = true
            let outcome = try await house.ledger.order(claimed.job, after: older, patienceIsOver: false, at: at(3000))
            #expect(outcome.next == .end(JobEnd(.superseded, "v2, which is live, is newer")))
        }
    }

    // Verdicts.

    @Test("an end is a verdict on the commit unless the job gave way to another")
    func verdicts() async throws {
        let ends: [(JobEnd, Bool)] = [
            (JobEnd(.succeeded, "live"), true), (JobEnd(.failed, "no"), true), (JobEnd(.skipped, "paths"), true),
            (JobEnd(.cancelled, "by root"), true), (.alreadyLive(asRelease: 1), true), (JobEnd(.superseded, "main was deleted"), false),
            (.superseded(by: 1), false),
        ]
        try await withLedger { house in
            for (number, (end, isVerdict)) in ends.enumerated() {
                let id = try await house.push("main", UInt8(number), UInt8(number + 1))
                try await house.ledger.finish(job: house.claim(id).job.id, end, at: at(2500))
                #expect(try house.value("SELECT came_to_verdict FROM jobs WHERE id = \(id)") == isVerdict, "\(end)")
                #expect(try await house.job(id).supersededBy == end.supersededBy, "\(end)")
            }
        }
    }
}

/// What git says after a fetch.
func fetched(head: UInt8?, object: UInt8? = nil, commit own: UInt8?, headIsOlder: Bool = false) throws -> OrderRules.Fetched {
    OrderRules.Fetched(
        head: try head.map(commit), headObject: try (object ?? head).map(commit), commit: try own.map(commit),
        headIsStrictAncestorOfCommit: headIsOlder)
}
