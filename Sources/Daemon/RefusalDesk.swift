import Domain
import HTTPTypes
import Storage
import Synchronization

/// Notes refused deliveries and pings: some of them in the journal at once, all of the newest in the ledger a moment later, so that
/// a flood of rubbish costs neither an fsync nor a line each.
final class RefusalDesk: Sendable {
    /// How long what was refused may wait for company before it is written.
    private static let patience: Duration = .seconds(1)

    private let ledger: Ledger
    private let reporter: Reporter
    private let notes = Mutex(Notes())

    private struct Notes {
        var ring = RefusalRing()
        var limiter = RefusalLimiter()
        var flush: Task<Void, Never>?
    }

    init(ledger: Ledger, reporter: Reporter) {
        self.ledger = ledger
        self.reporter = reporter
    }

    func refuse(_ refusal: Refusal, _ request: HookRequest, account: String?, at now: Timestamp) {
        note(request, account: account, status: refusal.status.code, reason: refusal.sentence, at: now)
        guard let leftOut = notes.withLock({ $0.limiter.allowance(for: request.remoteAddress, at: now) }) else { return }
        reporter.refused(
            status: refusal.status.code, sentence: refusal.sentence, account: account, remote: request.remoteAddress, leftOut: leftOut)
    }

    /// A connection test.
    func ping(_ request: HookRequest, account: String, at now: Timestamp) {
        note(request, account: account, status: 200, reason: "connection test", at: now)
    }

    /// Writes down what waits; called once more when the daemon stops.
    func writeDown() async {
        let waiting = notes.withLock { notes in
            notes.flush = nil
            return notes.ring.drain()
        }
        guard !waiting.isEmpty else { return }
        do {
            try await ledger.record(waiting)
        } catch {
            // They are kept to be looked at, nothing depends on them; the ledger's own trouble is reported where it hurts.
            reporter.refusalsNotKept("\(error)")
        }
    }

    private func note(_ request: HookRequest, account: String?, status: Int, reason: String, at now: Timestamp) {
        reporter.answeredWithoutStoring(status)
        let refused = RefusedDelivery(
            account: account, event: request.headers["X-Event-Key"].map { SafeText.shown($0, limit: 100) },
            requestID: (request.headers["X-Request-UUID"] ?? request.headers["X-Request-Id"]).map { SafeText.shown($0, limit: 100) },
            remoteAddress: request.remoteAddress, receivedAt: now, answer: status, reason: reason,
            headers: request.headers.shown)
        notes.withLock { notes in
            notes.ring.add(refused)
            guard notes.flush == nil else { return }
            notes.flush = Task {
                try? await Task.sleep(for: Self.patience)  // cancelled: write at once
                await writeDown()
            }
        }
    }
}
