package import Domain
package import FoundationEssentials

/// A request to a forge as a value: somebody else sends it, and gives back what came.
package struct ForgeRequest<Reply: Sendable>: Sendable {
    /// Absolute, without query; of the forge that the account names and no other.
    package var url: String
    package var method: ForgeMethod
    /// In the order in which they are sent; not yet encoded.
    package var query: [(name: String, value: String)]
    package var body: ForgeBody?
    /// What is shown to the forge.
    package var authorization: ForgeAuthorization
    /// Whether a request that was carried out does no harm when it is carried out again.
    package var isRepeatable: Bool
    /// What stands in its body or is shown, and must not be seen in what the forge says of it.
    package var secrets: [Secret]
    /// Makes the reply out of an answer of 2xx.
    let decode: @Sendable (ForgeAnswer) throws(ForgeError) -> Reply

    init(
        _ method: ForgeMethod, _ url: String, query: [(name: String, value: String)] = [], body: ForgeBody? = nil,
        authorization: ForgeAuthorization = .account, isRepeatable: Bool = true, secrets: [Secret] = [],
        decode: @escaping @Sendable (ForgeAnswer) throws(ForgeError) -> Reply
    ) {
        self.method = method
        self.url = url
        self.query = query
        self.body = body
        self.authorization = authorization
        self.isRepeatable = isRepeatable
        self.secrets = secrets
        self.decode = decode
    }

    /// What the forge's answer comes to.
    ///
    /// - Throws: ``ForgeError`` for every answer that is not 2xx, and for one that cannot be read.
    package func reply(to answer: ForgeAnswer) throws(ForgeError) -> Reply {
        guard (200...299).contains(answer.status) else { throw ForgeError(answer) }
        return try decode(answer)
    }

    /// The address with its query, as it is sent.
    package var address: String {
        guard !query.isEmpty else { return url }
        return url + "?" + query.map { "\(Percent.encoded($0.name))=\(Percent.encoded($0.value))" }.joined(separator: "&")
    }
}

package enum ForgeMethod: String, Sendable {
    case get = "GET"
    case post = "POST"
    case put = "PUT"
    case delete = "DELETE"
}

package enum ForgeAuthorization: Sendable, Equatable {
    /// The account's credential.
    case account
    /// `Authorization: Basic` of an OAuth consumer.
    case basic(user: String, password: Secret)
    case none
}

package enum ForgeBody: Sendable {
    case json([UInt8])
    /// `application/x-www-form-urlencoded`; secrets stand in it, so it is shown nowhere.
    case form([(name: String, value: Secret)])

    package var contentType: String {
        switch self {
        case .json: "application/json"
        case .form: "application/x-www-form-urlencoded"
        }
    }

    package var bytes: [UInt8] {
        switch self {
        case .json(let bytes): bytes
        case .form(let fields):
            Array(
                fields.map { name, value in
                    Percent.encoded(name) + "=" + value.withBytes { Percent.encoded(String(decoding: $0, as: UTF8.self)) }
                }.joined(separator: "&").utf8)
        }
    }

    static func encoding(_ value: some Encodable) -> ForgeBody {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Bodies are of strings, numbers and lists of them, which are always JSON.
        return .json(Array((try? encoder.encode(value)) ?? Data()))
    }
}

/// What a forge answered.
package struct ForgeAnswer: Sendable {
    package var status: Int
    package var body: Data
    private let fields: [(name: String, value: String)]

    package init(status: Int, fields: [(name: String, value: String)], body: Data) {
        self.status = status
        self.fields = fields.map { (name: $0.name.lowercased(), value: $0.value) }
        self.body = body
    }

    /// The first field of that name, which is compared without case.
    package subscript(name: String) -> String? { fields.first { $0.name == name.lowercased() }?.value }

    /// What the credential may do, as Cloud says along with every answer; nil: it was not said.
    package var scopes: Set<String>? {
        self["X-OAuth-Scopes"].map { Set($0.split(whereSeparator: { ", ".contains($0) }).map(String.init)) }
    }

    /// Whether less than a fifth of the hour's requests is left (Atlassian, "Introducing scaled rate limits").
    package var isNearLimit: Bool { self["X-RateLimit-NearLimit"]?.lowercased() == "true" }

    /// RFC 9110, 10.2.3, in seconds; dates are not understood.
    package var retryAfter: Duration? {
        self["Retry-After"].flatMap { Int($0) }.map { .seconds(max(0, min($0, 86_400))) }
    }

    /// A status that was taken is answered with nothing, or with JSON; a page for people comes from somebody else.
    func expectTaken() throws(ForgeError) {
        guard !body.isEmpty else { return }
        let isJSON = (try? JSONDecoder().decode(Anything.self, from: body)) != nil  // no JSON: nil
        guard isJSON else { throw ForgeError(.malformed, "it answered with something that cannot be read") }
    }

    private struct Anything: Decodable { init(from decoder: any Decoder) throws {} }

    func json<Value: Decodable>(_ type: Value.Type) throws(ForgeError) -> Value {
        do {
            return try JSONDecoder().decode(type, from: body)
        } catch {
            throw ForgeError(.malformed, "it answered with something that cannot be read")
        }
    }
}

