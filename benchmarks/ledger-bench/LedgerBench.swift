import Domain
import Foundation
import Storage

// `ledger-bench LEDGER TIMES` claims waiting jobs and finishes them, one after the other, and says how long each took in the middle, in
// microseconds, and how many of both there were a second.

@main struct LedgerBench {
    static func main() async throws {
        // As the dispatcher claims and the workers finish.
        let ledger = try Ledger(path: CommandLine.arguments[1]).onOwnThread
        let clock = ContinuousClock()
        var claims: [Duration] = []
        var finishes: [Duration] = []
        let began = clock.now
        for _ in 0..<(Int(CommandLine.arguments[2]) ?? 0) {
            let now = Timestamp(milliseconds: Int64(Date.now.timeIntervalSince1970 * 1000))
            var claimed: ClaimedJob?
            claims.append(try await clock.measure { claimed = try await ledger.claim(at: now) })
            guard let job = claimed?.job else { fatalError("there are fewer jobs than that") }
            finishes.append(try await clock.measure { try await ledger.finish(job: job.id, JobEnd(.failed, "it was a trial"), at: now) })
        }
        let rate = Double(claims.count + finishes.count) / (began.duration(to: clock.now) / .seconds(1))
        try ledger.close()
        print("{\"claim\": \(middle(of: claims)), \"finish\": \(middle(of: finishes)), \"rate\": \(rate)}")
    }

    private static func middle(of durations: [Duration]) -> Int {
        Int(durations.sorted()[durations.count / 2] / .microseconds(1))
    }
}
