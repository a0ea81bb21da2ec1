import Foundation
import GRDB
import RealParts
import Testing

/// The proof that the judgement of a round can find something: each invariant is broken by hand, in the ledger or on the disk.
@Suite(.serialized, .enabled(if: rounds != nil, "it belongs to the kill loop: make torture, or set BITTERN_TORTURE_ROUNDS"))
struct SabotageTests {
    /// A change of the ledger behind Bittern's back, and what must be said of it.
    private struct Sabotage {
        let invariant: Int
        let sentence: String
        let sql: String
    }

    /// One more job like an app's first, for another commit.
    private static func copy(of app: String, as job: Int64, _ commit: String) -> String {
        """
        INSERT INTO jobs (id, app, repository, ref, commit_id, cause, lock_name, state, reason, starts, queued_at, started_at, finished_at)
        SELECT \(job), app, repository, ref, x'\(commit)', cause, lock_name, state, reason, 1, queued_at, started_at, finished_at
        FROM jobs WHERE app = '\(app)' ORDER BY id LIMIT 1
        """
    }

    /// Its release, live for a moment before all others of its app, or after them.
    private static func release(of job: Int64, before: Bool = false) -> String {
        """
        INSERT INTO releases (job, app, commit_id, path, state, created_at, activated_at)
        SELECT id, app, commit_id, '/\(job)', 'good', 1,
            (SELECT \(before ? "min(activated_at) - 1" : "max(activated_at) + 1") FROM releases WHERE app = jobs.app)
        FROM jobs WHERE id = \(job)
        """
    }

