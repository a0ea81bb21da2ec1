import RealParts
import Synchronization

/// Where a daemon may be told to kill itself, as `BITTERN_CRASH_AT` in Sources/Storage/CrashPoint.swift has it.
struct CrashPlan: Sendable, CustomStringConvertible {
    /// Verbs of the ledger. Those that no round brings about are played by ``RareCommitTests``.
    static let verbs = [
        "accept", "claim", "order", "releaseBegun", "stepStarted", "stepEnded", "finish", "putBack", "requeue",
        "cancelQueued", "retry", "hold", "resume", "report", "catchUp", "reportDone",
    ]
    static let points = verbs.flatMap { ["\($0).before", "\($0).after"] }

    /// As `accept.before`.
    let point: String
    /// Which time the verb commits.
    let time: Int

    var verb: String { String(point.prefix { $0 != "." }) }
    var description: String { "\(point):\(time)" }

    /// Consecutive numbers take consecutive points, so that a run of rounds leaves none out.
    init(number: UInt64, _ random: inout SeededRandom) {
        // The starts of one round take points that are not neighbours; 5 has no divisor in common with their number.
        point = Self.points[Int(number % UInt64(Self.points.count)) * 5 % Self.points.count]
        let verb = point.prefix { $0 != "." }
        let most =
            switch verb {
            case "stepStarted", "stepEnded": 6
            case "accept", "claim", "order", "finish": 2
            default: 1
            }
        time = Int.random(in: 1...most, using: &random)
    }
}

/// Which crash points were asked for and which were hit, over a whole run.
final class CrashTally: Sendable {
    private struct Count {
        var asked = 0
        var hit = 0
    }

    private let counts = Mutex<[String: Count]>([:])

    /// A daemon was started with this plan.
    func asked(_ plan: CrashPlan) { counts.withLock { $0[plan.point, default: Count()].asked += 1 } }

    /// A daemon has killed itself.
    func hit(_ plan: CrashPlan) { counts.withLock { $0[plan.point, default: Count()].hit += 1 } }

    /// Verbs that were asked for at least so often and never hit: such a verb has another name now, or no round reaches it any more.
    func dead(atLeast least: Int) -> [String] {
        counts.withLock { counts in
            CrashPlan.verbs.filter { verb in
                let sides = ["before", "after"].compactMap { counts["\(verb).\($0)"] }
                return sides.reduce(0) { $0 + $1.asked } >= least && sides.allSatisfy { $0.hit == 0 }
            }
        }
    }

    /// How many different points were asked for and hit.
    var points: (asked: Int, hit: Int) {
        counts.withLock { counts in (asked: counts.count, hit: counts.values.filter { $0.hit > 0 }.count) }
    }

    /// The kill loop's last lines.
    var summary: String {
        let counts = counts.withLock { $0 }
        let lines = CrashPlan.verbs.map { verb in
            let sides = ["before", "after"].map { side in
                let count = counts["\(verb).\(side)"] ?? Count()
                return "\(side) \(count.hit) of \(count.asked)"
            }
            return "  \(verb): " + sides.joined(separator: ", ")
        }
        return "crash points, hit of asked (\(points.hit) of \(CrashPlan.points.count) were hit):\n" + lines.joined(separator: "\n")
    }
}
