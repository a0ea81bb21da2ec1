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

    /// A class, so that a delivery with all its texts is not copied at each step of its way.
    private final class Pending: Sendable {
        let delivery: Delivery
        let answer: @Sendable (Result<AcceptedDelivery, LedgerError>) -> Void

        init(_ delivery: Delivery, answer: @escaping @Sendable (Result<AcceptedDelivery, LedgerError>) -> Void) {
            self.delivery = delivery
            self.answer = answer
        }
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

    /// Calls `answer` on the writer's thread, when the delivery is on the disk or cannot be.
    func accept(_ delivery: Delivery, answer: @escaping @Sendable (Result<AcceptedDelivery, LedgerError>) -> Void) {
        let pending = Pending(delivery, answer: answer)
        let isFirst = line.withLock { line in
            line.pending.append(pending)
            defer { line.isWriterAsked = true }
            return !line.isWriterAsked
        }
        if isFirst { askWriter() }
    }

    private func askWriter() {
        pool.asyncWriteWithoutTransaction { database in
            let (group, leavesSome) = self.take()
            let results = self.store(group[...], in: database)
            // Behind whoever asked for the writer meanwhile.
            if leavesSome { self.askWriter() }
            for (pending, result) in zip(group, results) { pending.answer(result) }
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

    /// One result for each delivery. Success means that the transaction it is in was committed.
    private func store(_ group: ArraySlice<Pending>, in database: Database) -> [Result<AcceptedDelivery, LedgerError>] {
        do {
            var accepted: [AcceptedDelivery] = []
            accepted.reserveCapacity(group.count)
            try database.inTransaction(.immediate) {
                for pending in group {
                    var acceptance = Acceptance(database, pending.delivery)
                    accepted.append(try acceptance.run())
                }
                #if DEBUG
                    CrashPoint.willCommit("accept", in: database)
                #endif
                return .commit
            }
            return accepted.map { .success($0) }
        } catch {
            // Somebody else has the file, for longer than a forge has patience: nobody waits for that once more, one after the other.
            if (error as? DatabaseError)?.resultCode == .SQLITE_BUSY { return group.map { _ in .failure(ledgerError(error)) } }
            // Whichever of them failed, it takes nobody with it. (A savepoint for each would cost all of them, always.)
            guard group.count == 1 else { return group.indices.flatMap { store(group[$0...$0], in: database) } }
            return [.failure(ledgerError(error))]
        }
    }

    private func ledgerError(_ error: any Error) -> LedgerError {
        error as? LedgerError ?? LedgerError(error, path: path)
    }
}
