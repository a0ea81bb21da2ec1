import CSystemd

/// How often the service manager wants to hear that this process is alive (`WatchdogSec=`, sd_watchdog_enabled(3)).
///
/// nil: it does not ask, or asks another process. What it is told in half that time is in time.
package func watchdogInterval() -> Duration? {
    var microseconds: UInt64 = 0
    guard sd_watchdog_enabled(0, &microseconds) > 0, microseconds > 0 else { return nil }
    return .microseconds(Int64(clamping: microseconds))
}
