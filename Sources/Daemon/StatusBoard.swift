import Domain
import Storage
import Systemd

/// Keeps the service manager's STATUS true: a new sentence whenever something starts, ends or waits.
actor StatusBoard {
    private let ledger: Ledger
    private let notifier: Notifier
    private let clock: WallClock
    private var sentence = StatusSentence(running: [], queued: 0, isStopping: false)

    init(ledger: Ledger, notifier: Notifier, clock: WallClock) {
        self.ledger = ledger
        self.notifier = notifier
        self.clock = clock
    }

    /// What the service manager is told together with READY.
    var text: String { sentence.text(at: clock.now) }

    func stepStarted(_ running: StatusSentence.Running) {
        sentence.running.removeAll { $0.app == running.app }
        sentence.running.append(running)
        tell()
    }

    func ended(app: String) async {
        sentence.running.removeAll { $0.app == app }
        await queueChanged()
    }

    func queueChanged() async {
        // A ledger that cannot be read is reported by whoever needs it; the number stays as it was.
        if let counts = try? await ledger.queueCounts() { sentence.queued = counts.queued }
        tell()
    }

    func stopping() {
        sentence.isStopping = true
        tell()
    }

    private func tell() {
        notifier.status(text)
    }
}
