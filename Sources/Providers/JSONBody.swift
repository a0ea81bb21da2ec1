import Domain

/// Reading of webhook bodies.
enum JSONBody {
    /// The payload when `condition` holds; otherwise only the promise that the body is JSON at all.
    static func parse<Payload>(
        _ body: some ContiguousBytesOfBody, onlyIf condition: Bool, event: String,
        _ read: (inout JSONReader) throws(JSONTrouble) -> Payload
    ) throws(MalformedDelivery) -> Payload? {
        let result = body.withBodyBytes { bytes -> Result<Payload?, JSONTrouble> in
            // RFC 8259, 8.1: UTF-8 throughout, also in what nobody looks at.
            guard (try? UTF8Span(validating: bytes.bindMemory(to: UInt8.self).span)) != nil else { return .failure(.notJSON) }
            return Result { () throws(JSONTrouble) in
                try JSONReader.read(bytes) { (reader) throws(JSONTrouble) in
                    guard condition else {
                        try reader.skip()
                        return nil
                    }
                    return try read(&reader)
                }
            }
        }
        do {
            return try result.get()
        } catch {
            throw MalformedDelivery(sentence(for: error, event: SafeText.shown(event, limit: 60)))
        }
    }

    /// The same for an event whose payload is nice to have: nil when it is shaped otherwise, as long as it is JSON.
    static func parseIfShaped<Payload>(
        _ body: some ContiguousBytesOfBody, event: String, _ read: (inout JSONReader) throws(JSONTrouble) -> Payload
    ) throws(MalformedDelivery) -> Payload? {
        do {
            return try parse(body, onlyIf: true, event: event, read)
        } catch {
            return try parse(body, onlyIf: false, event: event, read)
        }
    }

    private static func sentence(for trouble: JSONTrouble, event: String) -> String {
        switch trouble.kind {
        case .notJSON: "the body is not JSON; Bitbucket's own webhooks send JSON"
        case .missing: "the body is not shaped like \(event): \(shown(trouble.path)) is missing"
        case .null: "the body is not shaped like \(event): \(shown(trouble.path)) is null"
        case .wrongType: "the body is not shaped like \(event): \(shown(trouble.path)) has the wrong type"
        }
    }

    private static func shown(_ path: String) -> String {
        let trimmed = path.hasPrefix(".") ? String(path.dropFirst()) : path
        return trimmed.isEmpty ? "the top" : SafeText.shown(trimmed, limit: 120)
    }
}
