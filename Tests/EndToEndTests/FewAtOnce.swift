import Testing

/// Lets only so many tests run at once. Each brings a daemon and dozens of short processes about: more of them at once are
/// no quicker, and some would use up their time limits in waiting for a processor.
struct FewAtOnce: SuiteTrait, TestTrait, TestScoping {
    private static let room = Room(places: 8)

    let isRecursive = true

    func scopeProvider(for test: Test, testCase: Test.Case?) -> Self? { testCase == nil ? nil : self }

    func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        await Self.room.enter()
        do {
            try await function()
        } catch {
            await Self.room.leave()
            throw error
        }
        await Self.room.leave()
    }
}

extension Trait where Self == FewAtOnce {
    static var fewAtOnce: Self { Self() }
}

/// A room with so many places; who finds it full waits for his turn.
private actor Room {
    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(places: Int) { free = places }

    func enter() async {
        if free > 0 {
            free -= 1
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    func leave() {
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
}
