import Domain
import Glibc
import HTTPTypes
import HummingbirdCore
import NIOCore
import Synchronization

/// What the hooks listener serves: webhooks for the ``Intake``, and `/healthz`. Nothing else is there.
struct HooksResponder: Sendable {
    /// How many bytes of bodies may be in flight at once.
    static let bodiesInFlight = 64 << 20

    let intake: Intake
    let health: HealthCheck
    let trustedProxies: Set<String>
    let load: BodyLoad

    /// Concurrent, as everything is that Hummingbird calls: it leaves no actor.
    @concurrent @Sendable func respond(_ request: Request, _ writer: consuming ResponseWriter, _ channel: any Channel) async throws {
        let path = request.uri.path
        if path == "/healthz" {
            try await writer.write(
                response: Self.head(await health.isWell ? .ok : .serviceUnavailable), text: await health.isWell ? "ok\n" : "not well\n")
            return
        }
        let hook = HookRequest(
            method: request.method, path: path,
            headers: WebhookHeaders(request.headers.map { (name: $0.name.rawName, value: $0.value) }),
            announcedSize: request.headers[.contentLength].flatMap { Int($0) }, remoteAddress: remoteAddress(request, channel))
        let reserved = Reservation(load)
        defer { reserved.release() }
        let answer = await intake.answer(hook) { limit in try await Self.collect(request.body, limit: limit, reserved) }
        var head = Self.head(answer.status)
        head.headerFields[.contentType] = "application/json"
        head.headerFields[.contentLength] = String(answer.body.count)
        if let seconds = answer.retryAfter { head.headerFields[.retryAfter] = String(seconds) }
        if answer.status == .methodNotAllowed { head.headerFields[.allow] = "POST" }
        // What is left of a body nobody wanted is not worth reading.
        if answer.status == .contentTooLarge || answer.status == .serviceUnavailable { head.headerFields[.connection] = "close" }
        var body = try await writer.writeHead(head)
        try await body.write(ByteBuffer(bytes: answer.body))
        try await body.finish(nil)
    }

    @concurrent private static func collect(_ body: RequestBody, limit: Int, _ reserved: Reservation) async throws -> ByteBuffer {
        var collected = ByteBuffer()
        var parts = body.makeAsyncIterator()
        while let part = try await next(&parts) {
            guard collected.readableBytes + part.readableBytes <= limit else { throw Refusal.tooLarge(limit) }
            guard reserved.take(part.readableBytes) else { throw BodyLoad.TooMuch() }
            collected.writeImmutableBuffer(part)
        }
        return collected
    }

    @concurrent private static func next(_ parts: inout RequestBody.AsyncIterator) async throws -> ByteBuffer? {
        do {
            return try await parts.next()
        } catch {
            throw Intake.SenderGone()
        }
    }

    /// The sender; or, when that is a proxy we trust, whom the proxy names last that is no such proxy itself.
    private func remoteAddress(_ request: Request, _ channel: any Channel) -> String {
        let peer = channel.remoteAddress?.ipAddress
        guard peer == nil || trustedProxies.contains(peer ?? "") else { return peer ?? "" }
        let forwarded = request.headers[values: .xForwardedFor].flatMap { $0.split(separator: ",") }
            .map { String($0.filter { $0 != " " && $0 != "\t" }) }
        let named = forwarded.last { !trustedProxies.contains($0) } ?? forwarded.first
        return named.map { SafeText.shown($0, limit: 64) } ?? peer ?? "local"
    }

    private static func head(_ status: HTTPResponse.Status) -> HTTPResponse {
        HTTPResponse(status: status)
    }
}

extension HTTPField.Name {
    /// The name is a token, so it is never nil.
    static let xForwardedFor = HTTPField.Name("X-Forwarded-For") ?? .from
}

extension ResponseWriter {
    @concurrent fileprivate consuming func write(response head: HTTPResponse, text: String) async throws {
        var head = head
        head.headerFields[.contentType] = "text/plain; charset=utf-8"
        head.headerFields[.contentLength] = String(text.utf8.count)
        var body = try await writeHead(head)
        try await body.write(ByteBuffer(string: text))
        try await body.finish(nil)
    }
}

/// Counts the bytes of bodies that are in memory.
final class BodyLoad: Sendable {
    /// Too much is in flight: our own trouble, so 503.
    struct TooMuch: Error, CustomStringConvertible {
        var description: String { "too many bodies are in flight" }
    }

    private let limit: Int
    private let bytes = Mutex(0)

    init(limit: Int) {
        self.limit = limit
    }

    func take(_ count: Int) -> Bool {
        bytes.withLock { bytes in
            guard bytes + count <= limit else { return false }
            bytes += count
            return true
        }
    }

    func give(_ count: Int) {
        bytes.withLock { $0 -= count }
    }
}

/// What one request has taken of the ``BodyLoad``.
private final class Reservation: Sendable {
    private let load: BodyLoad
    private let taken = Mutex(0)

    init(_ load: BodyLoad) {
        self.load = load
    }

    func take(_ count: Int) -> Bool {
        guard load.take(count) else { return false }
        taken.withLock { $0 += count }
        return true
    }

    func release() {
        load.give(
            taken.withLock { count in
                defer { count = 0 }
                return count
            })
    }
}
