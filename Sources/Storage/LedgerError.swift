import GRDB

/// Why the ledger could not do what it was asked.
package struct LedgerError: Error, CustomStringConvertible {
    package enum Code: Sendable, Equatable {
        /// No space is left, or a quota is used up.
        case full
        /// The file is no SQLite database, or is damaged.
        case corrupt
        /// A newer Bittern wrote it.
        case newer
        /// It cannot be opened or written: rights, a read-only file system, a missing directory.
        case unavailable
        /// Anything else, an invariant that a row would break included.
        case failed
    }

    package let code: Code
    /// One sentence with the cause and what to do.
    package let sentence: String

    package var description: String { sentence }

    init(_ code: Code, _ sentence: String) {
        self.code = code
        self.sentence = sentence
    }

    /// Translates what SQLite reported while `path` was used.
    init(_ error: any Error, path: String) {
        guard let error = error as? DatabaseError else {
            self.init(.failed, "the ledger \(path) failed: \(error)")
            return
        }
        let message = error.message ?? "SQLite error \(error.extendedResultCode.rawValue)"
        switch error.resultCode {
        case .SQLITE_FULL:
            self.init(.full, "there is no space left for the ledger \(path); free some and it goes on by itself")
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            self.init(
                .corrupt,
                "the ledger \(path) is damaged (\(message)); nothing was changed: move it away to start with an empty one, or restore a backup"
            )
        case .SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH:
            self.init(.unavailable, "the ledger \(path) cannot be opened for writing (\(message)); check the directory's owner and mode")
        case .SQLITE_IOERR:
            self.init(.unavailable, "the ledger \(path) met an input/output error (\(message)); check the disk")
        default:
            self.init(.failed, "the ledger \(path) refused: \(message)")
        }
    }
}
