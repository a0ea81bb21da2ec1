import Domain
import ServiceLifecycle
import Systemd

/// Tells the service manager that the daemon is alive, each time after a look at those parts without which it would only seem to be.
///
/// A part that does not answer in time is said once, and nothing is told until it answers again: then the manager starts the daemon
/// anew (`WatchdogSec=`). A full disk is no reason for that: the ledger is asked whether its writer answers, not whether it can write.
struct Watchdog: Service {
    /// A part of the daemon that can stand still while others go on.
    struct Part: Sendable {
        /// For people: "the ledger".
        let name: String
        /// False: it answered that it cannot work.
        let answers: @Sendable () async -> Bool
    }

    /// Of the service manager's.
    let interval: Duration
    let parts: [Part]
    let notifier: Notifier
    let reporter: Reporter

    func run() async throws {
        await cancelWhenGracefulShutdown { await watch() }
    }

    /// Looks twice in each interval, so that one look that comes late is no reason for a restart.
    private func watch() async {
        var silent: Set<String> = []
        while !Task.isCancelled {
            let began = ContinuousClock.now
            let now = await look()
            for name in now.subtracting(silent).sorted() { reporter.partIsSilent(name) }
            silent = now
            if silent.isEmpty { notifier.watchdog() }
            try? await Task.sleep(until: began + interval / 2)  // cancelled: the daemon stops
        }
    }

    /// The parts that did not answer within a quarter of the interval.
    private func look() async -> Set<String> {
        let patience = interval / 4
        return await withTaskGroup(of: String?.self) { looks in
            for part in parts {
                looks.addTask { await Self.answers(part, within: patience) ? nil : part.name }
            }
            return await looks.reduce(into: []) { silent, name in if let name { silent.insert(name) } }
        }
    }

    /// Leaves a question alone that is not answered in time: a part that stands still hears of no cancellation.
    private static func answers(_ part: Part, within patience: Duration) async -> Bool {
        let (answers, answer) = AsyncStream.makeStream(of: Bool.self, bufferingPolicy: .bufferingOldest(1))
        Task { answer.yield(await part.answers()) }
        let limit = Task {
            try? await Task.sleep(for: patience)  // cancelled: it answered
            answer.yield(false)
        }
        defer { limit.cancel() }
        for await answer in answers { return answer }
        return false
    }
}