    /// - Parameters:
    ///   - head: that of main.
    ///   - older: a commit that descends from it, so that what is live seems to have come back from there.
    private static func ledgerSabotages(head: String, older: String) -> [Sabotage] {
        let unreliable = copy(of: "shop", as: 905, head) + ";" + release(of: 905)
        return [
            Sabotage(invariant: 1, sentence: "and the ledger has", sql: "DELETE FROM verdicts WHERE delivery = 1"),
            Sabotage(invariant: 1, sentence: "is not in the ledger", sql: "DELETE FROM deliveries"),
            Sabotage(invariant: 1, sentence: "of which an answer spoke", sql: "DELETE FROM jobs WHERE id = 1"),
            Sabotage(
                invariant: 1, sentence: "queued jobs",
                sql: "UPDATE verdicts SET app = 'blog', ref = 'refs/heads/main' WHERE kind = 'queued'"),
            Sabotage(
                invariant: 1, sentence: "is still queued",
                sql: "UPDATE jobs SET state = 'queued', came_to_verdict = 0, started_at = NULL, finished_at = NULL WHERE id = 1"),
            Sabotage(
                invariant: 1, sentence: "failed and should not have",
                sql: "UPDATE jobs SET state = 'failed', reason = 'x' WHERE app = 'blog'"),
            Sabotage(
                invariant: 1, sentence: "failed and should not have: it never appeared on",
                sql: "UPDATE jobs SET state = 'failed', reason = 'it never appeared on ' || ref WHERE app = 'blog'"),
            Sabotage(invariant: 1, sentence: "succeeded and should have failed", sql: unreliable),
            Sabotage(invariant: 1, sentence: "went live though its build fails", sql: unreliable),
            Sabotage(
                invariant: 1, sentence: "was cancelled, and nobody wanted that",
                sql: "UPDATE jobs SET state = 'cancelled' WHERE app = 'blog'"),
            Sabotage(invariant: 2, sentence: "and the head is", sql: "UPDATE jobs SET commit_id = x'\(older)'"),
            Sabotage(
                invariant: 2, sentence: "was activated last and is good", sql: "UPDATE releases SET state = 'good' WHERE app = 'blog'"),
            Sabotage(
                invariant: 2, sentence: "blog never had a job for", sql: "UPDATE jobs SET ref = 'refs/heads/other' WHERE app = 'blog'"),
            Sabotage(
                invariant: 2, sentence: "no job of blog for",
                sql: """
                    UPDATE jobs SET state = 'superseded', reason = 'it is the head and had its job' WHERE app = 'blog';
                    DELETE FROM releases WHERE app = 'blog';
                    DELETE FROM steps WHERE name = 'activate'
                    """),
            Sabotage(
                invariant: 2, sentence: "live, the last that was accepted",
                sql: copy(of: "wiki", as: 901, older)
                    + "; UPDATE jobs SET reason = 'already live as release 1', state = 'superseded' WHERE id = 901"),
            Sabotage(
                invariant: 2, sentence: "docs is held and should not be", sql: "INSERT INTO holds (app, held_at) VALUES ('docs', 1)"),
            Sabotage(
                invariant: 3, sentence: "activate\" succeeded 2 times",
                sql: """
                    INSERT INTO steps (job, start, position, name, state, started_at, finished_at)
                    SELECT job, 2, position, name, state, started_at, finished_at FROM steps WHERE name = 'activate'
                    """),
            Sabotage(
                invariant: 3, sentence: "blog went back",
                sql: copy(of: "blog", as: 901, older) + ";" + release(of: 901, before: true)),
            Sabotage(
                invariant: 3, sentence: "to the older tag of",
                sql: [
                    copy(of: "kiosk", as: 901, older), release(of: 901), copy(of: "kiosk", as: 902, head), release(of: 902),
                    "UPDATE jobs SET ref = 'refs/tags/other' WHERE id = 902",
                ].joined(separator: ";")),
            Sabotage(
                invariant: 3, sentence: "was not the head of its ref", sql: "UPDATE jobs SET commit_id = x'\(older)'"),
            Sabotage(
                invariant: 3, sentence: "ran its deploy step and was never live",
                sql: "DELETE FROM releases; DELETE FROM steps WHERE name = 'activate'"),
            Sabotage(
                invariant: 4, sentence: "wiki: job",
                sql: "UPDATE steps SET finished_at = finished_at + 100000 WHERE job = (SELECT min(id) FROM jobs WHERE app = 'wiki')"),
            Sabotage(
                invariant: 5, sentence: "and the ledger has", sql: "UPDATE releases SET state = 'good' WHERE state = 'live'"),
            Sabotage(invariant: 6, sentence: "changes", sql: "DELETE FROM refs"),
        ]
    }

    @Test("each invariant can fail")
    func everyInvariant() async throws {
        let round = Round(seed: SeededRandom.tortureSeed, directory: "\(Round.parent)/bittern-sabotage-\(getpid())", tally: CrashTally())
        let outcome = try await round.run(isCalm: true)
        #expect(outcome.evidence.violations.isEmpty, "\(outcome.evidence.violations)")
        let head = try #require(outcome.evidence.heads["refs/heads/main"])
        let newer = try #require(outcome.evidence.graph.descendants(of: head).first { !outcome.evidence.heads.values.contains($0) })
        for sabotage in Self.ledgerSabotages(head: head, older: newer) {
            var evidence = outcome.evidence
            let copy = try Self.copy(of: round.ledger, after: sabotage.sql)
            try round.collect(&evidence, ledger: copy)
            Self.expect(evidence, invariant: sabotage.invariant, sentence: sabotage.sentence)
        }
        var evidence = outcome.evidence
        evidence.damage = try Self.damage(afterErasing: "jobs_by_app", in: Self.copy(of: round.ledger, after: ""))
        Self.expect(evidence, invariant: 6, sentence: "malformed")
        try ofOrders(round, outcome.evidence)
        try await onTheDisk(round, outcome.evidence)
        try await round.remove()
    }

