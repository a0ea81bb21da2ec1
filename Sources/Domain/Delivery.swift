import Crypto

/// The HTTP header fields of a webhook request; names are compared without case, and of a field sent twice the first counts.
package struct WebhookHeaders: Sendable {
    // A request has a dozen fields and is asked for six: looking along them costs less than sorting them in.
    private let fields: [(name: String, value: String)]

    package init(_ fields: [(name: String, value: String)]) {
        self.fields = fields
    }

    package subscript(name: String) -> String? {
        fields.first { Self.isSame($0.name, name) }?.value
    }

    /// The fields as they may be kept and shown: one a line, without the values of those that prove who sends.
    package var shown: String {
        // Of every delivery, so it is made of bytes: texts put together from texts took a tenth of what accepting does.
        var text: [UInt8] = []
        var name: [UInt8] = []
        text.reserveCapacity(1024)
        name.reserveCapacity(64)
        for field in fields {
            let start = text.count
            name.removeAll(keepingCapacity: true)
            // A field name is a token, so it is ASCII (RFC 9110, 5.1).
            for byte in field.name.utf8 { name.append(byte.lowercased) }
            text.append(shown: String(decoding: name, as: UTF8.self), limit: 100)
            text.append(UInt8(ascii: ":"))
            text.append(UInt8(ascii: " "))
            if Self.provesSomething(name) { text += "(hidden)".utf8 } else { text.append(shown: field.value, limit: 300) }
            guard text.count < Self.shownLimit else {
                return String(decoding: text[..<start], as: UTF8.self) + "(more is left out)\n"
            }
            text.append(UInt8(ascii: "\n"))
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static let shownLimit = 4096

    /// Fields of every delivery, so that nobody searches them for words.
    private static let open: [[UInt8]] = [
        "host", "user-agent", "accept", "accept-encoding", "content-type", "content-length", "connection", "x-event-key", "x-hook-uuid",
        "x-request-uuid", "x-request-id", "x-attempt-number", "x-event-time", "x-forwarded-for", "x-forwarded-proto", "x-real-ip",
    ].map { Array($0.utf8) }

    /// - Parameter name: in lower case.
    private static func provesSomething(_ name: [UInt8]) -> Bool {
        guard !open.contains(name) else { return false }
        return telling.contains { word in name.indices.contains { name[$0...].starts(with: word) } }
    }

    private static let telling: [[UInt8]] = [
        "signature", "auth", "cookie", "token", "secret", "password", "key", "jwt", "session", "credential", "assertion", "identity",
        "oidc", "uri", "url",
    ].map { Array($0.utf8) }

    private static func isSame(_ one: String, _ other: String) -> Bool {
        // As Bitbucket writes it, nearly always.
        one == other || (one.utf8.count == other.utf8.count && zip(one.utf8, other.utf8).allSatisfy { $0.lowercased == $1.lowercased })
    }
}

extension UInt8 {
    /// Of ASCII.
    fileprivate var lowercased: UInt8 { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) ? self | 0x20 : self }
}

extension [UInt8] {
    /// What ``SafeText/shown(_:limit:)`` makes of the text.
    fileprivate mutating func append(shown text: String, limit: Int) {
        var text = SafeText.shown(text, limit: limit)
        text.withUTF8 { append(contentsOf: $0) }
    }
}

/// A body that is not JSON or not shaped like the event it claims to be, or a request without its event header.
package struct MalformedDelivery: Error, Equatable {
    /// One sentence that says what to do.
    package let sentence: String

    package init(_ sentence: String) {
        self.sentence = sentence
    }
}

/// A verified delivery with everything the ledger needs to decide and store it in one transaction.
package struct Delivery: Sendable, Equatable {
    package var account: String
    package var event: String
    package var requestID: String?
    package var remoteAddress: String
    package var receivedAt: Timestamp
    /// SHA-256 of the raw body.
    package var bodyHash: [UInt8]
    package var bodySize: Int
    /// As the forge wrote it, made safe to show; nil for events without one.
    package var repository: String?
    package var changes: [MatchedChange]
    /// The app whose own hook it came to; nil: the account's.
    package var hookApp: String?
    /// ``WebhookHeaders/shown``
    package var headers: String?
    /// What it says of its repository that was not known before.
    package var naming: RepositoryNaming?
    /// ``Push/leavesRefsOut``
    package var leavesRefsOut: Bool

    package init(
        account: String, event: String, requestID: String?, remoteAddress: String, receivedAt: Timestamp, bodyHash: [UInt8],
        bodySize: Int, repository: String?, changes: [MatchedChange], hookApp: String? = nil, headers: String? = nil,
        naming: RepositoryNaming? = nil, leavesRefsOut: Bool = false
    ) {
        self.leavesRefsOut = leavesRefsOut
        self.naming = naming
        self.hookApp = hookApp
        self.headers = headers
        self.account = account
        self.event = event
        self.requestID = requestID
        self.remoteAddress = remoteAddress
        self.receivedAt = receivedAt
        self.bodyHash = bodyHash
        self.bodySize = bodySize
        self.repository = repository
        self.changes = changes
    }

    /// What a delivery that is sent again has in common with its first sending; nil where the forge gave no request id.
    package var requestKey: [UInt8]? {
        requestID.map { Self.requestKey(account: account, requestID: $0, bodyHash: bodyHash) }
    }

    /// 16 bytes that stand for an account, a request id and a body: long enough that two never meet by chance, and whoever could
    /// look for such a pair has the account's secret.
    package static func requestKey(account: String, requestID: String, bodyHash: [UInt8]) -> [UInt8] {
        var hash = SHA256()
        // Of a fixed length before, and none of the bytes 0 within.
        hash.update(data: bodyHash)
        hash.update(data: Array(account.utf8))
        hash.update(data: [0])
        hash.update(data: Array(requestID.utf8))
        return Array(hash.finalize().prefix(16))
    }
}

/// One change of a delivery with what it means for each app of its repository, before the ledger's duplicate rules.
package struct MatchedChange: Sendable, Equatable {
    package var ref: PushedRef
    /// nil when the repository's name is not usable.
    package var repository: RepositoryName?
    /// One per app of that repository; a single one without app where none is configured for it.
    package var matches: [Match]

    package init(ref: PushedRef, repository: RepositoryName?, matches: [Match]) {
        self.ref = ref
        self.repository = repository
        self.matches = matches
    }
}

/// A request that was refused, or a ping: kept to be looked at, without its body.
package struct RefusedDelivery: Sendable, Equatable {
    /// The account's name when the path named one that exists.
    package var account: String?
    package var event: String?
    package var requestID: String?
    package var remoteAddress: String
    package var receivedAt: Timestamp
    /// The HTTP status it was given.
    package var answer: Int
    package var reason: String
    /// ``WebhookHeaders/shown``
    package var headers: String?

    package init(
        account: String?, event: String?, requestID: String?, remoteAddress: String, receivedAt: Timestamp, answer: Int,
        reason: String, headers: String? = nil
    ) {
        self.headers = headers
        self.account = account
        self.event = event
        self.requestID = requestID
        self.remoteAddress = remoteAddress
        self.receivedAt = receivedAt
        self.answer = answer
        self.reason = reason
    }
}

/// What one change of a stored delivery means for one app, as it is answered and kept.
package struct Verdict: Sendable, Equatable {
    package enum Kind: String, Sendable { case queued, ignored }

    /// nil where no app is configured for the repository.
    package var app: String?
    package var ref: String
    package var commit: CommitID?
    package var kind: Kind
    package var job: Int64?
    package var reason: String?

    /// Why a change that was accounted before makes no second job.
    package static func duplicateReason(job: Int64) -> String {
        "already job \(job); bittern retry \(job) runs it again"
    }

    /// Whether that is the reason.
    package static func isDuplicate(_ reason: String) -> Bool {
        reason.hasPrefix("already job ")
    }

    /// What the configuration alone says of a change: ignored, without a reason where it may be deployed.
    package init(of match: Match, on matched: MatchedChange) {
        let reason: String? = if case .ignore(let reason) = match.decision { reason } else { nil }
        self.init(app: match.app, ref: matched.ref.refText, commit: matched.ref.commit, kind: .ignored, job: nil, reason: reason)
    }

    package init(app: String?, ref: String, commit: CommitID?, kind: Kind, job: Int64?, reason: String?) {
        self.app = app
        self.ref = ref
        self.commit = commit
        self.kind = kind
        self.job = job
        self.reason = reason
    }
}

/// What the ledger made of a delivery.
package struct AcceptedDelivery: Sendable, Equatable {
    package var id: Int64
    package var duplicateOf: Int64?
    package var verdicts: [Verdict]
    /// Jobs this delivery pushed out of the queue, with the job that took their place.
    package var superseded: [(job: Int64, app: String, by: Int64)]

    package init(id: Int64, duplicateOf: Int64?, verdicts: [Verdict], superseded: [(job: Int64, app: String, by: Int64)]) {
        self.id = id
        self.duplicateOf = duplicateOf
        self.verdicts = verdicts
        self.superseded = superseded
    }

    /// Whether there is work: answer 202, otherwise 200.
    package var queuedAnything: Bool { verdicts.contains { $0.kind == .queued } }

    package static func == (left: AcceptedDelivery, right: AcceptedDelivery) -> Bool {
        left.id == right.id && left.duplicateOf == right.duplicateOf && left.verdicts == right.verdicts
            && left.superseded.elementsEqual(right.superseded) { $0 == $1 }
    }
}
