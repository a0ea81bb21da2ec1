import Testing

@testable import Domain

struct FetchRetryTests {
    @Test("what is missing is asked for again, ever more slowly, and never beyond 30 seconds")
    func missing() {
        var retry = FetchRetry()
        var elapsed = Duration.zero
        var delays: [Duration] = []
        while let delay = retry.delay(after: .missing, elapsed: elapsed), delays.count < 1000 {
            #expect(delay > .zero)
            delays.append(delay)
            elapsed += delay
        }
        #expect(elapsed == .seconds(30))
        #expect(delays.prefix(5) == [.milliseconds(250), .milliseconds(500), .seconds(1), .seconds(2), .seconds(4)])
        #expect(delays.count < 20)
    }

    @Test("a slow try counts too: the last wait ends at 30 seconds, and after that there is none")
    func patience() {
        var retry = FetchRetry()
        #expect(retry.delay(after: .missing, elapsed: .milliseconds(29_900)) == .milliseconds(100))
        #expect(retry.delay(after: .missing, elapsed: .seconds(30)) == nil)
        #expect(retry.delay(after: .missing, elapsed: .seconds(300)) == nil)
    }

    @Test("a server that cannot be reached is tried three times more")
    func unreachable() {
        var retry = FetchRetry()
        let delays = (0..<5).map { _ in retry.delay(after: .unreachable, elapsed: .zero) }
        #expect(delays == [.seconds(1), .seconds(2), .seconds(4), nil, nil])
    }

    @Test("a network that stumbles while the forge is waited for has its own three chances")
    func mixed() {
        var retry = FetchRetry()
        for _ in 0..<6 { #expect(retry.delay(after: .missing, elapsed: .seconds(1)) != nil) }
        for _ in 0..<3 { #expect(retry.delay(after: .unreachable, elapsed: .seconds(1)) != nil) }
        #expect(retry.delay(after: .unreachable, elapsed: .seconds(1)) == nil)
    }

    @Test("what another try would not change is final at once")
    func final() {
        var retry = FetchRetry()
        #expect(retry.delay(after: .final, elapsed: .zero) == nil)
    }
}
