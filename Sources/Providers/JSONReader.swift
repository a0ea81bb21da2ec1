import Domain

/// A JSON text that is read in place, once, from front to back: whoever reads asks for the members it knows, and everything else is
/// only checked to be JSON. Nothing is copied but the strings that are asked for.
///
/// Source: RFC 8259. Of a member given twice the last counts. The bytes must be UTF-8 and stay where they are while they are read.
struct JSONReader {
    /// As deep as JSONDecoder goes; the reader's own stack would not mind ten times that.
    static let depthLimit = 512

    private let bytes: UnsafeRawBufferPointer
    private var position = 0
    private var depth = 0

    private init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    /// Reads one value with `read`; nothing but space may come after it.
    ///
    /// - Throws: whether the text is JSON at all comes before how it is shaped.
    static func read<Value>(
        _ bytes: UnsafeRawBufferPointer, _ read: (inout JSONReader) throws(JSONTrouble) -> Value
    ) throws(JSONTrouble) -> Value {
        do {
            return try readOnce(bytes, read)
        } catch {
            if error.kind != .notJSON { try readOnce(bytes) { (reader) throws(JSONTrouble) in try reader.skip() } }
            throw error
        }
    }

    private static func readOnce<Value>(
        _ bytes: UnsafeRawBufferPointer, _ read: (inout JSONReader) throws(JSONTrouble) -> Value
    ) throws(JSONTrouble) -> Value {
        var reader = JSONReader(bytes)
        reader.skipSpace()
        let value = try read(&reader)
        reader.skipSpace()
        guard reader.position == bytes.count else { throw .notJSON }
        return value
    }

    // MARK: What is asked for

    /// A member's name as it stands in the text, between its quotes.
    struct Name {
        fileprivate let bytes: UnsafeRawBufferPointer
        fileprivate let hasEscapes: Bool

        static func ~= (known: StaticString, name: Name) -> Bool {
            guard name.hasEscapes else {
                return name.bytes.count == known.utf8CodeUnitCount
                    && name.bytes.elementsEqual(UnsafeRawBufferPointer(start: known.utf8Start, count: known.utf8CodeUnitCount))
            }
            return JSONReader.text(of: name.bytes, hasEscapes: true) == known.description
        }

        fileprivate var text: String { JSONReader.text(of: bytes, hasEscapes: hasEscapes) ?? "" }
    }

    /// Reads an object; `member` is called with each name and reads the value or leaves it.
    mutating func object(_ member: (inout JSONReader, Name) throws(JSONTrouble) -> Void) throws(JSONTrouble) {
        guard peek == UInt8(ascii: "{") else { throw try unexpected() }
        try enter()
        guard peek != UInt8(ascii: "}") else { return leave() }
        while true {
            let name = try name()
            let start = position
            do {
                try member(&self, name)
            } catch {
                throw error.inside("." + name.text)
            }
            if position == start { try skip() }
            guard try goesOn(until: UInt8(ascii: "}")) else { return }
        }
    }

    /// The string that one member of an object holds; nil where it is `null`, or there is none of that name.
    mutating func stringMember(_ wanted: StaticString) throws(JSONTrouble) -> String? {
        var text: String?
        try object { (reader, name) throws(JSONTrouble) in
            if wanted ~= name { text = try reader.optionalString() }
        }
        return text
    }

    /// Reads an array; `element` is called once for each value and reads it.
    mutating func array(_ element: (inout JSONReader) throws(JSONTrouble) -> Void) throws(JSONTrouble) {
        guard peek == UInt8(ascii: "[") else { throw try unexpected() }
        try enter()
        guard peek != UInt8(ascii: "]") else { return leave() }
        var index = 0
        while true {
            do {
                try element(&self)
            } catch {
                throw error.inside("[\(index)]")
            }
            guard try goesOn(until: UInt8(ascii: "]")) else { return }
            index += 1
        }
    }

    /// What `read` reads; nil for `null`.
    mutating func optional<Value>(_ read: (inout JSONReader) throws(JSONTrouble) -> Value) throws(JSONTrouble) -> Value? {
        guard peek == UInt8(ascii: "n") else { return try read(&self) }
        try literal("null")
        return nil
    }

