import Domain
import Logging
import RealParts
import Synchronization
import Systemd
import Testing

@testable import Daemon

/// What the service manager hears, part by part and look by look.
@Suite struct WatchdogTests {
    @Test("it hears that the daemon is alive after each look at which every part answers, and not after any other")
    func looks() async throws {
        let part = Part()
        let told = Told()
        let said = Told()
        let watchdog = Watchdog(
            interval: .milliseconds(40),
            parts: [
                Watchdog.Part(name: "the one") { true },
                Watchdog.Part(name: "the other") { await part.answer() },
            ], notifier: Notifier { _ in told.hear() },
            reporter: Reporter(
                logger: Logger(label: "test") { _ in Recorder(said: said) },
                metrics: DaemonMetrics(version: "0", startedAt: Timestamp(milliseconds: 0))))
        let watching = Task { try await watchdog.run() }
        try await eventually("three looks that went well") { told.count >= 3 }
        part.mode.withLock { $0 = .silent }
        // The look that was under way may have been answered before.
        let before = part.asked
        try await eventually("a look that is not answered") { part.asked >= before + 2 }
        let heard = told.count
        let asked = part.asked
        try await eventually("three more of them") { part.asked >= asked + 3 }
        #expect(told.count == heard)
        #expect(said.count == 1)
        part.mode.withLock { $0 = .refuses }
        let refused = part.asked
        try await eventually("three looks that are answered with no") { part.asked >= refused + 3 }
        #expect(told.count == heard)
        part.mode.withLock { $0 = .answers }
        try await eventually("the first that goes well again") { told.count > heard }
        watching.cancel()
        #expect(said.count == 1)
    }

    /// Counts what is logged.
    private struct Recorder: LogHandler {
        let said: Told
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.info

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) { said.hear() }
    }

    private final class Told: Sendable {
        private let times = Mutex(0)
        var count: Int { times.withLock { $0 } }
        func hear() { times.withLock { $0 += 1 } }
    }

    private final class Part: Sendable {
        enum Mode { case answers, refuses, silent }

        let mode = Mutex(Mode.answers)
        private let times = Mutex(0)
        var asked: Int { times.withLock { $0 } }

        func answer() async -> Bool {
            times.withLock { $0 += 1 }
            switch mode.withLock({ $0 }) {
            case .answers: return true
            case .refuses: return false
            case .silent:
                // Nobody waits for it any more, and nobody ends it before the test is over.
                try? await Task.sleep(for: .seconds(60))
                return true
            }
        }
    }
}