/// One page of a list.
package struct ForgePage<Item: Sendable>: Sendable {
    package var items: [Item]
    /// nil: it is the last.
    package var next: ForgeRequest<ForgePage<Item>>?
}

/// Why a forge did not do what it was asked.
package struct ForgeError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: Sendable, Equatable {
        /// There was no answer.
        case unreachable
        /// 5xx.
        case trouble
        /// 429.
        case busy
        /// 401: the credential is wrong, or none was shown.
        case unauthorized
        /// 403: the credential may not.
        case forbidden
        /// 404.
        case missing
        /// 410.
        case gone
        /// 400 and every other answer that says the request is wrong.
        case invalid
        /// It answered what no forge would.
        case malformed
    }

    package let code: Code
    /// The HTTP status; nil: there was none.
    package let status: Int?
    /// A phrase with the cause, in which the forge is `it`. What the forge said is part of it, made safe to show, not yet masked.
    package let phrase: String
    package let retryAfter: Duration?
    /// The scopes the forge wants and the credential lacks, where it says so.
    package let missingScopes: [String]

    package init(_ code: Code, _ phrase: String) {
        self.code = code
        self.phrase = phrase
        status = nil
        retryAfter = nil
        missingScopes = []
    }

    /// Out of an answer that is not 2xx.
    init(_ answer: ForgeAnswer) {
        status = answer.status
        retryAfter = answer.retryAfter
        let said = Said(answer.body)
        missingScopes = said.missingScopes
        code =
            switch answer.status {
            case 401: .unauthorized
            case 403: .forbidden
            case 404: .missing
            case 410: .gone
            case 429: .busy
            case 500...599: .trouble
            default: .invalid
            }
        let what =
            switch answer.status {
            case 401: "it refused the credential (401)"
            case 403: "the credential may not do that (403)"
            case 404: "it has no such thing, or the credential may not see it (404)"
            case 410: "it no longer takes this (410)"
            case 429: "it was asked too often (429)"
            case 300...399: "it leads elsewhere (\(answer.status))"
            default: "it answered \(answer.status)"
            }
        phrase = said.text.isEmpty ? what : what + ": " + SafeText.shown(said.text, limit: 300)
    }

    package var description: String { phrase }

    /// A sentence for people, with what to do where that is known.
    package func sentence(host: String, account: Account) -> String {
        let cause = phrase.hasPrefix("it ") ? host + phrase.dropFirst(2) : "\(host): \(phrase)"
        return remedy(for: account).map { "\(cause); \($0)" } ?? cause
    }

    private func remedy(for account: Account) -> String? {
        if !missingScopes.isEmpty {
            return "give the credential of account \(account.name) the scope \(missingScopes.joined(separator: ", "))"
        }
        switch (code, account.rest) {
        case (.unauthorized, .appPassword), (.gone, .appPassword):
            return "Bitbucket Cloud switched app passwords off in July 2026, so give account \(account.name) an API token or access token"
        case (.unauthorized, _): return "check auth of account \(account.name)"
        case (.forbidden, _): return "check the rights of the credential of account \(account.name)"
        case (.unreachable, _): return "look at the network, and at ca and proxy of account \(account.name)"
        default: return nil
        }
    }

    /// The same with its phrase changed.
    package func saying(_ phrase: String) -> ForgeError {
        ForgeError(code: code, status: status, phrase: phrase, retryAfter: retryAfter, missingScopes: missingScopes)
    }

    private init(code: Code, status: Int?, phrase: String, retryAfter: Duration?, missingScopes: [String]) {
        self.code = code
        self.status = status
        self.phrase = phrase
        self.retryAfter = retryAfter
        self.missingScopes = missingScopes
    }
}

/// What a forge says went wrong: Cloud `error.message`, Data Center `errors[].message`, OAuth `error_description`.
private struct Said {
    var text = ""
    var missingScopes: [String] = []

    init(_ body: Data) {
        guard let shape = try? JSONDecoder().decode(Shape.self, from: body) else { return }  // no JSON: nothing is said
        let all = [shape.error_description ?? shape.error?.message] + (shape.errors ?? []).map(\.message)
        text = all.compactMap(\.self).joined(separator: "; ")
        let scopes = shape.error?.detail
        missingScopes = (scopes?.required ?? []).filter { scopes?.granted?.contains($0) != true }
    }

    private struct Shape: Decodable {
        var error: ErrorMember?
        var error_description: String?
        var errors: [Item]?

        struct Item: Decodable { var message: String? }
    }

    /// An object of Cloud's, or a word of OAuth's.
    private struct ErrorMember: Decodable {
        var message: String?
        var detail: Scopes?

        private enum CodingKeys: String, CodingKey { case message, detail }

        init(from decoder: any Decoder) throws {
            if let word = try? decoder.singleValueContainer().decode(String.self) {  // no word: an object
                message = word
                return
            }
            let object = try decoder.container(keyedBy: CodingKeys.self)
            message = try? object.decode(String.self, forKey: .message)  // of another shape: nothing is said
            detail = try? object.decode(Scopes.self, forKey: .detail)
        }
    }

    private struct Scopes: Decodable {
        var required: [String]?
        var granted: [String]?
    }
}