    mutating func string() throws(JSONTrouble) -> String {
        guard peek == UInt8(ascii: "\"") else { throw try unexpected() }
        let (content, hasEscapes) = try quoted()
        guard let text = Self.text(of: content, hasEscapes: hasEscapes) else { throw .notJSON }
        return text
    }

    /// nil for `null`.
    mutating func optionalString() throws(JSONTrouble) -> String? {
        try optional { (reader) throws(JSONTrouble) in try reader.string() }
    }

    /// nil for a value of any other type.
    mutating func stringIfAny() throws(JSONTrouble) -> String? {
        guard peek == UInt8(ascii: "\"") else {
            try skip()
            return nil
        }
        return try string()
    }

    /// nil for a value of any other type, and for numbers that are no `Int`.
    mutating func integerIfAny() throws(JSONTrouble) -> Int? {
        let start = position
        try skip()
        return Int(String(decoding: bytes[start..<position], as: UTF8.self))
    }

    /// false for a value of any other type.
    mutating func trueIfAny() throws(JSONTrouble) -> Bool {
        let isTrue = peek == UInt8(ascii: "t")
        try skip()
        return isTrue
    }

    /// Reads over one value of any type.
    mutating func skip() throws(JSONTrouble) {
        switch peek {
        case UInt8(ascii: "\""): _ = try quoted()
        case UInt8(ascii: "{"): try skipAll(until: UInt8(ascii: "}"), named: true)
        case UInt8(ascii: "["): try skipAll(until: UInt8(ascii: "]"), named: false)
        case UInt8(ascii: "t"): try literal("true")
        case UInt8(ascii: "f"): try literal("false")
        case UInt8(ascii: "n"): try literal("null")
        default: try number()
        }
    }

    /// The inside of an object or array that nobody asks for, which is what most of a body is.
    private mutating func skipAll(until end: UInt8, named: Bool) throws(JSONTrouble) {
        try enter()
        guard peek != end else { return leave() }
        repeat {
            if named { _ = try name() }
            try skip()
        } while try goesOn(until: end)
    }

    // MARK: The grammar

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    /// A value of another type than was asked for: misshaped if it is JSON.
    private mutating func unexpected() throws(JSONTrouble) -> JSONTrouble {
        let isNull = peek == UInt8(ascii: "n")
        try skip()
        return isNull ? .null() : .wrongType()
    }

    private mutating func enter() throws(JSONTrouble) {
        depth += 1
        guard depth <= Self.depthLimit else { throw .notJSON }
        position += 1
        skipSpace()
    }

    private mutating func leave() {
        depth -= 1
        position += 1
    }

    private mutating func goesOn(until end: UInt8) throws(JSONTrouble) -> Bool {
        skipSpace()
        switch peek {
        case UInt8(ascii: ","):
            position += 1
            skipSpace()
            return true
        case end:
            leave()
            return false
        default:
            throw .notJSON
        }
    }

    private mutating func name() throws(JSONTrouble) -> Name {
        guard peek == UInt8(ascii: "\"") else { throw .notJSON }
        let (content, hasEscapes) = try quoted()
        skipSpace()
        guard peek == UInt8(ascii: ":") else { throw .notJSON }
        position += 1
        skipSpace()
        return Name(bytes: content, hasEscapes: hasEscapes)
    }

