import Foundation
import RealParts
import Testing

/// How many rounds are wanted; nil: none.
let rounds = ProcessInfo.processInfo.environment["BITTERN_TORTURE_ROUNDS"].flatMap { Int($0) }

@Suite(.serialized, .enabled(if: rounds != nil, "the kill loop takes its time: make torture, or set BITTERN_TORTURE_ROUNDS"))
struct TortureTests {
    @Test("a storm of pushes and kills loses nothing, repeats nothing and never goes backwards")
    func storm() async throws {
        let first = SeededRandom.seed
        say("torture: seed \(first)")
        var slowest: Duration = .zero
        let began = ContinuousClock.now
        for number in 0..<(rounds ?? 0) {
            let roundBegan = ContinuousClock.now
            // The first round of a seed is that seed, so that a printed one is run again with ROUNDS=1.
            let isClean = try await Self.play(seed: first &+ UInt64(number), number: number)
            slowest = max(slowest, .now - roundBegan)
            try #require(
                isClean,
                "round \(number) of seed \(first) broke an invariant; BITTERN_TORTURE_SEED=\(first &+ UInt64(number)) runs it again")
        }
        let took = ContinuousClock.now - began
        say("torture: \(rounds ?? 0) rounds were clean, \(took / max(1, rounds ?? 0)) each, the slowest \(slowest)")
    }

    /// Runs a round and says whether it was clean; prints everything and keeps its directory where not.
    private static func play(seed: UInt64, number: Int) async throws -> Bool {
        let round = Round(seed: seed, directory: "/tmp/bittern-torture-\(getpid())-\(number)")
        let began = ContinuousClock.now
        var script = ""
        var found: [String]
        do {
            let outcome = try await round.run()
            script = "\(outcome.script)"
            found = outcome.evidence.violations.map(\.description)
            let took = (ContinuousClock.now - began).formatted(.units(allowed: [.seconds], fractionalPart: .show(length: 1)))
            say(
                "torture: round \(number), seed \(seed): \(outcome.script.pushes.count) pushes, \(outcome.tries) sent, "
                    + "\(outcome.script.blows.count) ends, \(outcome.evidence.book.jobs.count) jobs, \(outcome.looks) looks, \(took); "
                    + "longest step: \(outcome.evidence.longestStep)")
        } catch {
            found = ["\(error)"]
        }
        if found.isEmpty {
            if ProcessInfo.processInfo.environment["BITTERN_TORTURE_SHOW"] != nil {
                say("\(round.tables())\n\(script)\n\(round.directory) is kept")
                return true
            }
            try await round.remove()
            return true
        }
        say("torture: VIOLATION in round \(number), seed \(seed); \(round.directory) is kept")
        say(found.map { "  \($0)" }.joined(separator: "\n"))
        say(round.tables())
        say(script)
        return false
    }
}

/// Writes a line at once, so that it is there whatever ends the tests.
private func say(_ line: String) {
    FileHandle.standardOutput.write(Data("\(line)\n".utf8))
}
