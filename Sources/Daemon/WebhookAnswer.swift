import ControlAPI
import Domain
import FoundationEssentials
import HTTPTypes

/// What a webhook request is answered: a status and a body of JSON.
struct WebhookAnswer: Sendable, Equatable {
    let status: HTTPResponse.Status
    let body: [UInt8]
    /// Seconds after which a forge may come again; only with 503.
    var retryAfter: Int?

    private struct Accepted: Encodable {
        let delivery: String
        @Nullable var duplicate_of: String?
        let results: [Result]
    }

    private struct Result: Encodable {
        @Nullable var app: String?
        let ref: String
        @Nullable var commit: String?
        let verdict: String
        @Nullable var job: Int64?
        @Nullable var reason: String?

        init(_ verdict: Verdict) {
            app = verdict.app
            ref = SafeText.shown(verdict.ref)
            commit = verdict.commit?.hex
            self.verdict = verdict.kind.rawValue
            job = verdict.job
            reason = verdict.reason.map { SafeText.shown($0) }
        }
    }

    /// 202 when there is work, otherwise 200.
    static func accepted(_ delivery: AcceptedDelivery) -> WebhookAnswer {
        let body = Accepted(
            delivery: String(delivery.id), duplicate_of: delivery.duplicateOf.map(String.init),
            results: delivery.verdicts.map(Result.init))
        return WebhookAnswer(delivery.queuedAnything ? .accepted : .ok, body)
    }

    /// A connection test: nothing was done, so there is no delivery to name but the shape stays.
    static let pong = WebhookAnswer(.ok, Accepted(delivery: "ping", duplicate_of: nil, results: []))

    static func refused(_ refusal: Refusal) -> WebhookAnswer {
        WebhookAnswer(refusal.status, ErrorReply(SafeText.shown(refusal.sentence)))
    }

    /// Our own trouble, whatever it is: the only answer after which Bitbucket Cloud comes again.
    static func unavailable(_ sentence: String) -> WebhookAnswer {
        var answer = WebhookAnswer(.serviceUnavailable, ErrorReply(sentence))
        answer.retryAfter = 10
        return answer
    }

    private init(_ status: HTTPResponse.Status, _ value: some Encodable) {
        self.status = status
        do {
            body = Array(try ReplyCoding.encode(value))
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
