import Foundation

/// SQLite's log of what was written since the last checkpoint, read as bytes (sqlite.org/fileformat2.html, section 4).
struct WriteAheadLog {
    private let bytes: Data

    init(of database: String) throws {
        bytes = try Data(contentsOf: URL(filePath: database + "-wal"))
    }

    /// How many transactions were committed, each with an fsync of its own. A checkpoint in between would begin the log anew.
    func commits() -> Int {
        guard bytes.count > 32 else { return 0 }
        let frame = 24 + number(at: 8)
        // The last frame of a transaction says how large the database is after it. Frames of an older turn have another salt.
        return stride(from: 32, through: bytes.count - frame, by: frame)
            .filter { number(at: $0 + 4) != 0 && bytes[$0 + 8..<$0 + 16] == bytes[16..<24] }
            .count
    }

    private func number(at offset: Int) -> Int {
        bytes[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
    }
}
