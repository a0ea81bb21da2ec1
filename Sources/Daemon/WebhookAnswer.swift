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
        let results = delivery.verdicts.map(json).joined(separator: ",")
        return WebhookAnswer(
            status: delivery.queuedAnything ? .accepted : .ok,
            json:
                "{\"delivery\":\"\(delivery.id)\",\"duplicate_of\":\(json(delivery.duplicateOf.map(String.init))),\"results\":[\(results)]}"
        )
    }

    /// A connection test: nothing was done, so there is no delivery to name but the shape stays.
    static let pong = WebhookAnswer(status: .ok, json: "{\"delivery\":\"ping\",\"duplicate_of\":null,\"results\":[]}")

    // Written out, because JSONEncoder takes longer for these few words than reading the whole delivery did.

    private static func json(_ verdict: Verdict) -> String {
        "{\"app\":\(json(verdict.app)),\"commit\":\(json(verdict.commit?.hex)),\"job\":\(verdict.job.map(String.init) ?? "null"),"
            + "\"reason\":\(json(verdict.reason)),\"ref\":\(json(verdict.ref)),\"verdict\":\(json(verdict.kind.rawValue))}"
    }

    /// A string or null. Shown text has no control characters, so that only two characters are left to escape (RFC 8259, 7).
    private static func json(_ text: String?) -> String {
        guard let text else { return "null" }
        let shown = SafeText.shown(text)
        guard shown.utf8.contains(where: { $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }) else { return "\"\(shown)\"" }
        return "\"" + shown.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }

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

    private init(status: HTTPResponse.Status, json: String) {
        self.init(status: status, contentType: "application/json", body: Array(json.utf8))
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
