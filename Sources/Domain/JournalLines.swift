/// What the journal gets of a step's output: its lines, as many of them as the journal is to bear. A pure value: feed bytes that are
/// masked already, get entries.
///
/// - A carriage return begins a line anew, so of a progress bar comes what it showed last.
/// - Lines without anything to see are passed over, as journald itself does with those of a service's standard output.
/// - Of a line longer than ``longestLine`` comes the beginning.
/// - When lines come faster than ``LineAllowance`` has it, one entry says how many were left out. The log file has them all.
package struct JournalLines: Sendable {
    package enum Entry: Sendable, Equatable {
        /// A line without its line end.
        case line([UInt8])
        case leftOut(Int)
    }

    /// In bytes; journald's own measure for a line of standard output (`LineMax=`, journald.conf(5)).
    package static let longestLine = 48 << 10

    private var allowance = LineAllowance()
    private var leftOut = 0
    /// The line that has not ended yet.
    private var line = UnfinishedLine()

    package init() {}

    /// - Parameter elapsed: since the step began.
    package mutating func take(_ bytes: some Collection<UInt8>, elapsed: Duration) -> [Entry] {
        let entries = bytes.withContiguousStorageIfAvailable { take($0, elapsed) }
        return entries ?? Array(bytes).withUnsafeBufferPointer { take($0, elapsed) }
    }

    /// The end of the output, and with it of its last line.
    package mutating func finish(elapsed: Duration) -> [Entry] {
        allowance.refill(elapsed)
        var entries: [Entry] = []
        endLine(&entries)
        sayLeftOut(&entries)
        return entries
    }

    /// These, the last that were returned, could not be brought to the journal.
    package mutating func notTaken(_ entries: some Collection<Entry>) {
        guard !entries.isEmpty else { return }
        for entry in entries {
            switch entry {
            case .line: leftOut += 1
            case .leftOut(let count): leftOut += count
            }
        }
        allowance.exhaust()
    }

    private mutating func take(_ bytes: UnsafeBufferPointer<UInt8>, _ elapsed: Duration) -> [Entry] {
        allowance.refill(elapsed)
        var entries: [Entry] = []
        var start = 0
        for index in bytes.indices where bytes[index] == 0x0A {
            if allowance.isOpen || !line.isEmpty {
                line.append(bytes[start..<index])
                endLine(&entries)
            } else if bytes[start..<index].contains(where: UnfinishedLine.isVisible) {
                // Of what is left out nothing but the number is needed.
                leftOut += 1
            }
            start = index + 1
        }
        line.append(bytes[start...])
        return entries
    }

    private mutating func endLine(_ entries: inout [Entry]) {
        let text = line.end()
        guard text.contains(where: UnfinishedLine.isVisible) else { return }
        guard allowance.isOpen else { return leftOut += 1 }
        sayLeftOut(&entries)
        entries.append(.line(text))
        allowance.spend()
    }

    private mutating func sayLeftOut(_ entries: inout [Entry]) {
        guard leftOut > 0 else { return }
        entries.append(.leftOut(leftOut))
        allowance.spend()
        leftOut = 0
    }
}

extension JournalLines.Entry {
    /// What the journal says.
    package var message: [UInt8] {
        switch self {
        case .line(let bytes): bytes
        case .leftOut(let count):
            Array("bittern: \(count) line\(count == 1 ? "" : "s") of output left out here, which the step's log has".utf8)
        }
    }
}

/// The beginning of a line of output, as it would be seen on a terminal.
private struct UnfinishedLine: Sendable {
    private static let carriageReturn: UInt8 = 0x0D

    private var bytes: [UInt8] = []
    private var isCut = false
    /// What comes next begins the line anew.
    private var returned = false

    var isEmpty: Bool { bytes.isEmpty }

    static func isVisible(_ byte: UInt8) -> Bool { byte > 0x20 }

    mutating func append(_ piece: Slice<UnsafeBufferPointer<UInt8>>) {
        guard let last = piece.lastIndex(where: { $0 != Self.carriageReturn }) else {
            if !piece.isEmpty { returned = true }
            return
        }
        let text = piece[...last]
        let anew = text.lastIndex(of: Self.carriageReturn).map { $0 + 1 }
        if returned || anew != nil { self = UnfinishedLine() }
        let shown = text[(anew ?? text.startIndex)...]
        let kept = shown.prefix(JournalLines.longestLine - bytes.count)
        bytes += kept
        isCut = isCut || kept.count < shown.count
        returned = last + 1 < piece.endIndex
    }

    /// The line, and a new one begins.
    mutating func end() -> [UInt8] {
        defer { self = UnfinishedLine() }
        guard isCut else { return bytes }
        // Not in the middle of a character, of which none has more than four bytes.
        for _ in 0..<4 { if let last = bytes.popLast(), last & 0xC0 != 0x80 { break } }
        return bytes + Array("…".utf8)
    }
}

/// How many lines may pass: a bucket of tokens, of which each line takes one.
///
/// Once it is empty it stays closed until a second's worth has come together. So a flood is shown in stretches with a gap between
/// them, and not as every tenth line with a remark after each.
package struct LineAllowance: Sendable {
    package static let perSecond = 2000
    package static let burst = 10_000

    package private(set) var isOpen = true
    private var tokens = burst
    /// Up to when tokens were given.
    private var given = Duration.zero
    private static let interval = Duration.seconds(1) / perSecond

    package init() {}

    package mutating func refill(_ elapsed: Duration) {
        let earned = Int((elapsed - given) / Self.interval)
        guard earned > 0 else { return }
        given += Self.interval * earned
        tokens = min(Self.burst, tokens + earned)
        if tokens >= Self.perSecond { isOpen = true }
    }

    package mutating func spend() {
        tokens -= 1
        if tokens <= 0 { isOpen = false }
    }

    package mutating func exhaust() {
        (tokens, isOpen) = (0, false)
    }
}
