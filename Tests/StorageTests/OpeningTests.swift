import Domain
import Foundation
import GRDB
import RealParts
import Storage
import Testing

@Suite struct OpeningTests {
    @Test("a new ledger is a file for its owner alone, and so are the files beside it")
    func mode() async throws {
        try await withLedger { house in
            try await house.push("main", nil, 1)
            for suffix in ["", "-wal", "-shm"] {
                let attributes = try FileManager.default.attributesOfItem(atPath: house.path + suffix)
                #expect(attributes[.posixPermissions] as? Int == 0o600, "\(suffix)")
            }
        }
    }

    @Test("a ledger keeps a log beside it, holds its references, and is on the disk after each transaction")
    func settings() async throws {
        try await withLedger { house in
            let mode = try house.value("PRAGMA journal_mode", as: String.self)
            #expect(mode == "wal")
            #expect(try await house.ledger.pragma("foreign_keys") == 1)
            #expect(try await house.ledger.pragma("synchronous") == 2)
        }
    }

    @Test("what was stored is there when a ledger is opened again")
    func reopened() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory.path("bittern.db")
            let first = try LedgerHouse(path: path)
            let job = try await first.push("main", nil, 1)
            try first.close()
            let second = try LedgerHouse(path: path)
            #expect(try await second.job(job).app == "shop")
            try second.close()
        }
    }

    @Test("what was stored is there after a daemon that was killed")
    func killed() async throws {
        try await withLedger { house in
            let job = try await house.push("main", nil, 1)
            try await withTemporaryDirectory { directory in
                // As a kill leaves them: the file and its log, without a checkpoint.
                for suffix in ["", "-wal"] {
                    try FileManager.default.copyItem(atPath: house.path + suffix, toPath: directory.path("bittern.db\(suffix)"))
                }
                let ledger = try Ledger(path: directory.path("bittern.db"))
                let found = try await ledger.job(job)
                #expect(found?.state == .queued)
                try ledger.close()
            }
        }
    }

    @Test("a file that is no ledger is refused and left as it is")
    func noDatabase() async throws {
        let text = String(repeating: "Dear diary, ", count: 1000)
        try await refuses(.corrupt, because: "is damaged") { path in try Data(text.utf8).write(to: path) }
    }

    @Test("a ledger whose pages are damaged is refused and left as it is")
    func damaged() async throws {
        try await refuses(.corrupt, because: "is damaged") { path in
            try LedgerHouse(path: path.path).close()
            var bytes = try Data(contentsOf: path)
            bytes.replaceSubrange(100..<4096, with: Data(repeating: 0xA5, count: 3996))
            try bytes.write(to: path)
        }
    }

    @Test("a ledger of a newer Bittern is refused and left as it is")
    func newer() async throws {
        try await refuses(.newer, because: "was written by a newer Bittern") { path in
            let house = try LedgerHouse(path: path.path)
            try house.execute("INSERT INTO grdb_migrations (identifier) VALUES ('1000')")
            try house.close()
        }
    }

    @Test("a ledger in a directory that is not there is refused with a sentence")
    func missingDirectory() async throws {
        try await withTemporaryDirectory { directory in
            let error = try #require(throws: LedgerError.self) { try Ledger(path: directory.path("none/bittern.db")) }
            #expect(error.code == .unavailable)
            let sentence = "cannot be opened for writing (No such file or directory); check the directory's owner and mode"
            #expect(error.sentence == "the ledger \(directory.path("none/bittern.db")) \(sentence)")
        }
    }

    @Test("a ledger in a directory nobody may write to is refused with a sentence")
    func unwritable() async throws {
        try await withTemporaryDirectory { directory in
            let place = try directory.makeDirectory("place")
            try await withUnwritable(place) {
                let error = try #require(throws: LedgerError.self) { try Ledger(path: place + "/bittern.db") }
                #expect(error.code == .unavailable)
                #expect(error.sentence.hasSuffix("; check the directory's owner and mode"))
            }
        }
    }

    /// Makes a file and sees that it is refused with this code and words, and that not a byte of it changed.
    private func refuses(_ code: LedgerError.Code, because words: String, _ make: (URL) throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let path = URL(filePath: directory.path("bittern.db"))
            try make(path)
            let before = try Data(contentsOf: path)
            try #require(before.count > 4096)
            let error = try #require(throws: LedgerError.self) { try Ledger(path: path.path) }
            #expect(error.code == code)
            #expect(error.sentence.hasPrefix("the ledger \(path.path) \(words)"), "\(error.sentence)")
            #expect(error.sentence.contains("; "), "says what to do: \(error.sentence)")
            #expect(try Data(contentsOf: path) == before)
        }
    }

    /// For root, who may write anywhere, a file system that is mounted for reading; for others a mode.
    private func withUnwritable(_ place: String, _ body: () async throws -> Void) async throws {
        let isRoot = geteuid() == 0
        let shut = isRoot ? ["mount", "-t", "tmpfs", "-o", "ro,size=64k", "none", place] : ["chmod", "500", place]
        let open = isRoot ? ["umount", place] : ["chmod", "700", place]
        try await Shell.check(shut)
        try await withCleanup(body) { try await Shell.check(open) }
    }
}
