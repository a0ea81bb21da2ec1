import CSystemd
import Glibc
import Logging

/// One native journal entry: a list of fields, each the bytes `NAME=value` (systemd.journal-fields(7)).
///
/// Fields travel with their lengths, so a value may hold anything, newlines and zeros too, without becoming another field or
/// another priority.
struct JournalEntry: Sendable {
    /// All fields, one after the other; `ends` says where each stops.
    private var bytes: [UInt8] = []
    private var ends: [Int] = []

    /// `MESSAGE`, `PRIORITY` and `SYSLOG_IDENTIFIER`, then one field per entry of `metadata` that has a value and a usable name.
    init(level: Logger.Level, message: String, metadata: Logger.Metadata) {
        self.init(level: level, metadata: metadata)
        append("MESSAGE", message.utf8)
    }

    /// The same without `MESSAGE`, for entries that differ in nothing else.
    init(level: Logger.Level, metadata: Logger.Metadata) {
        append("PRIORITY", Self.priority(of: level).utf8)
        append("SYSLOG_IDENTIFIER", "bittern".utf8)
        for (key, value) in metadata {
            let text = value.description
            guard !text.isEmpty, let name = Self.fieldName(for: key) else { continue }
            if name == "MESSAGE_ID", !EventID.isWellFormed(text) { continue }
            append(name, text.utf8)
        }
    }

    /// This entry with what it says, byte for byte.
    func saying(_ message: [UInt8]) -> JournalEntry {
        var entry = self
        entry.append("MESSAGE", message)
        return entry
    }

    /// The fields as they are sent.
    var fields: [[UInt8]] {
        zip([0] + ends, ends).map { start, end in Array(bytes[start..<end]) }
    }

    /// The syslog(3) number for `level`. The journal knows nothing below debug, so trace is debug.
    static func priority(of level: Logger.Level) -> String {
        switch level {
        case .trace, .debug: "7"
        case .info: "6"
        case .notice: "5"
        case .warning: "4"
        case .error: "3"
        case .critical: "2"
        }
    }

    /// The field for a metadata key: `app` is `BITTERN_APP`, `hb.request.id` is `BITTERN_HB_REQUEST_ID`, and `message_id` alone
    /// is a field of the journal's own. Nil when no valid name can be made: journald takes capital letters, digits and
    /// underscores, 64 at most, and would silently drop a field with any other.
    static func fieldName(for key: String) -> String? {
        if key == EventID.metadataKey { return "MESSAGE_ID" }
        var name = Array("BITTERN_".utf8)
        for byte in key.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"): name.append(byte - 0x20)
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): name.append(byte)
            case UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."): name.append(UInt8(ascii: "_"))
            default: return nil
            }
        }
        return key.isEmpty || name.count > 64 ? nil : String(decoding: name, as: UTF8.self)
    }

    /// Hands the entry to journald with sd_journal_sendv(3), which waits while journald is behind. Says whether it was taken;
    /// libsystemd counts it as taken, too, when there is no journald at all.
    func send() -> Bool {
        bytes.withUnsafeBytes { all in
            let vectors = zip([0] + ends, ends).map { start, end in
                // iovec is also for reading, hence its mutable pointer; sendmsg(2) only reads.
                iovec(iov_base: UnsafeMutableRawPointer(mutating: all[start...].rebased.baseAddress), iov_len: end - start)
            }
            return sd_journal_sendv(vectors, CInt(vectors.count)) >= 0
        }
    }

    private mutating func append(_ name: String, _ value: some Collection<UInt8>) {
        bytes += name.utf8
        bytes.append(UInt8(ascii: "="))
        bytes += value
        ends.append(bytes.count)
    }
}

extension Slice<UnsafeRawBufferPointer> {
    fileprivate var rebased: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: self) }
}
