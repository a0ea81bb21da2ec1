import RealParts
import Synchronization

/// Carries deliveries to the daemon as Bitbucket would, only more stubbornly: what is not answered is sent again until it is.
final class Courier: Sendable {
    /// A delivery with its 2xx.
    struct Answered: Sendable {
        let requestID: String
        let answer: Answer
    }

    private struct State {
        var answered: [Answered] = []
        var refusals: [String] = []
        var tries = 0
        var starts = 0
        /// By ref: first and doubled deliveries that are on their way.
        var open: [String: Set<Int>] = [:]
    }

    private static let limit: Duration = .seconds(40)
    private let daemon: BitternDaemon
    private let state = Mutex(State())

    init(daemon: BitternDaemon) { self.daemon = daemon }

    /// Every 2xx, in the order in which they came.
    var answered: [Answered] { state.withLock { $0.answered } }
    /// Answers that are neither 2xx nor 503.
    var refusals: [String] { state.withLock { $0.refusals } }
    /// How often something was sent.
    var tries: Int { state.withLock { $0.tries } }

    /// The daemon was started once more.
    func daemonStarted() { state.withLock { $0.starts += 1 } }

    /// Push number `number` was made and its deliveries are to be brought some time.
    func expect(_ push: Script.Push, number: Int) {
        state.withLock { state in
            for move in push.moves { state.open[move.ref, default: []].insert(number) }
        }
    }

    /// Brings all deliveries of a push, each at its time.
    func bring(_ push: Script.Push, number: Int, _ random: SeededRandom) async throws {
        var random = random
        guard !push.isLost else { return arrived(push, number: number) }
        let delivery = try push.delivery()
        var double = delivery
        double.headers["X-Request-UUID"] = Delivery.freshID()
        try await Task.sleep(for: push.delay)  // the storm itself
        try await eventually("start \(push.heldUntilStart) of the daemon", within: Self.limit) {
            state.withLock { $0.starts >= push.heldUntilStart }
        }
        try await eventually("the deliveries before number \(number)", within: Self.limit) {
            state.withLock { state in push.after.allSatisfy { state.open[$0]?.contains { $0 < number } != true } }
        }
        let seeds = (0..<4).map { _ in random.next() }
        try await withThrowingTaskGroup { group in
            for (index, pause) in push.resends.enumerated() {
                group.addTask { try await self.send(delivery, after: pause, SeededRandom(seed: seeds[index])) }
            }
            group.addTask { [double] in
                try await withThrowingTaskGroup { pair in
                    pair.addTask { try await self.send(delivery, after: .zero, SeededRandom(seed: seeds[2])) }
                    if let pause = push.double {
                        pair.addTask { try await self.send(double, after: pause, SeededRandom(seed: seeds[3])) }
                    }
                    try await pair.waitForAll()
                }
                self.arrived(push, number: number)
            }
            try await group.waitForAll()
        }
    }

    private func arrived(_ push: Script.Push, number: Int) {
        state.withLock { state in
            for move in push.moves { state.open[move.ref]?.remove(number) }
        }
    }

    private func send(_ delivery: Delivery, after pause: Duration, _ random: SeededRandom) async throws {
        var random = random
        try await Task.sleep(for: pause)  // the storm itself
        let deadline = ContinuousClock.now + Self.limit
        while ContinuousClock.now < deadline {
            state.withLock { $0.tries += 1 }
            // A daemon that is killed or not there yet: the next try tells.
            let answer = try? await daemon.send(delivery, to: "/hooks/acme")
            if let answer, (200..<300).contains(answer.status) {
                let answered = Answered(requestID: delivery.headers["X-Request-UUID"] ?? "", answer: answer)
                return state.withLock { $0.answered.append(answered) }
            }
            if let answer, answer.status != 503 { return state.withLock { $0.refusals.append("\(answer)") } }
            try await Task.sleep(for: random.pause(5...60))  // the storm itself
        }
        throw NeverAnswered(delivery: delivery.headers["X-Request-UUID"] ?? "")
    }
}

/// However often it was sent, a delivery got no 2xx.
struct NeverAnswered: Error {
    /// Its request id.
    let delivery: String
}
