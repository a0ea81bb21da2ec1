import Testing

@testable import Domain

struct RefusalRingTests {
    @Test("what was refused comes out once, oldest first")
    func drain() {
        var ring = RefusalRing()
        #expect(ring.isEmpty)
        for number in 0..<3 { ring.add(refused(number)) }
        #expect(!ring.isEmpty)
        #expect(ring.drain().map(\.reason) == ["0", "1", "2"])
        #expect(ring.isEmpty)
        #expect(ring.drain().isEmpty)
    }

    @Test("of a flood the newest 1,000 are kept", arguments: [999, 1000, 1001, 1999, 2000, 2001, 12_345])
    func flood(count: Int) {
        var ring = RefusalRing()
        for number in 0..<count { ring.add(refused(number)) }
        #expect(ring.drain().map(\.reason) == (max(0, count - 1000)..<count).map(String.init))
    }

    @Test("a flood to one account takes nothing from another, nor from those without one")
    func accounts() {
        var ring = RefusalRing()
        ring.add(refused(1, account: "quiet"))
        ring.add(refused(2, account: nil))
        for number in 0..<5000 { ring.add(refused(number, account: "loud")) }
        let drained = ring.drain()
        #expect(drained.filter { $0.account == "quiet" }.map(\.reason) == ["1"])
        #expect(drained.filter { $0.account == nil }.map(\.reason) == ["2"])
        #expect(drained.count == 1002)
    }

    private func refused(_ number: Int, account: String? = "acme") -> RefusedDelivery {
        RefusedDelivery(
            account: account, event: "repo:push", requestID: nil, remoteAddress: "192.0.2.1",
            receivedAt: Timestamp(milliseconds: Int64(number)),
            answer: 401, reason: String(number))
    }
}

struct RefusalLimiterTests {
    @Test("an address gets 10 lines a minute, and the next minute's first line counts what was left out")
    func oneAddress() {
        var limiter = RefusalLimiter()
        let first = (0..<25).map { limiter.allowance(for: "192.0.2.1", at: second(Int64($0))) }
        #expect(first == Array(repeating: 0, count: 10) + Array(repeating: nil, count: 15))
        #expect(limiter.allowance(for: "192.0.2.1", at: Timestamp(milliseconds: 59_999)) == nil)
        #expect(limiter.allowance(for: "192.0.2.1", at: second(60)) == 16)
        let next = (0..<10).map { limiter.allowance(for: "192.0.2.1", at: second(61 + Int64($0))) }
        #expect(next == Array(repeating: 0, count: 9) + [nil])
        #expect(limiter.allowance(for: "192.0.2.1", at: second(120)) == 1)
    }

    @Test("each address has its own allowance")
    func addresses() {
        var limiter = RefusalLimiter()
        for _ in 0..<11 { _ = limiter.allowance(for: "192.0.2.1", at: second(0)) }
        #expect(limiter.allowance(for: "192.0.2.1", at: second(1)) == nil)
        #expect(limiter.allowance(for: "192.0.2.2", at: second(1)) == 0)
    }

    @Test("a flood from very many addresses writes a bounded number of lines a minute")
    func manyAddresses() {
        var limiter = RefusalLimiter()
        let lines = (0..<20_000).count { limiter.allowance(for: "2001:db8::\($0)", at: second(0)) != nil }
        #expect(lines == 1024 + 10)
        // An address it remembers keeps its own allowance; new ones are let in again when the minute is over.
        #expect(limiter.allowance(for: "2001:db8::1", at: second(1)) == 0)
        #expect(limiter.allowance(for: "2001:db8::new", at: second(59)) == nil)
        #expect(limiter.allowance(for: "2001:db8::new", at: second(60)) != nil)
    }

    @Test("what it remembers is bounded")
    func memory() {
        var limiter = RefusalLimiter()
        for number in 0..<20_000 { _ = limiter.allowance(for: "2001:db8::\(number)", at: second(Int64(number / 100))) }
        let remembered = Mirror(reflecting: limiter).descendant("windows") as? any Collection
        #expect((remembered?.count ?? .max) <= RefusalLimiter.addresses + 1)
    }

    private func second(_ seconds: Int64) -> Timestamp { Timestamp(milliseconds: seconds * 1000) }
}