    private mutating func quoted() throws(JSONTrouble) -> (content: UnsafeRawBufferPointer, hasEscapes: Bool) {
        position += 1
        let start = position
        var hasEscapes = false
        while true {
            skipPlain()
            guard let byte = peek else { throw .notJSON }
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return (UnsafeRawBufferPointer(rebasing: bytes[start..<position - 1]), hasEscapes)
            case UInt8(ascii: "\\"):
                hasEscapes = true
                try escape()
            default: throw .notJSON
            }
        }
    }

    /// Stops at a quotation mark, a backslash or a control character. Nearly all of a body is read here, so it goes by words of eight bytes
    /// as long as none of them holds one of these.
    private mutating func skipPlain() {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        // Has a high bit set exactly where a byte is below `limit`, up to the first such byte (Warren, "Hacker's Delight", 6-1).
        func below(_ limit: UInt64, _ word: UInt64) -> UInt64 { (word &- ones &* limit) & ~word & highs }
        while position + 8 <= bytes.count {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
            let quotes = below(1, word ^ (ones &* UInt64(UInt8(ascii: "\""))))
            let backslashes = below(1, word ^ (ones &* UInt64(UInt8(ascii: "\\"))))
            let found = quotes | backslashes | below(0x20, word)
            guard found == 0 else { return position += found.trailingZeroBitCount / 8 }
            position += 8
        }
        while let byte = peek, byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") { position += 1 }
    }

    private mutating func escape() throws(JSONTrouble) {
        switch peek {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
            UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 1
        case UInt8(ascii: "u"):
            guard position + 5 <= bytes.count, Self.codeUnit(bytes[position + 1..<position + 5]) != nil else { throw .notJSON }
            position += 5
        default:
            throw .notJSON
        }
    }

    private mutating func number() throws(JSONTrouble) {
        if peek == UInt8(ascii: "-") { position += 1 }
        if peek == UInt8(ascii: "0") {
            position += 1
        } else {
            try digits()
        }
        if peek == UInt8(ascii: ".") {
            position += 1
            try digits()
        }
        if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
            position += 1
            if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { position += 1 }
            try digits()
        }
    }

    private mutating func digits() throws(JSONTrouble) {
        let start = position
        while let byte = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
        guard position > start else { throw .notJSON }
    }

    private mutating func literal(_ word: StaticString) throws(JSONTrouble) {
        let count = word.utf8CodeUnitCount
        guard position + count <= bytes.count,
            bytes[position..<position + count].elementsEqual(UnsafeRawBufferPointer(start: word.utf8Start, count: count))
        else { throw .notJSON }
        position += count
    }

    // Between any two things, and nearly always there is none.
    @inline(__always)
    private mutating func skipSpace() {
        if position < bytes.count, bytes[position] <= 0x20 { skipSpaces() }
    }

    private mutating func skipSpaces() {
        while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    // MARK: Strings

    /// nil when an escape is half of a surrogate pair only.
    private static func text(of content: UnsafeRawBufferPointer, hasEscapes: Bool) -> String? {
        guard hasEscapes else { return String(decoding: content, as: UTF8.self) }
        var units: [UInt16] = []
        var rest = content[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\"), let kind = rest.popFirst() else {
                // Up to the next escape.
                let plain = content[(rest.startIndex - 1)..<(rest.firstIndex(of: UInt8(ascii: "\\")) ?? rest.endIndex)]
                units += String(decoding: plain, as: UTF8.self).utf16
                rest = rest[plain.endIndex...]
                continue
            }
            switch kind {
            case UInt8(ascii: "b"): units.append(0x08)
            case UInt8(ascii: "f"): units.append(0x0C)
            case UInt8(ascii: "n"): units.append(0x0A)
            case UInt8(ascii: "r"): units.append(0x0D)
            case UInt8(ascii: "t"): units.append(0x09)
            case UInt8(ascii: "u"):
                units.append(codeUnit(rest.prefix(4)) ?? 0)
                rest = rest.dropFirst(4)
            default: units.append(UInt16(kind))
            }
        }
        return String(validating: units, as: UTF16.self)
    }

    /// Of four hexadecimal digits; nil for anything else.
    private static func codeUnit(_ digits: Slice<UnsafeRawBufferPointer>) -> UInt16? {
        Hexadecimal.bytes(of: String(decoding: digits, as: UTF8.self)).map { $0.reduce(0) { $0 << 8 | UInt16($1) } }
    }
}

/// Why a JSON text could not be read: it is none, or not shaped as was asked.
struct JSONTrouble: Error, Equatable {
    enum Kind: Equatable {
        case notJSON, missing, null, wrongType
    }

    let kind: Kind
    /// Where: `.repository.links[0]`.
    private(set) var path: String

    static let notJSON = JSONTrouble(kind: .notJSON, path: "")
    static func missing(_ member: String) -> JSONTrouble { JSONTrouble(kind: .missing, path: "." + member) }
    static func null() -> JSONTrouble { JSONTrouble(kind: .null, path: "") }
    static func wrongType() -> JSONTrouble { JSONTrouble(kind: .wrongType, path: "") }

    fileprivate func inside(_ place: String) -> JSONTrouble {
        JSONTrouble(kind: kind, path: place + path)
    }
}
