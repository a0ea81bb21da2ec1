package import Domain

/// What is known of one kind of forge: how its deliveries are told apart and read.
///
/// A provider does no input or output and keeps no state, so every promise can be tested with bytes alone.
package protocol Provider: Sendable {
    /// The event key, whether or not the provider knows it; nil when the header is missing.
    func event(_ headers: WebhookHeaders) -> String?

    /// The forge's id of the request, which stays the same when the forge sends it again. Not under the signature.
    func requestID(_ headers: WebhookHeaders) -> String?

    /// What ``Signature/check(_:body:secrets:)`` wants.
    func signature(_ headers: WebhookHeaders) -> String?

    /// Whether this is the forge's connection test, which is answered without a signature and does nothing.
    func isPing(_ headers: WebhookHeaders, bodySize: Int) -> Bool

    /// Reads a verified delivery. Only what a push needs is looked at, so that no field nobody needs can spoil it, and no date
    /// is ever parsed.
    func read(_ headers: WebhookHeaders, body: some ContiguousBytesOfBody) throws(MalformedDelivery) -> ForgeEvent

    /// A push as the forge would send it, with what ``read(_:body:)`` looks at and nothing more.
    func delivery(of push: TrialPush, secret: Secret) -> TrialDelivery
}

/// A push that somebody wants to try the way of deliveries with: the ref is made at the commit.
package struct TrialPush: Sendable, Equatable {
    package var repository: RepositoryName
    package var ref: RefName
    package var commit: CommitID
    /// A UUID that no delivery had yet.
    package var requestID: String

    package init(repository: RepositoryName, ref: RefName, commit: CommitID, requestID: String) {
        self.repository = repository
        self.ref = ref
        self.commit = commit
        self.requestID = requestID
    }
}

/// Its HTTP request, signed.
package struct TrialDelivery: Sendable, Equatable {
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    /// - Parameter headers: those of the forge's own; the common ones are added.
    init(_ headers: [(name: String, value: String)], body: String, secret: Secret) {
        self.body = Array(body.utf8)
        let common = [
            (name: "Content-Type", value: "application/json"), (name: "User-Agent", value: "bittern simulate"),
            (name: "X-Hub-Signature", value: Signature.header(for: self.body, secret: secret)),
        ]
        self.headers = headers + common
    }

    package static func == (left: TrialDelivery, right: TrialDelivery) -> Bool {
        left.body == right.body && left.headers.elementsEqual(right.headers) { $0 == $1 }
    }
}

/// A string as JSON has it; names of refs and repositories hold no control character and no backslash.
func json(_ text: String) -> String {
    // By bytes: to Swift a quote and a combining mark behind it are one character.
    let escaped = text.utf8.flatMap { $0 == UInt8(ascii: "\"") ? [UInt8(ascii: "\\"), $0] : [$0] }
    return "\"" + String(decoding: escaped, as: UTF8.self) + "\""
}

extension Provider {
    package func event(_ headers: WebhookHeaders) -> String? { headers["X-Event-Key"] }

    package func signature(_ headers: WebhookHeaders) -> String? { headers["X-Hub-Signature"] }

    package func isPing(_ headers: WebhookHeaders, bodySize: Int) -> Bool { false }

    /// The event key, or the sentence that says it is missing.
    func requiredEvent(_ headers: WebhookHeaders) throws(MalformedDelivery) -> String {
        guard let event = event(headers), !event.isEmpty else {
            throw MalformedDelivery("the X-Event-Key header is missing; point Bitbucket's own webhook here")
        }
        return event
    }
}

/// The provider of a kind of forge; nil for kinds that are not supported yet.
package func provider(for kind: Account.Kind) -> (any Provider)? {
    switch kind {
    case .bitbucketCloud: BitbucketCloud()
    case .bitbucketDataCenter: BitbucketDataCenter()
    case .github, .gitlab, .gitea: nil
    }
}
