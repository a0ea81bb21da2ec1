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

    private static func ledgerSabotages(older: String) -> [Sabotage] {
        [
            Sabotage(invariant: 1, sentence: "and the ledger has", sql: "DELETE FROM verdicts WHERE id = 1"),
            Sabotage(invariant: 1, sentence: "is not in the ledger", sql: "DELETE FROM deliveries"),
            Sabotage(invariant: 1, sentence: "of which an answer spoke", sql: "DELETE FROM jobs WHERE id = 1"),
            Sabotage(
                invariant: 1, sentence: "queued jobs",
                sql:
                    "INSERT INTO verdicts (delivery, change, ref, app, kind, job) SELECT delivery, change, ref, app, kind, job FROM verdicts WHERE kind = 'queued'"
            ),
            Sabotage(
                invariant: 1, sentence: "is still queued",
                sql: "UPDATE jobs SET state = 'queued', came_to_verdict = 0, started_at = NULL, finished_at = NULL WHERE id = 1"),
            Sabotage(invariant: 2, sentence: "and the head is", sql: "UPDATE jobs SET commit_id = x'\(older)'"),
            Sabotage(
                invariant: 3, sentence: "activate\" succeeded 2 times",
                sql: """
                    INSERT INTO steps (job, start, position, name, state, started_at, finished_at)
                    SELECT job, 2, position, name, state, started_at, finished_at FROM steps WHERE name = 'activate'
                    """),
            Sabotage(
                invariant: 3, sentence: "blog went back",
                sql: """
                    INSERT INTO jobs (id, app, repository, ref, commit_id, cause, lock_name, state, reason, starts, queued_at, started_at, finished_at)
                    SELECT 901, app, repository, ref, x'\(older)', cause, lock_name, state, reason, 1, queued_at, started_at, finished_at
                    FROM jobs WHERE app = 'blog';
                    INSERT INTO releases (job, app, commit_id, path, state, created_at, activated_at)
                    SELECT 901, app, x'\(older)', path || '-', 'good', created_at, activated_at - 1 FROM releases WHERE app = 'blog'
                    """),
            Sabotage(
                invariant: 3, sentence: "was not the head of its branch", sql: "UPDATE jobs SET commit_id = x'\(older)'"),
            Sabotage(
                invariant: 3, sentence: "ran its deploy step and was never live",
                sql: "DELETE FROM releases; DELETE FROM steps WHERE name = 'activate'"),
            Sabotage(
                invariant: 4, sentence: "wiki: job",
                sql: "UPDATE steps SET finished_at = finished_at + 100000 WHERE job = (SELECT min(id) FROM jobs WHERE app = 'wiki')"),
            Sabotage(
                invariant: 5, sentence: "and the ledger has", sql: "UPDATE releases SET state = 'good' WHERE state = 'live'"),
            Sabotage(invariant: 6, sentence: "changes", sql: "DELETE FROM changes"),
        ]
    }

    @Test("each invariant can fail")
    func everyInvariant() async throws {
        let round = Round(seed: SeededRandom.seed, directory: "/tmp/bittern-sabotage-\(getpid())")
        let outcome = try await round.run(isCalm: true)
        #expect(outcome.evidence.violations.isEmpty, "\(outcome.evidence.violations)")
        let head = try #require(outcome.evidence.heads["main"])
        let newer = try #require(outcome.evidence.graph.descendants(of: head).first)
        for sabotage in Self.ledgerSabotages(older: newer) {
            var evidence = outcome.evidence
            let copy = try Self.copy(of: round.ledger, after: sabotage.sql)
            try round.collect(&evidence, ledger: copy)
            Self.expect(evidence, invariant: sabotage.invariant, sentence: sabotage.sentence)
        }
        var evidence = outcome.evidence
        evidence.damage = try Self.damage(afterErasing: "jobs_by_app", in: Self.copy(of: round.ledger, after: ""))
        Self.expect(evidence, invariant: 6, sentence: "malformed")
        try await onTheDisk(round, outcome.evidence)
        try await round.remove()
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
        evidence.heads["main"] = String(repeating: "0", count: 40)
        Self.expect(evidence, invariant: 2, sentence: "blog should have 0000000 of main live")
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
