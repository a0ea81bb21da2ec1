package import Domain
import GRDB

/// What is forgotten goes in two moves: a reader lists it, which holds nobody up, and the writer removes it by number in small
/// batches, between which deliveries and jobs have their turn. Nothing that was listed can be needed again by then: only newer rows
/// come, and only this removes any.
extension Ledger {
    /// Rows that one transaction removes, at most.
    static let forgottenAtOnce = 500

    /// Forgets deliveries received before this moment, with their verdicts; says how many.
    ///
    /// What they accounted stays: a push that is sent again is still known by its change.
    package func forgetDeliveries(receivedBefore moment: Timestamp) async throws -> Int {
        let old = try await read { database in
            try database.rows(
                // Not the newest, so that its number is not given again.
                "SELECT id FROM deliveries WHERE received_at < ? AND id < (SELECT max(id) FROM deliveries)", [moment.milliseconds]
            ).map { $0["id"] as Int64 }
        }
        return try await forget(old) { database, numbers in
            try database.run("DELETE FROM deliveries WHERE id IN (SELECT value FROM json_each(?))", [numbers])
        }
    }

    /// Forgets jobs that ended before this moment, with their steps; says how many.
    ///
    /// Not the job of a release, nor what the order rules ask for: of each app and ref the newest job, and the last that came to a
    /// verdict.
    package func forgetJobs(endedBefore moment: Timestamp) async throws -> Int {
        let old = try await read { database in
            try database.rows(
                """
                SELECT id FROM jobs
                WHERE finished_at < ?
                  AND id NOT IN (SELECT job FROM releases)
                  AND id NOT IN (SELECT max(id) FROM jobs GROUP BY app, ref)
                  AND id NOT IN (
                      SELECT first_value(id) OVER (PARTITION BY app, ref ORDER BY finished_at DESC, id DESC)
                      FROM jobs WHERE came_to_verdict = 1)
                """, [moment.milliseconds]
            ).map { $0["id"] as Int64 }
        }
        return try await forget(old) { database, numbers in
            try database.run("DELETE FROM jobs WHERE id IN (SELECT value FROM json_each(?))", [numbers])
        }
    }

    /// Of these numbers those of jobs that ended before this moment or were forgotten: nobody reads their logs any more.
    ///
    /// A number that no job had yet, as after an older ledger was put back, is not among them.
    package func pastJobs(among numbers: [Int64], endedBefore moment: Timestamp) async throws -> [Int64] {
        try await read { database in
            try database.rows(
                """
                SELECT candidates.value AS id FROM json_each(:numbers) AS candidates LEFT JOIN jobs ON jobs.id = candidates.value
                WHERE jobs.finished_at < :moment
                   OR (jobs.id IS NULL AND candidates.value < (SELECT max(id) FROM jobs))
                """, ["numbers": Self.list(numbers), "moment": moment.milliseconds]
            ).map { $0["id"] }
        }
    }

    /// Ends early when the task is cancelled: what was removed so far is gone, a batch that had begun is rolled back.
    private func forget(
        _ numbers: [Int64], _ removal: @escaping @Sendable (Database, _ numbers: String) throws -> Void
    ) async throws -> Int {
        var forgotten = 0
        while forgotten < numbers.count, !Task.isCancelled {
            let batch = numbers[forgotten...].prefix(Self.forgottenAtOnce)
            let list = Self.list(batch)
            try await write { try removal($0, list) }
            forgotten += batch.count
        }
        return forgotten
    }

    /// As JSON.
    private static func list(_ numbers: some Sequence<Int64>) -> String {
        "[" + numbers.map(String.init).joined(separator: ",") + "]"
    }
}
