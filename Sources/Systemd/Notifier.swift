import CSystemd
import Glibc

/// Tells the service manager how the daemon is doing, by sd_notify(3).
///
/// Every method sends one datagram to `$NOTIFY_SOCKET` and returns. Where that variable is unset (a terminal, a container, a
/// test) nothing is sent and nothing is wrong. A datagram that cannot be sent is no error either: the manual page recommends to
/// ignore the result, since it never says whether the message was acted upon; a missed `READY=1` shows as a start that times
/// out. The variable is left in place, because later messages need it too; children never see it, they get an environment of
/// their own.
package struct Notifier: Sendable {
    private let deliver: @Sendable (_ state: String) -> Void

    /// Speaks to the service manager that started this process, if one did.
    package init() {
        // The result is ignored, for the reason given above.
        self.init { state in _ = sd_notify(0, state) }
    }

    /// Hands each message, a newline-separated list of assignments, to `deliver` instead: for tests of those who notify.
    package init(deliver: @escaping @Sendable (_ state: String) -> Void) {
        self.deliver = deliver
    }

    /// The start, or a reload announced by ``reloading()``, is complete (`READY=1`), with a first status in the same message.
    package func ready(status: String) {
        deliver("READY=1\n" + Self.assignment(ofStatus: status))
    }

    /// The sentence that `systemctl status` shows (`STATUS=`). It arrives as one line of at most 1 KB, with control characters
    /// and bidirectional marks escaped, so no name from outside can add an assignment of its own.
    package func status(_ sentence: String) {
        deliver(Self.assignment(ofStatus: sentence))
    }

    /// The configuration is about to be read again (`RELOADING=1`). Must be followed by ``ready(status:)``, also when the new
    /// configuration was refused. Carries `MONOTONIC_USEC=`, by which Type=notify-reload (systemd 253 and newer) knows that
    /// this answers the reload it asked for and not an earlier one; older managers pass over it.
    package func reloading() {
        deliver("RELOADING=1\nMONOTONIC_USEC=\(Self.monotonicMicroseconds())")
    }

    /// The orderly end has begun (`STOPPING=1`).
    package func stopping() {
        deliver("STOPPING=1")
    }

    /// The daemon is alive (`WATCHDOG=1`). To be sent only after a self-check that looked at something; without `WatchdogSec=` in
    /// the unit it has no effect.
    package func watchdog() {
        deliver("WATCHDOG=1")
    }

    /// Asks for more time to start or stop (`EXTEND_TIMEOUT_USEC=`): the manager waits for the next message at least
    /// `microseconds` from now, also beyond `TimeoutStartSec=` and `TimeoutStopSec=`. Whoever needs longer asks again in time.
    package func extendTimeout(microseconds: UInt64) {
        deliver("EXTEND_TIMEOUT_USEC=\(microseconds)")
    }

    private static func assignment(ofStatus sentence: String) -> String {
        "STATUS=" + OneLine.shown(sentence)
    }

    private static func monotonicMicroseconds() -> Int {
        var now = timespec()
        // Cannot fail: Linux always has this clock, and `now` is ours.
        _ = clock_gettime(CLOCK_MONOTONIC, &now)
        return now.tv_sec * 1_000_000 + now.tv_nsec / 1000
    }
}
