import Foundation
import RealParts
import Testing

/// How many rounds are wanted; nil: none.
let rounds = ProcessInfo.processInfo.environment["BITTERN_TORTURE_ROUNDS"].flatMap { Int($0) }

/// Whether clean rounds are shown and kept too.
private let isKept = ProcessInfo.processInfo.environment["BITTERN_TORTURE_SHOW"] != nil

@Suite(.serialized, .enabled(if: rounds != nil, "the kill loop takes its time: make torture, or set BITTERN_TORTURE_ROUNDS"))
struct TortureTests {
    @Test("a storm of pushes and kills loses nothing, repeats nothing and never goes backwards")
    func storm() async throws {
        let first = SeededRandom.tortureSeed
        say("torture: seed \(first)")
        let tally = CrashTally()
        var slowest: Duration = .zero
        let began = ContinuousClock.now
        var broken: (number: Int, seed: UInt64, found: [String])?
        try await withThrowingTaskGroup { removals in
            for number in 0..<(rounds ?? 0) {
                let roundBegan = ContinuousClock.now
                // The first round of a seed is that seed, so that a printed one is run again with ROUNDS=1.
                let seed = first &+ UInt64(number)
                let round = Round(seed: seed, directory: "\(Round.parent)/bittern-torture-\(getpid())-\(number)", tally: tally)
                let found = await Self.play(round, number: number)
                slowest = max(slowest, .now - roundBegan)
                guard found.isEmpty else {
                    broken = (number, seed, found)
                    break
                }
                // The disk takes its time over it, so it is not waited for.
                if !isKept { removals.addTask { try await round.remove() } }
            }
            try await removals.waitForAll()
        }
        if let broken {
            // Whoever has the last lines only is to know what it was.
            let found = broken.found.map { $0.split(separator: "\n").last ?? "" }.joined(separator: "\n")
            Issue.record(
                "round \(broken.number) of seed \(first) broke an invariant; BITTERN_TORTURE_SEED=\(broken.seed) runs it again\n\(found)")
            return
        }
        let took = ContinuousClock.now - began
        say("torture: \(rounds ?? 0) rounds were clean, \(took / max(1, rounds ?? 0)) each, the slowest \(slowest)")
        say(tally.summary)
        // One start in three may go by without its crash point; six in a row do not.
        #expect(tally.dead(atLeast: 6).isEmpty, "no daemon reaches these any more")
        if tally.points.asked >= 20 { #expect(tally.points.hit * 4 >= tally.points.asked * 3, "most crash points are to be hit") }
    }

    private static func seconds(_ time: Duration) -> String { String(format: "%.1f", time / .seconds(1)) }

    /// Runs a round and says what was wrong with it; prints everything where there is something.
    private static func play(_ round: Round, number: Int) async -> [String] {
        let seed = round.seed
        let began = ContinuousClock.now
        var script = ""
        var found: [String]
        do {
            let outcome = try await round.run()
            script = "\(outcome.script)"
            found = outcome.evidence.violations.map(\.description)
            let took = Self.seconds(.now - began)
            let laps = outcome.laps.map { "\($0.part) \(Self.seconds($0.time))" }.joined(separator: ", ")
            say(
                "torture: round \(number), seed \(seed): \(outcome.script.pushes.count) pushes, \(outcome.tries) sent, "
                    + "\(outcome.script.blows.count) ends, \(outcome.evidence.book.jobs.count) jobs, \(outcome.looks) looks, \(took) s (\(laps)); "
                    + "longest step: \(outcome.evidence.longestStep)")
        } catch let error as BrokenOff {
            script = "\(error.script)"
            found = ["\(error.cause)"]
        } catch {
            found = ["\(error)"]
        }
        if found.isEmpty {
            if isKept { say("\(round.tables())\n\(script)\n\(round.directory) is kept") }
            return []
        }
        say("torture: VIOLATION in round \(number), seed \(seed); \(round.directory) is kept")
        say(found.map { "  \($0)" }.joined(separator: "\n"))
        say(round.tables())
        say(script)
        return found
    }
}

/// Writes a line at once, so that it is there whatever ends the tests.
private func say(_ line: String) {
    FileHandle.standardOutput.write(Data("\(line)\n".utf8))
}
