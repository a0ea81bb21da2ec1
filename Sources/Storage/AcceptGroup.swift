import Domain
import GRDB
import Synchronization

/// Deliveries on their way into the ledger, in the order in which they arrived.
///
/// Those that arrive while the writer is busy share its next transaction, and with it one fsync. One that arrives alone has both to
/// itself, at once: nobody waits for company.
final class AcceptGroup: Sendable {
    /// Bounds one transaction, and so how long a worker that claims a job stands behind it.
    static let limit = 256

    private struct Pending: Sendable {
        let delivery: Delivery
        let answer: CheckedContinuation<AcceptedDelivery, any Error>
    }

    private struct Line: Sendable {
        var pending: [Pending] = []
        /// The writer has been asked to come and has not looked yet.
        var isWriterAsked = false
    }

    private let line = Mutex(Line())
    private let pool: DatabasePool
    private let path: String

    init(pool: DatabasePool, path: String) {
        self.pool = pool
        self.path = path
    }

    /// How many wait for the writer.
    var waiting: Int { line.withLock { $0.pending.count } }

    /// Returns when the delivery is on the disk.
    func accept(_ delivery: Delivery) async throws -> AcceptedDelivery {
        try await withCheckedThrowingContinuation { answer in
            let isFirst = line.withLock { line in
                line.pending.append(Pending(delivery: delivery, answer: answer))
                defer { line.isWriterAsked = true }
                return !line.isWriterAsked
            }
            if isFirst { askWriter() }
        }
    }

    private func askWriter() {
        pool.asyncWriteWithoutTransaction { database in
            let (group, leavesSome) = self.take()
            let results = self.store(group.map(\.delivery), in: database)
            // Behind whoever asked for the writer meanwhile.
            if leavesSome { self.askWriter() }
            for (pending, result) in zip(group, results) { pending.answer.resume(with: result) }
        }
    }

    private func take() -> (group: [Pending], leavesSome: Bool) {
        line.withLock { line in
            let group = Array(line.pending.prefix(Self.limit))
            line.pending.removeFirst(group.count)
            line.isWriterAsked = !line.pending.isEmpty
            return (group, line.isWriterAsked)
        }
    }

    /// One result for each delivery. Success means that the whole transaction was committed.
    private func store(_ deliveries: [Delivery], in database: Database) -> [Result<AcceptedDelivery, any Error>] {
        do {
            var results: [Result<AcceptedDelivery, any Error>] = []
            try database.inTransaction(.immediate) {
                for delivery in deliveries { results.append(try storeAlone(delivery, in: database)) }
                return .commit
            }
            return results
        } catch {
            let failure = ledgerError(error)
            return deliveries.map { _ in .failure(failure) }
        }
    }

    /// A delivery that fails takes back what is its own, and the others go on.
    ///
    /// - Throws: when the transaction itself is lost.
    private func storeAlone(_ delivery: Delivery, in database: Database) throws -> Result<AcceptedDelivery, any Error> {
        try database.run("SAVEPOINT delivery")
        do {
            var acceptance = Acceptance(database, delivery)
            let accepted = try acceptance.run()
            try database.run("RELEASE SAVEPOINT delivery")
            return .success(accepted)
        } catch {
            // A full disk or a broken one may have ended the whole transaction.
            guard database.isInsideTransaction else { throw error }
            try database.run("ROLLBACK TO SAVEPOINT delivery")
            try database.run("RELEASE SAVEPOINT delivery")
            return .failure(ledgerError(error))
        }
    }

    private func ledgerError(_ error: any Error) -> LedgerError {
        error as? LedgerError ?? LedgerError(error, path: path)
    }
}