    /// What was answered to somebody at the control socket, and is not so.
    private func ofOrders(_ round: Round, _ calm: Evidence) throws {
        func deed(_ act: Operator.Act, _ job: Int64?, _ answer: Operator.Answer) -> Operator.Deed {
            Operator.Deed(act: act, app: "blog", job: job, sent: 1, answer: answer)
        }
        let blog = try #require(calm.book.jobs.first { $0.app == "blog" }).id
        func expect(_ invariant: Int, _ sentence: String, _ change: (inout Evidence) -> Void) {
            var evidence = calm
            change(&evidence)
            Self.expect(evidence, invariant: invariant, sentence: sentence)
        }
        expect(1, "job 999, of which an answer spoke") {
            $0.deeds = [deed(.retry, blog, .init(moment: 1, status: 200, job: 999, state: "queued"))]
        }
        for state in ["cancelled", "running"] {
            expect(1, "was answered \"\(state)\", and it succeeded") {
                $0.deeds = [deed(.cancel, blog, .init(moment: 1, status: 200, job: blog, state: state))]
            }
        }
        expect(2, "blog was held, and job \(blog) began") {
            $0.deeds = [deed(.hold, nil, .init(moment: 1, status: 200))]
        }
        expect(2, "docs should be held and is not") { $0.heldAtEnd = "docs" }
        let told = try #require(calm.told.states.keys.sorted().first)
        expect(8, "the forge was told INPROGRESS of \(told), and it is") { $0.told.states[told] = ["INPROGRESS"] }
        expect(8, "the forge was told nothing of \(told)") { $0.told.states[told] = nil }
        expect(8, "which no job is about") { $0.told.states["bittern:blog@web2 at 0"] = ["FAILED"] }
        expect(8, "the forge has two statuses") { $0.told.doubles = [told] }
        expect(8, "nonsense") { $0.told.complaints = ["nonsense"] }

        // What was live before it was started, after a daemon's death, is ended in spite of the hold.
        var evidence = calm
        evidence.deeds = [deed(.hold, nil, .init(moment: 1, status: 200))]
        let again = "UPDATE jobs SET starts = 2, started_at = finished_at WHERE id = \(blog)"
        try round.collect(&evidence, ledger: try Self.copy(of: round.ledger, after: again))
        #expect(!evidence.violations.contains { $0.sentence.hasPrefix("blog was held") }, "\(evidence.violations)")

        // A cancel excuses a head that is not live until the next fetch, and no longer.
        evidence = calm
        let head = try #require(calm.heads["refs/heads/main"])
        evidence.heads["refs/heads/main"] = String(repeating: "0", count: 40)
        evidence.deeds = [Operator.Deed(act: .cancel, app: "blog", job: 901, sent: 1)]
        for (moment, isExcused) in [(1, false), (Int64.max, true)] {
            let cancelled = "; UPDATE jobs SET state = 'cancelled', finished_at = \(moment) WHERE id = 901"
            try round.collect(&evidence, ledger: try Self.copy(of: round.ledger, after: Self.copy(of: "blog", as: 901, head) + cancelled))
            let isFound = evidence.violations.contains { $0.sentence.hasPrefix("blog should have 0000000") }
            #expect(isFound != isExcused, "\(evidence.violations)")
        }
    }

    @Test("a crash point that nobody reaches any more is found")
    func deadCrashPoint() {
        var random = SeededRandom(seed: 1)
        let plan = CrashPlan(number: 0, &random)
        let tally = CrashTally()
        for _ in 0..<6 { tally.asked(plan) }
        #expect(tally.dead(atLeast: 6) == [plan.verb])
        #expect(tally.points == (asked: 1, hit: 0))
        tally.hit(plan)
        #expect(tally.dead(atLeast: 6).isEmpty)
        #expect(tally.points == (asked: 1, hit: 1))
    }

