import CSQLite
import Domain
import GRDB
import Glibc

/// The SQLite database that remembers every delivery, verdict, job, step and release.
///
/// One connection writes, others read beside it (WAL); every function that writes is one transaction that is on disk
/// (`synchronous = FULL`) when it returns. Times come in as arguments.
package struct Ledger: Sendable {
    let pool: DatabasePool
    let path: String
    let accepting: AcceptGroup
    private var writesOnOwnThread = false

    /// Opens the ledger, makes it where there is none and brings its schema up to date.
    ///
    /// - Throws: ``LedgerError``; a damaged file and one of a newer Bittern are left exactly as they are.
    package init(path: String) throws {
        self.path = path
        _ = Self.countsNoMemory
        do {
            try Self.createPrivately(path)
            try Self.refuseNewer(path)
            pool = try DatabasePool(path: path, configuration: Self.configuration)
            try Schema.migrator.migrate(pool)
            // GRDB sets NORMAL as it turns a pool's writer to WAL, so a configuration's word comes too early.
            try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            try pool.writeWithoutTransaction(Self.setUpWriter)
            accepting = AcceptGroup(pool: pool, path: path)
        } catch let error as LedgerError {
            throw error
        } catch {
            throw LedgerError(error, path: path)
        }
    }

    /// For the whole process, before the first ledger of it is opened: nobody asks how much memory SQLite has, and to know it would cost
    /// accepting a twentieth.
    private static let countsNoMemory = bittern_sqlite_count_no_memory() == 0

    /// Of a new ledger; one that is there keeps its own. A push changes a few bytes each of two dozen pages, and all of each goes to the log.
    private static let newPageSize = "PRAGMA page_size = 2048"

    /// A storm of pushes changes the same pages over and over: the log may grow to 16 MB before they are written to their place, and 6 MB
    /// of them stay in memory while they are in use.
    private static func setUpWriter(_ database: Database) throws {
        let pageSize = try Int.fetchOne(database, sql: "PRAGMA page_size") ?? 4096
        try database.execute(sql: "PRAGMA wal_autocheckpoint = \((16 << 20) / pageSize); PRAGMA cache_size = -6000")
    }

    /// Checkpoints and closes; nothing may be asked of the ledger afterwards.
    package func close() throws {
        // GRDB closes the writer while readers are open, so SQLite would not do it by itself.
        try? pool.writeWithoutTransaction { _ = try $0.checkpoint(.truncate) }  // busy: somebody reads, and the log stays
        try pool.close()
    }

    private static var configuration: GRDB.Configuration {
        var configuration = GRDB.Configuration()
        configuration.label = "ledger"
        configuration.foreignKeysEnabled = true
        // Another process has the file only for a moment: a backup, or sqlite3 in an administrator's hands.
        configuration.busyMode = .timeout(5)
        configuration.maximumReaderCount = 2
        // A reader makes backups, which are to be as the ledger is.
        configuration.prepareDatabase { database in
            if !database.configuration.readonly { try database.execute(sql: newPageSize) }
        }
        return configuration
    }

    /// SQLite would make the file readable for all; `-wal` and `-shm` take over the mode of the database.
    private static func createPrivately(_ path: String) throws {
        let descriptor = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            let cause = String(cString: strerror(errno))
            throw LedgerError(
                .unavailable, "the ledger \(path) cannot be opened for writing (\(cause)); check the directory's owner and mode")
        }
        Glibc.close(descriptor)
    }

    /// Looks through a connection that cannot write: a pool changes the file as soon as it is opened.
    private static func refuseNewer(_ path: String) throws {
        var configuration = configuration
        configuration.readonly = true
        let file = try DatabaseQueue(path: path, configuration: configuration)
        if try file.read(Schema.migrator.hasBeenSuperseded) {
            throw LedgerError(
                .newer, "the ledger \(path) was written by a newer Bittern; install that version or restore an older backup")
        }
        try file.close()
    }

    /// The same ledger for an actor with a thread of its own (`SerialQueueExecutor`), which waits for the writer on that thread. To change
    /// to the writer's thread and back takes as long as the transaction; and what has begun is not broken off when the actor's task is
    /// cancelled. (Not so for what it reads: a backup may have all readers for minutes.)
    package var onOwnThread: Ledger {
        var ledger = self
        ledger.writesOnOwnThread = true
        return ledger
    }

    /// One write transaction; whatever goes wrong rolls all of it back.
    ///
    /// - Parameter verb: whose transaction it is, for ``CrashPoint``; the function that calls.
    func write<Result: Sendable>(
        verb: StaticString = #function, _ body: @escaping @Sendable (Database) throws -> Result
    ) async throws -> Result {
        let body: @Sendable (Database) throws -> Result = { database in
            let result = try body(database)
            #if DEBUG
                CrashPoint.willCommit(verb, in: database)
            #endif
            return result
        }
        do {
            return writesOnOwnThread ? try writeHere(body) : try await pool.write(body)
        } catch let error as LedgerError {
            throw error
        } catch {
            throw LedgerError(error, path: path)
        }
    }

    /// One consistent look.
    func read<Result: Sendable>(_ body: @escaping @Sendable (Database) throws -> Result) async throws -> Result {
        do {
            return try await pool.read(body)
        } catch let error as LedgerError {
            throw error
        } catch {
            throw LedgerError(error, path: path)
        }
    }

    /// A function of its own, because an async one means GRDB's async one by the same name.
    private func writeHere<Result>(_ body: (Database) throws -> Result) throws -> Result { try pool.write(body) }
}

extension Database {
    /// Runs a statement that is prepared once per connection.
    func run(_ sql: String, _ arguments: StatementArguments = []) throws {
        try cachedStatement(sql: sql).execute(arguments: arguments)
    }

    /// The first row of a statement that is prepared once per connection.
    func row(_ sql: String, _ arguments: StatementArguments = []) throws -> Row? {
        try Row.fetchOne(cachedStatement(sql: sql), arguments: arguments)
    }

    /// All rows of a statement that is prepared once per connection.
    func rows(_ sql: String, _ arguments: StatementArguments = []) throws -> [Row] {
        try Row.fetchAll(cachedStatement(sql: sql), arguments: arguments)
    }
}
