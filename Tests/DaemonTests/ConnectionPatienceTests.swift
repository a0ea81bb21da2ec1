import NIOCore
import Testing

@testable import Daemon

@Suite struct ConnectionPatienceTests {
    /// So many seconds after the beginning.
    private func at(_ seconds: UInt64) -> NIODeadline { .uptimeNanoseconds(seconds * 1_000_000_000) }

    private func opened() -> ConnectionPatience {
        ConnectionPatience(request: .seconds(10), idle: .seconds(75), openedAt: at(0))
    }

    @Test("the first request has to be whole so long after the connection was opened, whenever it begins")
    func first() {
        var patience = opened()
        #expect(patience.judge(at: at(0)) == .lasts(until: at(10)))
        patience.began(at: at(9))
        #expect(patience.judge(at: at(9)) == .lasts(until: at(10)))
        #expect(patience.judge(at: at(10)) == .isOver)
    }

    @Test("every further request has as long from its first byte, also when nobody looked in between")
    func further() {
        var patience = opened()
        patience.awaitsAnswer()
        patience.ended(at: at(3))
        // So that one which begins right afterwards is looked at in time.
        #expect(patience.judge(at: at(3)) == .lasts(until: at(13)))
        patience.began(at: at(4))
        patience.began(at: at(12))
        #expect(patience.judge(at: at(13)) == .lasts(until: at(14)))
        #expect(patience.judge(at: at(14)) == .isOver)
    }

    @Test("our own time is not the sender's")
    func answering() {
        var patience = opened()
        patience.awaitsAnswer()
        patience.began(at: at(5))
        #expect(patience.judge(at: at(1000)) == .lasts(until: at(1010)))
    }

    @Test("the silence between two requests has an end")
    func silence() {
        var patience = opened()
        patience.ended(at: at(3))
        #expect(patience.judge(at: at(70)) == .lasts(until: at(78)))
        #expect(patience.judge(at: at(78)) == .isOver)
    }
}
