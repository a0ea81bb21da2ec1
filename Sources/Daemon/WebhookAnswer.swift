import ControlAPI
import Domain
import FoundationEssentials
import HTTPTypes
import NIOCore

/// What a request to the hooks listener is answered: a status and a body, of JSON but for the health.
struct WebhookAnswer: Sendable, Equatable {
    let status: HTTPResponse.Status
    let contentType: String
    let body: [UInt8]
    /// Seconds after which a forge may come again; only with 503.
    var retryAfter: Int?

    /// 202 when there is work, otherwise 200.
    static func accepted(_ delivery: AcceptedDelivery) -> WebhookAnswer {
        // Written out, because JSONEncoder takes longer for these few words than reading the whole delivery did.
        var body: [UInt8] = []
        body.reserveCapacity(320)
        body.append(text: "{\"delivery\":\"")
        body.append(text: String(delivery.id))
        body.append(text: "\",\"duplicate_of\":")
        body.append(json: delivery.duplicateOf.map(String.init))
        body.append(text: ",\"results\":[")
        for (number, verdict) in delivery.verdicts.enumerated() {
            if number > 0 { body.append(UInt8(ascii: ",")) }
            body.append(verdict)
        }
        body.append(text: "]}")
        return WebhookAnswer(status: delivery.queuedAnything ? .accepted : .ok, contentType: "application/json", body: body)
    }

    /// A connection test: nothing was done, so there is no delivery to name but the shape stays.
    static let pong = WebhookAnswer(
        status: .ok, contentType: "application/json", body: Array("{\"delivery\":\"ping\",\"duplicate_of\":null,\"results\":[]}".utf8))

    static func refused(_ refusal: Refusal) -> WebhookAnswer {
        WebhookAnswer(refusal.status, ErrorReply(SafeText.shown(refusal.sentence)))
    }

    /// Our own trouble, whatever it is: the only answer after which Bitbucket Cloud comes again.
    static func unavailable(_ sentence: String) -> WebhookAnswer {
        var answer = WebhookAnswer(.serviceUnavailable, ErrorReply(sentence))
        answer.retryAfter = 10
        return answer
    }

    static func health(_ isWell: Bool) -> WebhookAnswer {
        WebhookAnswer(
            status: isWell ? .ok : .serviceUnavailable, contentType: "text/plain; charset=utf-8",
            body: Array((isWell ? "ok\n" : "not well\n").utf8))
    }

    /// For a person with a browser.
    static func login(_ outcome: (sentence: String, isWell: Bool)) -> WebhookAnswer {
        WebhookAnswer(
            status: outcome.isWell ? .ok : .badRequest, contentType: "text/plain; charset=utf-8",
            body: Array((outcome.sentence + "\n").utf8))
    }

    /// The whole response (RFC 9112).
    ///
    /// - Parameters:
    ///   - isLast: no other is given on this connection.
    ///   - hasBody: false for HEAD.
    func write(into bytes: inout ByteBuffer, isLast: Bool, hasBody: Bool) {
        bytes.writeString(
            "HTTP/1.1 \(status.code) \(status.reasonPhrase)\r\nContent-Type: \(contentType)\r\nContent-Length: \(body.count)\r\n")
        if let retryAfter { bytes.writeString("Retry-After: \(retryAfter)\r\n") }
        if status == .methodNotAllowed { bytes.writeString("Allow: POST\r\n") }
        if isLast { bytes.writeString("Connection: close\r\n") }
        bytes.writeString("\r\n")
        if hasBody { bytes.writeBytes(body) }
    }

    private init(status: HTTPResponse.Status, contentType: String, body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }

    private init(_ status: HTTPResponse.Status, _ value: some Encodable) {
        do {
            self.init(status: status, contentType: "application/json", body: Array(try ReplyCoding.encode(value)))
        } catch {
            // Strings, numbers and nulls: there is nothing JSONEncoder could refuse.
            preconditionFailure("an answer could not be written as JSON: \(error)")
        }
    }
}

extension [UInt8] {
    fileprivate mutating func append(_ verdict: Verdict) {
        append(text: "{\"app\":")
        append(json: verdict.app)
        append(text: ",\"commit\":")
        append(json: verdict.commit?.hex)
        append(text: ",\"job\":")
        append(text: verdict.job.map(String.init) ?? "null")
        append(text: ",\"reason\":")
        append(json: verdict.reason)
        append(text: ",\"ref\":")
        append(json: verdict.ref)
        append(text: ",\"verdict\":")
        append(json: verdict.kind.rawValue)
        append(UInt8(ascii: "}"))
    }

    /// A string or null. Shown text has no control characters, so that only two characters are left to escape (RFC 8259, 7).
    fileprivate mutating func append(json text: String?) {
        guard let text else { return append(text: "null") }
        append(UInt8(ascii: "\""))
        for byte in SafeText.shown(text).utf8 {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { append(UInt8(ascii: "\\")) }
            append(byte)
        }
        append(UInt8(ascii: "\""))
    }

    fileprivate mutating func append(text: String) {
        append(contentsOf: text.utf8)
    }
}

/// Why a request is not taken, with the status of CONTRACT's table.
struct Refusal: Error, Sendable, Equatable {
    let status: HTTPResponse.Status
    let sentence: String

    static func notFound(_ sentence: String) -> Refusal { Refusal(status: .notFound, sentence: sentence) }
    static let incomplete = Refusal(status: .badRequest, sentence: "the request did not arrive whole; send it again")
    static let notPost = Refusal(status: .methodNotAllowed, sentence: "webhooks come by POST")
    static let notJSON = Refusal(status: .unsupportedMediaType, sentence: "the content type must be application/json")
    static func tooLarge(_ limit: Int) -> Refusal {
        Refusal(status: .contentTooLarge, sentence: "the body is larger than \(limit) bytes; raise hooks.body_limit if that is meant")
    }
    static func malformed(_ error: MalformedDelivery) -> Refusal { Refusal(status: .badRequest, sentence: error.sentence) }

    /// nil when the signature is valid.
    init?(_ outcome: Signature.Outcome) {
        switch outcome {
        case .valid: return nil
        case .missing:
            self.init(.unauthorized, "the X-Hub-Signature header is missing; set the account's hook secret as the webhook's secret")
        case .malformed: self.init(.unauthorized, "the X-Hub-Signature header is not sha256= and 64 hexadecimal digits")
        case .wrong: self.init(.unauthorized, "the signature is wrong; the webhook's secret and the account's hook_secret must be the same")
        }
    }

    private init(_ status: HTTPResponse.Status, _ sentence: String) {
        self.init(status: status, sentence: sentence)
    }

    private init(status: HTTPResponse.Status, sentence: String) {
        self.status = status
        self.sentence = sentence
    }
}
