import Domain
import FoundationEssentials

/// Reading of webhook bodies.
enum JSONBody {
    /// The payload when `condition` holds; otherwise only the promise that the body is JSON at all.
    static func parse<Payload: Decodable>(
        _ body: some ContiguousBytesOfBody, as payload: Payload.Type, onlyIf condition: Bool, event: String
    ) throws(MalformedDelivery) -> Payload? {
        // Foundation looks only into the strings it is asked for, but JSON is UTF-8 throughout (RFC 8259, 8.1).
        guard body.withBodyBytes({ String(validating: $0, as: UTF8.self) }) != nil else { throw notJSON }
        let data = body.withBodyBytes { Data($0) }
        do {
            if condition { return try JSONDecoder().decode(payload, from: data) }
            _ = try JSONDecoder().decode(AnyJSON.self, from: data)
            return nil
        } catch let error as DecodingError {
            throw MalformedDelivery(sentence(for: error, event: SafeText.shown(event, limit: 60)))
        } catch {
            throw notJSON
        }
    }

    private static let notJSON = MalformedDelivery("the body is not JSON; Bitbucket's own webhooks send JSON")

    private static func sentence(for error: DecodingError, event: String) -> String {
        switch error {
        case .keyNotFound(let key, let context):
            "the body is not shaped like \(event): \(path(context.codingPath + [key])) is missing"
        case .valueNotFound(_, let context):
            "the body is not shaped like \(event): \(path(context.codingPath)) is null"
        case .typeMismatch(_, let context):
            "the body is not shaped like \(event): \(path(context.codingPath)) has the wrong type"
        case .dataCorrupted:
            notJSON.sentence
        @unknown default:
            "the body is not shaped like \(event)"
        }
    }

    private static func path(_ keys: [any CodingKey]) -> String {
        let path = keys.map { key in key.intValue.map { "[\($0)]" } ?? "." + key.stringValue }.joined()
        let trimmed = path.hasPrefix(".") ? String(path.dropFirst()) : path
        return trimmed.isEmpty ? "the top" : SafeText.shown(trimmed, limit: 120)
    }
}

/// Any JSON object, array or scalar; nothing of it is kept.
private struct AnyJSON: Decodable {
    init(from decoder: any Decoder) throws {
        // The parser has read the whole text by the time anything is asked of it.
        _ = try? decoder.container(keyedBy: NoKey.self)  // an array or a scalar is JSON too
    }

    private enum NoKey: CodingKey {}
}

/// A field that is nice to have: a value of another type is as good as none.
struct Lenient<Value: Decodable>: Decodable {
    let value: Value?

    init(from decoder: any Decoder) throws {
        value = try? decoder.singleValueContainer().decode(Value.self)  // another type: as good as none
    }
}
