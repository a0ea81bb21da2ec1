import Domain
import Storage
import Synchronization
import Systemd

/// Keeps the service manager's STATUS true: a new sentence when something starts, ends or waits, at most one a second.
actor StatusBoard {
    /// Between two sentences. People read them, and a storm of pushes is not to be slowed by what nobody can follow.
    private static let pause: Duration = .seconds(1)

    private let ledger: Ledger
    private let notifier: Notifier
    private let clock: WallClock
    private var sentence = StatusSentence(running: [], queued: 0, isStopping: false)
    /// What the service manager shows now.
    private var told = ""
    /// When the next sentence may be said.
    private var earliest = ContinuousClock.now
    private let isDue = Atomic(false)

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
        changed()
    }

    func ended(app: String) {
        sentence.running.removeAll { $0.app == app }
        changed()
    }

    /// - Parameter reason: nil: they do not.
    func jobsWait(because reason: String?) {
        guard sentence.shortage != reason else { return }
        sentence.shortage = reason
        changed()
    }

    /// Something of what the sentence says may be different: what is on the board already, or how many jobs wait.
    ///
    /// Costs next to nothing while a sentence is on its way, and may be called from anywhere.
    nonisolated func changed() {
        let isFirst = isDue.exchange(true, ordering: .sequentiallyConsistent) == false
        if isFirst { Task { await tellInTime() } }
    }

    private func tellInTime() async {
        try? await Task.sleep(until: earliest)  // nobody cancels it
        // What changes from here on is not counted yet.
        isDue.store(false, ordering: .sequentiallyConsistent)
        if !sentence.isStopping { await countAndTell() }
    }

    private func countAndTell() async {
        earliest = .now + Self.pause
        // A ledger that cannot be read is reported by whoever needs it; the number stays as it was.
        if let counts = try? await ledger.queueCounts() { sentence.queued = counts.queued }
        tell()
    }

    /// - Parameter drain: how long what runs may go on; the service manager is asked for that time and the teardown after it.
    func stopping(within drain: Duration) async {
        sentence.isStopping = true
        if !sentence.running.isEmpty {
            notifier.extendTimeout(microseconds: UInt64(max(0, drain.wholeMilliseconds)) * 1000 + 20_000_000)
        }
        await countAndTell()
    }

    /// Says nothing twice: a thousand pushes that supersede each other leave the queue as long as it was.
    private func tell() {
        let text = text
        guard text != told else { return }
        told = text
        notifier.status(text)
    }
}
