import Domain
import FoundationEssentials
import HTTPTypes
import NIOCore
import Providers
import Storage

/// A webhook request as the listener read it, its body not yet.
struct HookRequest: Sendable {
    var method: HTTPRequest.Method
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
struct Intake: Sendable {
    /// Reads the body; throws ``Refusal`` when it is too large.
    typealias Body = @Sendable (_ limit: Int) async throws -> ByteBuffer

    /// The body did not arrive whole; nobody waits for the answer any more.
    struct SenderGone: Error {}

    private struct Door: Sendable {
        let account: Account
        let provider: any Provider
        let matcher: Matcher
    }

    private let doors: [String: Door]
    private let bodyLimit: Int
    private let ledger: Ledger
    private let refusals: RefusalDesk
    private let reporter: Reporter
    private let clock: WallClock
    private let queued: @Sendable (AcceptedDelivery) -> Void

    /// - Parameter queued: called after a delivery queued jobs.
    init(
        configuration: Configuration, ledger: Ledger, refusals: RefusalDesk, reporter: Reporter, clock: WallClock,
        queued: @escaping @Sendable (AcceptedDelivery) -> Void
    ) {
        doors = configuration.accounts.compactMapValues { account in
            provider(for: account.kind).map { provider in
                let apps = configuration.apps.filter { $0.account == account.name }
                return Door(account: account, provider: provider, matcher: Matcher(apps: apps))
            }
        }
        bodyLimit = configuration.hooks.bodyLimit
        self.ledger = ledger
        self.refusals = refusals
        self.reporter = reporter
        self.clock = clock
        self.queued = queued
    }

    /// Never throws and never answers anything but what CONTRACT's table names.
    func answer(_ request: HookRequest, body: Body) async -> WebhookAnswer {
        let receivedAt = clock.now
        var account: String?
        do {
            let door = try self.door(of: request)
            account = door.account.name
            let body = try await body(bodyLimit)
            if door.provider.isPing(request.headers, bodySize: body.readableBytes) {
                await refusals.ping(request, account: door.account.name, at: receivedAt)
                return .pong
            }
            return try await accept(request, body, door, receivedAt)
        } catch let refusal as Refusal {
            await refusals.refuse(refusal, request, account: account, at: receivedAt)
            return .refused(refusal)
        } catch let error as LedgerError {
            reporter.deliveryNotStored(error.sentence, account: account, remote: request.remoteAddress)
            return .unavailable("the delivery could not be stored; send it again later")
        } catch is SenderGone {
            reporter.senderGone(account: account, remote: request.remoteAddress)
            return .refused(.incomplete)
        } catch {
            reporter.deliveryNotStored("\(error)", account: account, remote: request.remoteAddress)
            return .unavailable("the delivery could not be taken; send it again later")
        }
    }

    /// The checks that need no body, in the order in which their answers are given.
    private func door(of request: HookRequest) throws(Refusal) -> Door {
        let parts = request.path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map(String.init)
        guard parts.first == "hooks", parts.count == 2 || parts.count == 3 else {
            throw .notFound("nothing is here; webhooks go to /hooks/ACCOUNT")
        }
        guard let door = doors[parts[1]] else {
            throw .notFound("there is no account \"\(SafeText.shown(parts[1], limit: 80))\"; webhooks go to /hooks/ACCOUNT")
        }
        guard parts.count == 2 else { throw .notFound("that app has no hook of its own; send to /hooks/\(door.account.name)") }
        guard request.method == .post else { throw .notPost }
        guard Self.isJSON(request.headers["Content-Type"]) else { throw .notJSON }
        if let size = request.announcedSize, size > bodyLimit { throw .tooLarge(bodyLimit) }
        return door
    }

    private func accept(_ request: HookRequest, _ body: ByteBuffer, _ door: Door, _ receivedAt: Timestamp) async throws -> WebhookAnswer {
        let signature = door.provider.signature(request.headers)
        if let refusal = Refusal(Signature.check(signature, body: body, secrets: door.account.hookSecrets)) { throw refusal }
        let event: ForgeEvent
        do {
            event = try door.provider.read(request.headers, body: body)
        } catch {
            throw Refusal.malformed(error)
        }
        let delivery = delivery(of: event, request, body, door, receivedAt)
        let accepted = try await ledger.accept(delivery)
        reporter.accepted(accepted, delivery)
        if accepted.queuedAnything { queued(accepted) }
        return .accepted(accepted)
    }

    private func delivery(
        of event: ForgeEvent, _ request: HookRequest, _ body: ByteBuffer, _ door: Door, _ receivedAt: Timestamp
    ) -> Delivery {
        var push: Push?
        if case .push(let moved) = event { push = moved }
        return Delivery(
            account: door.account.name, event: SafeText.shown(door.provider.event(request.headers) ?? "", limit: 100),
            requestID: door.provider.requestID(request.headers).map { SafeText.shown($0, limit: 100) },
            remoteAddress: request.remoteAddress, receivedAt: receivedAt, bodyHash: Signature.hash(of: body),
            bodySize: body.readableBytes, repository: push.map { SafeText.shown($0.repository, limit: 300) },
            changes: push.map(door.matcher.changes) ?? [])
    }

    /// RFC 9110, 8.3: the media type is compared without case and without its parameters.
    private static func isJSON(_ contentType: String?) -> Bool {
        let type = contentType?.split(separator: ";", maxSplits: 1).first.map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
        return type == "application/json"
    }
}

extension ByteBuffer: ContiguousBytesOfBody {
    package func withBodyBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try withUnsafeReadableBytes(body)
    }
}
