import Domain
import GRDB

/// One accounted change of a ref.
struct PastChange {
    let number: Int64
    let old: CommitID?
    let new: CommitID?
    /// nil where no delivery told of it.
    let delivery: Int64?
    fileprivate let previous: Int64?
}

extension Database {
    /// Accounts a move of a ref, which is the last known of it from now on.
    ///
    /// - Parameters:
    ///   - last: the change of the ref that was the last until now.
    ///   - delivery: nil where no delivery told of it.
    /// - Returns: the change's number.
    func account(ref: Int64, after last: Int64?, old: CommitID?, new: CommitID?, delivery: Int64?, at now: Timestamp) throws -> Int64 {
        try direct(
            "INSERT INTO changes (ref, old, new, delivery, accounted_at, previous) VALUES (?, ?, ?, ?, ?, ?)",
            ref, old, new, delivery, now, last)
        let number = lastInsertedRowID
        try direct("UPDATE refs SET last_change = ? WHERE id = ?", number, ref)
        return number
    }

    /// A ref's changes from this one back, read as they are asked for. (An index would serve as well, and cost every push a page of
    /// its own; and who looks back finds what he looks for among the newest.)
    func history(from last: Int64?) -> some Sequence<Result<PastChange, any Error>> {
        var next = last
        return AnyIterator {
            guard let number = next else { return nil }
            next = nil
            return Result {
                let change = try self.change(number)
                next = change.previous
                return change
            }
        }
    }

    private func change(_ number: Int64) throws -> PastChange {
        let found = try direct("SELECT old, new, delivery, previous FROM changes WHERE id = ?", number) {
            PastChange(
                number: number, old: $0.commit(0), new: $0.commit(1), delivery: $0.optionalInteger(2), previous: $0.optionalInteger(3))
        }
        guard let found else { throw LedgerError(.failed, "change \(number) is gone") }
        return found
    }
}
