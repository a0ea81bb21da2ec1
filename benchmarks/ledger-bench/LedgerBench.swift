import Domain
import Foundation
import Storage

// `ledger-bench LEDGER TIMES` claims waiting jobs and finishes them, one after the other, and says how long each took in the middle,
// in microseconds.

@main struct LedgerBench {
    static func main() async throws {
        let ledger = try Ledger(path: CommandLine.arguments[1])
        let clock = ContinuousClock()
        var claims: [Duration] = []
        var finishes: [Duration] = []
        for _ in 0..<(Int(CommandLine.arguments[2]) ?? 0) {
            let now = Timestamp(milliseconds: Int64(Date.now.timeIntervalSince1970 * 1000))
            var claimed: ClaimedJob?
            claims.append(try await clock.measure { claimed = try await ledger.claim(at: now) })
            guard let job = claimed?.job else { fatalError("there are fewer jobs than that") }
            finishes.append(try await clock.measure { try await ledger.finish(job: job.id, JobEnd(.failed, "it was a trial"), at: now) })
        }
        try ledger.close()
        print("{\"claim\": \(middle(of: claims)), \"finish\": \(middle(of: finishes))}")
    }

    private static func middle(of durations: [Duration]) -> Int {
        Int(durations.sorted()[durations.count / 2] / .microseconds(1))
    }
}
