import Domain
import Storage

/// Whether the daemon can do its work, looked at when somebody asks and at most once a second.
actor HealthCheck {
    private static let validity: Duration = .seconds(1)

    private let ledger: Ledger
    private let clock: WallClock
    private var last: (at: Timestamp, well: Bool)?

    init(ledger: Ledger, clock: WallClock) {
        self.ledger = ledger
        self.clock = clock
    }

    var isWell: Bool {
        get async {
            let now = clock.now
            if let last, now.since(last.at) < Self.validity, now >= last.at { return last.well }
            let well = await ledger.answers()
            last = (at: now, well: well)
            return well
        }
    }
}
