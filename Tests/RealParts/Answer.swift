import Foundation

/// An HTTP answer, and what Bittern says in it.
package struct Answer: Sendable, CustomStringConvertible {
    /// As 202.
    package let status: Int
    /// By name in lower case; of a name that came twice, the last.
    package let headers: [String: String]
    /// The raw body.
    package let body: [UInt8]

    /// What a delivery meant for one app.
    package struct Result: Sendable, Equatable, Decodable {
        package let app: String?
        package let ref: String?
        package let commit: String?
        package let verdict: String
        package let job: Int?
        package let reason: String?
    }

    /// The JSON of an answer of the hooks listener: the first three of a 2xx, `error` of all others.
    package struct Content: Sendable, Equatable, Decodable {
        package let delivery: String?
        package let duplicateOf: String?
        package let results: [Result]?
        package let error: String?

        private enum CodingKeys: String, CodingKey {
            case delivery, results, error
            case duplicateOf = "duplicate_of"
        }
    }

    /// The body as text.
    package var text: String { String(decoding: body, as: UTF8.self) }

    /// The body read strictly; throws where it is not JSON of that shape.
    package func content() throws -> Content { try decode(Content.self) }

    /// The body as any JSON type.
    package func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try JSONDecoder().decode(type, from: Data(body))
    }

    /// The delivery's id; nil where the body has none. ``content()`` tells why.
    package var delivery: String? { lenient?.delivery }
    /// The delivery this one repeats.
    package var duplicateOf: String? { lenient?.duplicateOf }
    /// One result per change and app; none where the body has none.
    package var results: [Result] { lenient?.results ?? [] }
    /// The sentence of a refusal.
    package var error: String? { lenient?.error }

    private var lenient: Content? { try? content() }  // a body without JSON is an answer too; status and text show it

    package var description: String { "\(status) \(text)" }
}
