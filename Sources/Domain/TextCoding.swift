/// A value with a text that says all of it, coded as that text and checked when it is read.
protocol TextCodable: Codable {
    init?(coded text: String)
    var codedText: String { get }
}

extension TextCodable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let value = Self(coded: try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "no \(Self.self)")
        }
        self = value
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(codedText)
    }
}

extension CommitID: TextCodable {
    init?(coded text: String) { self.init(text) }
    var codedText: String { hex }
}

extension RefName: TextCodable {
    init?(coded text: String) { self.init(full: text) }
    var codedText: String { full }
}

extension Glob: TextCodable {
    init?(coded text: String) { self.init(text) }
    var codedText: String { pattern }
}

extension RepositoryName: TextCodable {
    init?(coded text: String) { self.init(text) }
    var codedText: String { description }
}
