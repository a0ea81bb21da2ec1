import Domain
import Foundation
import RealParts
import Testing

@testable import Storage

@Suite(.enabled(if: geteuid() == 0, "mounting a small file system takes root"))
struct DiskFullTests {
    @Test("on a disk that fills up, what was accepted is there, what was not left nothing, and it goes on when space returns")
    func full() async throws {
        try await withSmallDisk(kilobytes: 8192) { disk in
            let house = try LedgerHouse(path: disk + "/bittern.db")
            try await house.push("main", nil, 1)
            var accepted = try await fillUp(house, ballast: disk + "/ballast")
            try await expect(accepted, in: house)

            try FileManager.default.removeItem(atPath: disk + "/ballast")
            // A process that is just being started may have the file open, and the space is not back before that has become its program.
            try await eventually("the first that is accepted again") {
                (try? await house.accept(delivery("again-0", try moved("again-0", 1, 2)))) != nil  // full: once more
            }
            accepted.insert("again-0")
            for number in 1..<20 {
                try await house.accept(delivery("again-\(number)", try moved("again-\(number)", 1, 2)))
                accepted.insert("again-\(number)")
            }
            try await expect(accepted, in: house)
            try house.close()
            let reopened = try LedgerHouse(path: disk + "/bittern.db")
            try await expect(accepted, in: reopened)
            try reopened.close()
        }
    }

    @Test("a ledger on a file system that became read-only is refused with a sentence, and opens when it can be written again")
    func readOnly() async throws {
        try await withSmallDisk(kilobytes: 2048) { disk in
            let path = disk + "/bittern.db"
            let house = try LedgerHouse(path: path)
            let job = try await house.push("main", nil, 1)
            try house.close()
            let before = try Data(contentsOf: URL(filePath: path))

            try await Shell.check(["mount", "-o", "remount,ro", disk])
            let error = try #require(throws: LedgerError.self) { try Ledger(path: path) }
            #expect(error.code == .unavailable)
            #expect(error.sentence.contains("cannot be opened for writing (Read-only file system)"))
            #expect(try Data(contentsOf: URL(filePath: path)) == before)

            try await Shell.check(["mount", "-o", "remount,rw", disk])
            let again = try LedgerHouse(path: path)
            #expect(try await again.job(job).state == .queued)
            try again.close()
        }
    }

    private struct Attempt: Sendable {
        let request: String
        let failure: LedgerError?
    }

    /// Has crowds of deliveries arrive while something else eats the disk, until there is room for none of them; gives the request
    /// ids of those that were accepted.
    private func fillUp(_ house: LedgerHouse, ballast: String) async throws -> Set<String> {
        var accepted: Set<String> = []
        try Data().write(to: URL(filePath: ballast))
        let file = try FileHandle(forWritingTo: URL(filePath: ballast))
        for round in 0..<1000 {
            try? file.write(contentsOf: Data(count: 64 << 10))  // it does not fit any more: that is the aim
            let attempts = try await crowd(round, house)
            let failed = attempts.filter { $0.failure != nil }
            #expect(failed.allSatisfy { $0.failure?.code == .full }, "\(failed)")
            accepted.formUnion(attempts.filter { $0.failure == nil }.map(\.request))
            if failed.count == attempts.count { break }
        }
        try file.close()
        try #require(accepted.count > 100)
        try #require(accepted.count < 16_000, "the disk never was full")
        return accepted
    }

    private func crowd(_ round: Int, _ house: LedgerHouse) async throws -> [Attempt] {
        try await withThrowingTaskGroup(of: Attempt.self) { group in
            for sender in 0..<16 {
                let request = "\(round)-\(sender)"
                let pushed = delivery(request, try moved(request, 1, 2))
                group.addTask {
                    do {
                        try await house.accept(pushed)
                        return Attempt(request: request, failure: nil)
                    } catch let error as LedgerError {
                        return Attempt(request: request, failure: error)
                    }
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    /// What is stored is whole, and is what was accepted besides the first push, which has no request id.
    private func expect(_ accepted: Set<String>, in house: LedgerHouse) async throws {
        let stored = try house.values("SELECT request_id FROM deliveries WHERE request_id IS NOT NULL", as: String.self)
        #expect(stored.count == accepted.count)
        #expect(Set(stored) == accepted)
        #expect(try house.counts() == Array(repeating: accepted.count + 1, count: 5))
        #expect(try house.value("PRAGMA integrity_check") == "ok")
        #expect(try house.values("SELECT \"table\" FROM pragma_foreign_key_check", as: String.self) == [])
    }

    /// A file system in memory for `body`, taken away at the end.
    private func withSmallDisk(kilobytes: Int, _ body: (String) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let place = try directory.makeDirectory("disk")
            try await Shell.check(["mount", "-t", "tmpfs", "-o", "size=\(kilobytes)k,mode=700", "none", place])
            try await withCleanup {
                try await body(place)
            } cleanup: {
                try await Shell.check(["umount", "--lazy", place])
            }
        }
    }
}
