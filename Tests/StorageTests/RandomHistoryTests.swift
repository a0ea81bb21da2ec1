import Domain
import Foundation
import GRDB
import RealParts
import Testing

@testable import Storage

/// The queue, the duplicate rules and the order rules against random histories of a forge that has little order in what it tells, of a
/// daemon that is stopped and dies, and of people who cancel, retry, hold and resume.
///
/// At every moment the ledger says of each job and release what ``ModelQueue`` says, and the next job to run is the model's. On the way:
/// a job goes on with the head alone, a delivery that is sent again never makes a job, a step that succeeded behind activation is not
/// run again, and a live commit gives way to an ancestor only where the branch was forced back.
///
/// Once every delivery is in and every job has ended, the last verdict of each app is on the head of its branch, and that head is live
/// if the verdict was a good one, provided that
///
/// - the delivery of the last move of each branch arrived; any earlier one may be lost, late, doubled or sent again;
/// - a fetch shows at least what deliveries told before, apart from the one whose job asks: of its own hook the forge may be behind,
///   for less than patience, where the branch was made or moved forward. Of any hook it may be behind where deliveries are in order
///   and nobody runs an old job again meanwhile;
/// - a branch that was deleted and made anew where it had been made before was told of in this order, or a fetch saw it gone: else its
///   delivery is the same move told again, to all that the ledger knows;
/// - the last job of the app was not ended, by a person, a failure or the daemon's deaths, before it could ask for the head: whatever
///   made way for it has nobody left then but the next push.
@Suite struct RandomHistoryTests {
    @Test("whatever the forge, the host and people do, the queue is as it should be and the heads of the branches go live")
    func histories() async throws {
        let environment = ProcessInfo.processInfo.environment
        let seed = SeededRandom.seed
        let count = environment["BITTERN_TEST_HISTORIES"].flatMap { UInt64($0) } ?? 300
        print("random histories: BITTERN_TEST_SEED=\(seed)")
        let seen = try await withLedger { house -> History.Seen? in
            // What survives a power cut is tested elsewhere.
            try await house.ledger.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = OFF") }
            var seen = History.Seen()
            for number in 0..<count {
                // Each is run again alone by the seed it is reported with.
                let history = History(house, seed: seed &+ number)
                do { try await history.run() } catch {
                    Issue.record("BITTERN_TEST_SEED=\(seed &+ number) BITTERN_TEST_HISTORIES=1: \(error)\n\(history.story)")
                    return nil
                }
                seen.add(history.seen)
            }
            return seen
        }
        guard let seen else { return }
        print("random histories: \(seen)")
        // A search that never comes to where things are difficult proves nothing.
        if count >= 300 { #expect(seen.unseen.isEmpty) }
    }
}
