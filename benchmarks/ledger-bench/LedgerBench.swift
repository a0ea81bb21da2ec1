import Domain
import Foundation
import Glibc
import Storage

// `ledger-bench LEDGER TIMES` claims waiting jobs and finishes them, one after the other, and says how long each took in the middle, in
// microseconds, how many of both there were a second, and how often a second the disk took 16 KB meanwhile (pwrite and fdatasync, over
// what stands in the file): some of one, some of the other, because a disk's pace is another one every few seconds.

@main struct LedgerBench {
    private static let clock = ContinuousClock()
    private static let turn = 25

    static func main() async throws {
        // As the dispatcher claims and the workers finish.
        let ledger = try Ledger(path: CommandLine.arguments[1]).onOwnThread
        let disk = try Disk(beside: CommandLine.arguments[1])
        var claims: [Duration] = []
        var finishes: [Duration] = []
        var syncs: [Duration] = []
        for number in 0..<(Int(CommandLine.arguments[2]) ?? 0) {
            let now = Timestamp(milliseconds: Int64(Date.now.timeIntervalSince1970 * 1000))
            var claimed: ClaimedJob?
            claims.append(try await clock.measure { claimed = try await ledger.claim(at: now) })
            guard let job = claimed?.job else { fatalError("there are fewer jobs than that") }
            finishes.append(try await clock.measure { try await ledger.finish(job: job.id, JobEnd(.failed, "it was a trial"), at: now) })
            if number % turn == turn - 1 { for _ in 0..<turn * 2 { syncs.append(try clock.measure(disk.sync)) } }
        }
        try ledger.close()
        let figures = [
            "claim": middle(of: claims), "finish": middle(of: finishes), "rate": rate(of: claims + finishes), "fdatasync": rate(of: syncs),
        ]
        print(String(decoding: try JSONEncoder().encode(figures), as: UTF8.self))
    }

    /// In microseconds.
    private static func middle(of durations: [Duration]) -> Double {
        durations.isEmpty ? 0 : (durations.sorted()[durations.count / 2] / .microseconds(1)).rounded()
    }

    /// How many of them there were in a second that had nothing else.
    private static func rate(of durations: [Duration]) -> Double {
        durations.isEmpty ? 0 : Double(durations.count) / (durations.reduce(.zero, +) / .seconds(1))
    }
}

/// A file in which 16 KB at a time are written anew.
private struct Disk {
    private static let block = [UInt8](repeating: 0x78, count: 16 << 10)
    private let descriptor: CInt

    init(beside ledger: String) throws {
        descriptor = open(ledger + ".fdatasync", O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        for _ in 0..<64 { write(descriptor, Self.block, Self.block.count) }
        guard descriptor >= 0, fsync(descriptor) == 0 else { throw CocoaError(.fileWriteUnknown) }
    }

    func sync() throws {
        let place = off_t(Int.random(in: 0..<64) * Self.block.count)
        guard pwrite(descriptor, Self.block, Self.block.count, place) == Self.block.count, fdatasync(descriptor) == 0 else {
            throw CocoaError(.fileWriteUnknown)
        }
    }
}
