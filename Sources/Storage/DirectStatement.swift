import Domain
import GRDB
import GRDBSQLite

/// Statements of the accepting transaction, bound and read without GRDB's boxes for arguments and rows: those cost more than SQLite
/// itself does for a row of a few columns. The statements are GRDB's own, prepared once per connection.
extension Database {
    /// Runs a statement that gives no rows.
    func direct<each Value: SQLiteValue>(_ sql: String, _ values: repeat each Value) throws {
        _ = try direct(sql, repeat each values) { _ in () }
    }

    /// What `read` makes of the first row of a statement; nil when it gives none.
    func direct<each Value: SQLiteValue, Result>(
        _ sql: String, _ values: repeat each Value, read: (borrowing DirectRow) throws -> Result
    ) throws -> Result? {
        var result: Result?
        try step(through: sql, repeat each values) { row in
            result = try read(row)
            return false
        }
        return result
    }

    /// Calls `read` with each row of a statement.
    func directRows<each Value: SQLiteValue>(
        _ sql: String, _ values: repeat each Value, read: (borrowing DirectRow) throws -> Void
    ) throws {
        try step(through: sql, repeat each values) { row in
            try read(row)
            return true
        }
    }

    /// - Parameter goesOn: is given a row, and says whether the next one is wanted.
    private func step<each Value: SQLiteValue>(
        through sql: String, _ values: repeat each Value, while goesOn: (borrowing DirectRow) throws -> Bool
    ) throws {
        let statement = try cachedStatement(sql: sql).sqliteStatement
        // GRDB leaves one that it ran where it ended, and there nothing may be bound.
        sqlite3_reset(statement)
        defer {
            // Also lets go of the read lock; its result code repeats that of the step.
            sqlite3_reset(statement)
            sqlite3_clear_bindings(statement)
        }
        var index: Int32 = 1
        for value in repeat each values {
            guard value.bind(to: statement, at: index) == SQLITE_OK else { throw failure(sql) }
            index += 1
        }
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_ROW: guard try goesOn(DirectRow(statement: statement)) else { return }
            case SQLITE_DONE: return
            default: throw failure(sql)
            }
        }
    }

    private func failure(_ sql: String) -> DatabaseError {
        let code = ResultCode(rawValue: sqlite3_extended_errcode(sqliteConnection))
        return DatabaseError(resultCode: code, message: sqlite3_errmsg(sqliteConnection).map { String(cString: $0) }, sql: sql)
    }
}

/// The row on which a statement stands; columns are counted from 0.
struct DirectRow: ~Copyable {
    fileprivate let statement: OpaquePointer

    func integer(_ column: Int32) -> Int64 {
        sqlite3_column_int64(statement, column)
    }

    func optionalInteger(_ column: Int32) -> Int64? {
        sqlite3_column_type(statement, column) == SQLITE_NULL ? nil : sqlite3_column_int64(statement, column)
    }

    /// nil for NULL, and for bytes that are no commit.
    func commit(_ column: Int32) -> CommitID? {
        guard let bytes = sqlite3_column_blob(statement, column) else { return nil }
        return CommitID(bytes: UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(statement, column))))
    }
}

/// What can stand for a `?`.
protocol SQLiteValue {
    /// - Returns: SQLITE_OK, or what SQLite says.
    func bind(to statement: OpaquePointer, at index: Int32) -> Int32
}

/// SQLite copies what it is given, because the caller's bytes are gone after the call (https://www.sqlite.org/c3ref/c_static.html).
private var transient: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }

extension Int64: SQLiteValue {
    func bind(to statement: OpaquePointer, at index: Int32) -> Int32 { sqlite3_bind_int64(statement, index, self) }
}

extension Int: SQLiteValue {
    func bind(to statement: OpaquePointer, at index: Int32) -> Int32 { sqlite3_bind_int64(statement, index, Int64(self)) }
}

extension String: SQLiteValue {
    func bind(to statement: OpaquePointer, at index: Int32) -> Int32 {
        var text = self
        return text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                sqlite3_bind_text(statement, index, $0.baseAddress ?? UnsafePointer(bitPattern: 1), Int32($0.count), transient)
            }
        }
    }
}

extension [UInt8]: SQLiteValue {
    func bind(to statement: OpaquePointer, at index: Int32) -> Int32 {
        withUnsafeBytes {
            sqlite3_bind_blob(statement, index, $0.baseAddress ?? UnsafeRawPointer(bitPattern: 1), Int32($0.count), transient)
        }
    }
}

extension CommitID: SQLiteValue {
    func bind(to statement: OpaquePointer, at index: Int32) -> Int32 { bytes.bind(to: statement, at: index) }
}

extension Timestamp: SQLiteValue {
    func bind(to statement: OpaquePointer, at index: Int32) -> Int32 { milliseconds.bind(to: statement, at: index) }
}

extension Optional: SQLiteValue where Wrapped: SQLiteValue {
    func bind(to statement: OpaquePointer, at index: Int32) -> Int32 {
        self?.bind(to: statement, at: index) ?? sqlite3_bind_null(statement, index)
    }
}
