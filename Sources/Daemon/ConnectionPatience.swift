import NIOCore

/// How long a connection may take: a request must arrive whole in time, however slowly its bytes drip in, and between two requests there
/// may be so much silence.
///
/// ```
///  opened
///    │
///    ▼          end of a request that is answered already
///  receiving ───────────────────────────────────────────────▶ silent
///    ▲  │ awaitsAnswer                                          │ ▲
///    │  └──────────────▶ answering ───────── ended ─────────────┼─┘
///    └──────────────────────────── began ───────────────────────┘
/// ```
struct ConnectionPatience {
    enum Verdict: Equatable {
        /// Close it.
        case isOver
        /// Look again at this moment, before which it cannot be over.
        case lasts(until: NIODeadline)
    }

    private enum Phase { case receiving, answering, silent }

    private let request: TimeAmount
    private let idle: TimeAmount
    private var phase = Phase.receiving
    /// When the phase began.
    private var since: NIODeadline

    /// - Parameters:
    ///   - request: how long one may take; the clock runs from the opening, later from the first byte of each further request.
    ///   - idle: how long the silence between two may last.
    init(request: TimeAmount, idle: TimeAmount, openedAt now: NIODeadline) {
        self.request = request
        self.idle = idle
        since = now
    }

    /// Bytes of a request came.
    mutating func began(at now: NIODeadline) {
        guard phase == .silent else { return }
        phase = .receiving
        since = now
    }

    /// It came whole. What follows is our own time.
    mutating func awaitsAnswer() {
        phase = .answering
    }

    /// It came whole and has its answer.
    mutating func ended(at now: NIODeadline) {
        phase = .silent
        since = now
    }

    /// To be asked again when it says, and not with every request: a timer each would cost more than reading it.
    func judge(at now: NIODeadline) -> Verdict {
        switch phase {
        case .receiving: now >= since + request ? .isOver : .lasts(until: since + request)
        case .answering: .lasts(until: now + request)
        // A request that begins meanwhile must not get more time than any other.
        case .silent: now >= since + idle ? .isOver : .lasts(until: min(since + idle, now + request))
        }
    }
}
