/// The refused deliveries that wait to be written down: the newest 1,000 of each account, so that a flood of rubbish costs a
/// bounded amount of memory and no fsync of its own.
package struct RefusalRing: Sendable {
    /// Per account, in the ring and in the ledger alike.
    package static let capacity = 1000

    private var waiting: [String?: [RefusedDelivery]] = [:]

    package init() {}

    package var isEmpty: Bool { waiting.isEmpty }

    /// Takes one in; the oldest of its account gives way when there are too many.
    package mutating func add(_ refused: RefusedDelivery) {
        waiting[refused.account, default: []].append(refused)
        // Twice the capacity before any is dropped: so that dropping costs little per delivery.
        if let count = waiting[refused.account]?.count, count >= 2 * Self.capacity {
            waiting[refused.account]?.removeFirst(count - Self.capacity)
        }
    }

    /// Empties the ring: what is to be written, oldest first per account.
    package mutating func drain() -> [RefusedDelivery] {
        defer { waiting = [:] }
        return waiting.values.flatMap { $0.suffix(Self.capacity) }
    }
}

/// Keeps refused deliveries from filling the journal: at most 10 lines a minute and address, with the number left out.
package struct RefusalLimiter: Sendable {
    package static let linesPerMinute = 10
    /// Addresses remembered at a time; beyond it all further ones share one allowance.
    package static let addresses = 1024

    private struct Window: Sendable {
        var opened: Timestamp
        var lines = 0
        var leftOut = 0
    }

    private var windows: [String: Window] = [:]

    package init() {}

    /// nil: write nothing. Otherwise write the line, and say how many of this address were left out since the last one.
    package mutating func allowance(for address: String, at now: Timestamp) -> Int? {
        if windows[address] == nil, windows.count >= Self.addresses {
            windows = windows.filter { now.since($0.value.opened) < .seconds(60) }
        }
        let key = windows[address] != nil || windows.count < Self.addresses ? address : ""
        var window = windows[key] ?? Window(opened: now)
        defer { windows[key] = window }
        let leftOut = window.leftOut
        if now.since(window.opened) >= .seconds(60) { window = Window(opened: now) }
        guard window.lines < Self.linesPerMinute else {
            window.leftOut += 1
            return nil
        }
        window.lines += 1
        window.leftOut = 0
        return leftOut
    }
}
