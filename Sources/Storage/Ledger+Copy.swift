import GRDB

extension Ledger {
    /// Writes all of it, as it is at one moment, into a new file: compact, and without a log beside it. Nobody waits for that.
    ///
    /// - Throws: ``LedgerError``; what was written of the file is of no use then.
    package func copy(to path: String) async throws {
        do {
            // A reader may do it: VACUUM INTO reads this database and writes the other. It wants to begin the transaction itself, so
            // this is a read without one (sqlite.org/lang_vacuum.html).
            try await pool.unsafeRead { try $0.execute(sql: "VACUUM INTO ?", arguments: [path]) }
        } catch {
            throw LedgerError(error, path: path)
        }
    }
}
