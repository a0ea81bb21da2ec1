import AsyncHTTPClient
import Domain
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// One of the daemon's own hooks listeners, as a forge or a proxy would knock at it.
struct HooksDoor: Sendable {
    private static let patience: TimeAmount = .seconds(10)

    /// For people.
    let name: String
    /// What the socket is bound to; nil: the kernel would not say.
    private let address: SocketAddress?
    private let isTLS: Bool

    init(_ listener: any Listener, isTLS: Bool) {
        name = listener.description
        address = listener.address
        self.isTLS = isTLS
    }

    /// What it answers.
    struct Answer: Sendable {
        let status: Int
        let body: [UInt8]
    }

    /// Sends it a request over this machine's own network.
    ///
    /// - Throws: ``StartError`` when its address is not known; an error that ``WebProbe/phrase(_:)`` has words for.
    func send(_ method: HTTPMethod, _ path: String, headers: [(name: String, value: String)] = [], body: [UInt8]? = nil) async throws
        -> Answer
    {
        guard let url else { throw StartError("the address of \(name) is not known") }
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.httpVersion = .http1Only
        // Its certificate bears the public name, and who it is needs no proof here.
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.certificateVerification = .none
        configuration.tlsConfiguration = tls
        var request = HTTPClientRequest(url: url + path)
        request.method = method
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        request.headers.add(name: "Connection", value: "close")
        if let body { request.body = .bytes(body) }
        let client = HTTPClient(eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton), configuration: configuration)
        do {
            let response = try await client.execute(request, timeout: Self.patience)
            let body = try await response.body.collect(upTo: Self.answerLimit)
            try? await client.shutdown()  // what it says of a connection that is closed is no news
            return Answer(status: Int(response.status.code), body: Array(body.readableBytesView))
        } catch {
            try? await client.shutdown()  // the first error is the one to tell
            throw error
        }
    }

    /// Whether all is well with it.
    func ask() async -> Diagnosis.ListenerAnswer {
        do {
            return .status(try await send(.GET, "/healthz").status)
        } catch {
            return .none(WebProbe.phrase(error))
        }
    }

    private static let answerLimit = 16 << 20

    private var url: String? {
        let scheme = isTLS ? "https" : "http"
        switch address {
        case .v4?, .v6?:
            guard let host = address?.ipAddress, let port = address?.port else { return nil }
            // A listener on every address listens on this one.
            let loopback = ["0.0.0.0": "127.0.0.1", "::": "::1"][host] ?? host
            return "\(scheme)://\(loopback.contains(":") ? "[\(loopback)]" : loopback):\(port)"
        case .unixDomainSocket?:
            guard let path = address?.pathname else { return nil }
            return "\(scheme)+unix://" + path.utf8.map(Self.escaped).joined()
        case nil:
            return nil
        }
    }

    /// A byte of a path where a host name is expected.
    private static func escaped(_ byte: UInt8) -> String {
        let isPlain = (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
        guard !isPlain else { return String(Unicode.Scalar(byte)) }
        return (byte < 0x10 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
    }
}
