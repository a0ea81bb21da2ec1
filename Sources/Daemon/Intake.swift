import Domain
import FoundationEssentials
import HTTPTypes
import NIOCore
import Providers
import Storage

/// A webhook request as the listener read it, its body not yet.
struct HookRequest: Sendable {
    /// As it was written: `POST`.
    var method: String
    /// Without query.
    var path: String
    var headers: WebhookHeaders
    /// From `Content-Length`; nil when the sender does not say.
    var announcedSize: Int?
    /// Of the forge, or of whom a trusted proxy says it forwards for.
    var remoteAddress: String
}

/// Takes webhooks in: refuses what is none of ours, verifies, matches, and has the ledger store the delivery with its verdicts and
/// jobs before it answers. No network and no git is touched on the way.
final class Intake: Sendable {
    private let live: LiveConfiguration
    private let refusals: RefusalDesk
    private let ledger: Ledger
    private let reporter: Reporter
    private let clock: WallClock
    private let queued: @Sendable (AcceptedDelivery) -> Void
    private let refsLeftOut: @Sendable (RepositoryName) -> Void

    /// - Parameters:
    ///   - queued: called after a delivery queued jobs.
    ///   - refsLeftOut: called after a delivery that does not name all refs that moved.
    init(
        live: LiveConfiguration, ledger: Ledger, refusals: RefusalDesk, reporter: Reporter, clock: WallClock,
        queued: @escaping @Sendable (AcceptedDelivery) -> Void, refsLeftOut: @escaping @Sendable (RepositoryName) -> Void
    ) {
        self.live = live
        self.ledger = ledger
        self.refusals = refusals
        self.reporter = reporter
        self.clock = clock
        self.queued = queued
        self.refsLeftOut = refsLeftOut
    }

    /// In bytes.
    var bodyLimit: Int { live.inForce.configuration.hooks.bodyLimit }

    /// Addresses whose `X-Forwarded-For` is believed.
    var trustedProxies: Set<String> { live.inForce.trustedProxies }

    var now: Timestamp { clock.now }

    /// The checks that need no body, in the order in which their answers are given.
    func door(of request: HookRequest) throws(Refusal) -> Door {
        let doors = live.inForce.doors
        guard let (account, app) = Doors.names(in: request.path) else {
            throw .notFound("nothing is here; webhooks go to /hooks/ACCOUNT")
        }
        guard let common = doors[account] else {
            throw .notFound("there is no account \"\(SafeText.shown(account, limit: 80))\"; webhooks go to /hooks/ACCOUNT")
        }
        guard let door = app.map({ doors[account, $0] }) ?? common else {
            throw .notFound("that app has no hook of its own; send to /hooks/\(common.account.name)")
        }
        guard request.method == "POST" else { throw .notPost }
        guard Self.isJSON(request.headers["Content-Type"]) else { throw .notJSON }
        let limit = bodyLimit
        if let size = request.announcedSize, size > limit { throw .tooLarge(limit) }
        return door
    }

    /// The account a path names, also where the request is refused.
    func account(of request: HookRequest) -> String? {
        Doors.names(in: request.path).flatMap { live.inForce.doors[$0.account]?.account.name }
    }

    /// Verifies and reads a request whose body came; nil for a connection test, of which no delivery is stored.
    func read(_ request: HookRequest, _ body: ByteBuffer, through door: Door, at receivedAt: Timestamp) throws(Refusal) -> Delivery? {
        if door.provider.isPing(request.headers, bodySize: body.readableBytes) {
            refusals.ping(request, account: door.account.name, at: receivedAt)
            return nil
        }
        let signature = door.provider.signature(request.headers)
        let outcome = Signature.check(signature, body: body, secrets: door.account.hookSecrets)
        if let refusal = Refusal(outcome) { throw refusal }
        if case .valid(let secret) = outcome { door.verified.note(secret, at: receivedAt) }
        do {
            let received = ReceivedRequest(headers: request.headers, remoteAddress: request.remoteAddress, receivedAt: receivedAt)
            return try door.provider.delivery(
                of: received, body: body, account: door.account.name, hookApp: door.app, matcher: door.matcher)
        } catch {
            throw Refusal.malformed(error)
        }
    }

    /// Stores a delivery; `answer` gets what the forge is to be told, on the event loop, once it is on the disk or cannot be.
    func store(_ delivery: Delivery, on eventLoop: any EventLoop, answer: @escaping @Sendable (WebhookAnswer) -> Void) {
        ledger.accept(delivery) { [self] result in
            // The ledger's writer has better things to do.
            eventLoop.execute { [self] in
                switch result {
                case .success(let accepted):
                    answer(.accepted(accepted))
                    reporter.accepted(accepted, delivery)
                    if accepted.queuedAnything { queued(accepted) }
                    // One that is sent again tells what was news when it came first.
                    if let naming = delivery.naming, accepted.duplicateOf == nil || !delivery.changes.isEmpty {
                        live.learn(naming, account: delivery.account)
                        if naming.formerName != nil { reporter.repositoryRenamed(naming) }
                    }
                    if delivery.leavesRefsOut, let repository = delivery.repository.flatMap({ RepositoryName($0) }) {
                        refsLeftOut(repository)
                    }
                case .failure(let error):
                    reporter.deliveryNotStored(error.sentence, account: delivery.account, remote: delivery.remoteAddress)
                    answer(.unavailable("the delivery could not be stored; send it again later"))
                }
            }
        }
    }

    /// Notes that a request is not taken, and says what it is told.
    func refuse(_ refusal: Refusal, _ request: HookRequest, account: String?, at receivedAt: Timestamp) -> WebhookAnswer {
        refusals.refuse(refusal, request, account: account, at: receivedAt)
        return .refused(refusal)
    }

    /// The same when there is no room for its body: that is our own trouble.
    func tooMuch(_ request: HookRequest, account: String) -> WebhookAnswer {
        reporter.deliveryNotStored("too many bodies are in flight", account: account, remote: request.remoteAddress)
        return .unavailable("the delivery could not be taken; send it again later")
    }

    /// What a sender is told whose request cannot be read as one.
    func incomplete() -> WebhookAnswer {
        let refusal = Refusal.incomplete
        reporter.answeredWithoutStoring(refusal.status.code)
        return .refused(refusal)
    }

    /// A request broke off.
    func senderGone(_ request: HookRequest, account: String?) {
        reporter.senderGone(account: account, remote: request.remoteAddress)
    }

    /// RFC 9110, 8.3: the media type is compared without case and without its parameters.
    private static func isJSON(_ contentType: String?) -> Bool {
        if contentType == "application/json" { return true }
        let type = contentType?.split(separator: ";", maxSplits: 1).first.map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
        return type == "application/json"
    }
}

extension ByteBuffer: ContiguousBytesOfBody {
    package func withBodyBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try withUnsafeReadableBytes(body)
    }
}
