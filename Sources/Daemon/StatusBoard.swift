import Domain
import Storage
import Systemd

/// Keeps the service manager's STATUS true: a new sentence whenever something starts, ends or waits.
actor StatusBoard {
    private let ledger: Ledger
    private let notifier: Notifier
    private let clock: WallClock
    private var sentence = StatusSentence(running: [], queued: 0, isStopping: false)
    /// What the service manager shows now.
    private var told = ""

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

    /// - Parameter drain: how long what runs may go on; the service manager is asked for that time and the teardown after it.
    func stopping(within drain: Duration) {
        sentence.isStopping = true
        if !sentence.running.isEmpty {
            notifier.extendTimeout(microseconds: UInt64(max(0, drain.wholeMilliseconds)) * 1000 + 20_000_000)
        }
        tell()
    }

    /// Says nothing twice: a thousand pushes that supersede each other leave the queue as long as it was.
    private func tell() {
        let text = text
        guard text != told else { return }
        told = text
        notifier.status(text)
    }
}