    private func onTheDisk(_ round: Round, _ calm: Evidence) async throws {
        var evidence = calm
        evidence.refusals = ["400"]
        Self.expect(evidence, invariant: 1, sentence: "answered 400")

        try Data("7\n".utf8).write(to: URL(filePath: round.directory + "/overlaps-blog"))
        try round.collect(&evidence, ledger: round.ledger)
        Self.expect(evidence, invariant: 4, sentence: "blog: job 7 began beside")

        let left = try await RunningProcess.start(
            ["sleep", "60"], environment: ["BITTERN_RELEASE": round.directory + "/srv/blog/releases/1-abcdef0"],
            output: "/dev/null", error: "/dev/null")
        evidence.processes = try await eventualValue("the process in the table", within: .seconds(10)) {
            let found = try round.processesOfJobs()
            return found.isEmpty ? nil : found
        }
        Self.expect(evidence, invariant: 7, sentence: "process \(left.processID) ")
        try await left.end()

        let root = round.directory + "/srv/blog"
        let findings = try sabotageLink(root)
        for sentence in ["could not be read", "REVISION is", "without what its build makes", "current was gone", "current went back"] {
            evidence.watched = findings
            Self.expect(evidence, invariant: 5, sentence: sentence)
        }
        evidence.heads["refs/heads/main"] = String(repeating: "0", count: 40)
        Self.expect(evidence, invariant: 2, sentence: "blog should have 0000000 of refs/heads/main live")
    }

    /// Does to a `current` what must never be seen, under a watcher's eyes.
    private func sabotageLink(_ root: String) throws -> [String] {
        let manager = FileManager.default
        let watcher = Watcher(roots: ["blog": root])
        let good = try manager.destinationOfSymbolicLink(atPath: root + "/current")
        func look(_ target: String?) throws {
            try manager.removeItem(atPath: root + "/current")
            if let target { try manager.createSymbolicLink(atPath: root + "/current", withDestinationPath: target) }
            watcher.look(at: "blog", root)
        }
        try look(good)
        try manager.createDirectory(atPath: root + "/releases/2-abcdef0", withIntermediateDirectories: true)
        try look("releases/2-abcdef0")
        try Data("abcdef0\n".utf8).write(to: URL(filePath: root + "/releases/2-abcdef0/REVISION"))
        watcher.look(at: "blog", root)
        let revision = "abcdef0" + String(repeating: "0", count: 33) + "\n"
        try Data(revision.utf8).write(to: URL(filePath: root + "/releases/2-abcdef0/REVISION"))
        watcher.look(at: "blog", root)
        try look(good)
        try manager.removeItem(atPath: root + "/current")
        watcher.look(at: "blog", root)
        return watcher.findings
    }

    /// What is said of a ledger in which the first page of an index is all zeros.
    private static func damage(afterErasing index: String, in ledger: String) throws -> [String] {
        let queue = try Book.open(ledger)
        let (page, size) = try queue.read { database in
            (
                try UInt64.fetchOne(database, sql: "SELECT rootpage FROM sqlite_schema WHERE name = ?", arguments: [index]) ?? 1,
                try UInt64.fetchOne(database, sql: "PRAGMA page_size") ?? 4096
            )
        }
        try queue.close()
        let file = try FileHandle(forWritingTo: URL(filePath: ledger))
        try file.seek(toOffset: (page - 1) * size)
        try file.write(contentsOf: Data(count: Int(size)))
        try file.close()
        return try Book.damage(try Book.open(ledger))
    }

    private static func copy(of ledger: String, after sql: String) throws -> String {
        let copy = ledger + "-copy"
        for end in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: copy + end) }  // mostly there is none
        try FileManager.default.copyItem(atPath: ledger, toPath: copy)
        var configuration = GRDB.Configuration()
        configuration.foreignKeysEnabled = false
        let queue = try DatabaseQueue(path: copy, configuration: configuration)
        try queue.writeWithoutTransaction { try $0.execute(sql: sql) }
        try queue.close()
        return copy
    }

    private static func expect(_ evidence: Evidence, invariant: Int, sentence: String) {
        let found = evidence.violations
        #expect(found.contains { $0.invariant == invariant && $0.sentence.contains(sentence) }, "(\(invariant)) \(sentence): \(found)")
    }
}
