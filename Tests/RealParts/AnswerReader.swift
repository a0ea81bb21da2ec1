/// Cuts HTTP/1.1 answers out of the bytes of a connection.
struct AnswerReader {
    /// Bytes that no answer has used yet.
    private(set) var rest: [UInt8]

    init(bytes: [UInt8]) { rest = bytes }

    mutating func append(_ bytes: [UInt8]) { rest += bytes }

    /// The next answer, when it is whole. An answer without a length is whole at the end of the connection.
    mutating func next(atEnd: Bool) throws -> Answer? {
        guard let end = Self.index(of: [13, 10, 13, 10], in: rest[...]) else { return nil }
        let lines = String(decoding: rest[..<end], as: UTF8.self).split(separator: "\r\n")
        let words = (lines.first ?? "").split(separator: " ", maxSplits: 2)
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
            throw NotHTTP(received: String(decoding: rest, as: UTF8.self))
        }
        let headers = Self.headers(lines.dropFirst())
        let start = end + 4
        if (100..<200).contains(status) {
            rest.removeFirst(start)
            return try next(atEnd: atEnd)
        }
        guard let (body, used) = body(after: start, status: status, headers: headers, atEnd: atEnd) else { return nil }
        rest.removeFirst(used)
        return Answer(status: status, headers: headers, body: body)
    }

    private static func headers(_ lines: ArraySlice<Substring>) -> [String: String] {
        lines.reduce(into: [:]) { headers, line in
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { return }
            headers[parts[0].lowercased()] = String(parts[1].drop(while: { $0 == " " }))
        }
    }

    /// The body and the index behind it, or nil where some of it is missing.
    private func body(after start: Int, status: Int, headers: [String: String], atEnd: Bool) -> ([UInt8], Int)? {
        if status == 204 || status == 304 { return ([], start) }
        if headers["transfer-encoding"]?.lowercased() == "chunked" { return chunks(after: start) }
        if let length = headers["content-length"].flatMap({ Int($0) }) {
            return rest.count - start < length ? nil : (Array(rest[start..<(start + length)]), start + length)
        }
        return atEnd ? (Array(rest[start...]), rest.count) : nil
    }

    private func chunks(after start: Int) -> ([UInt8], Int)? {
        var body: [UInt8] = []
        var index = start
        while let end = Self.index(of: [13, 10], in: rest[index...]) {
            let line = String(decoding: rest[index..<end], as: UTF8.self)
            guard let size = Int(line.prefix(while: { $0.isHexDigit }), radix: 16), rest.count >= end + 2 + size + 2 else { return nil }
            if size == 0 { return (body, end + 4) }
            body += rest[(end + 2)..<(end + 2 + size)]
            index = end + 2 + size + 2
        }
        return nil
    }

    private static func index(of pattern: [UInt8], in bytes: ArraySlice<UInt8>) -> Int? {
        guard bytes.count >= pattern.count else { return nil }
        return (bytes.startIndex...(bytes.endIndex - pattern.count)).first { bytes[$0..<($0 + pattern.count)].elementsEqual(pattern) }
    }
}

/// The server does not speak HTTP/1.
package struct NotHTTP: Error {
    /// What it sent.
    package let received: String
}
