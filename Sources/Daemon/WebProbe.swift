import AsyncHTTPClient
import Domain
import Exec
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix

/// Asks apps over HTTP and TCP whether they work.
struct WebProbe: HealthProbe {
    let group: any EventLoopGroup

    private static let configuration: HTTPClient.Configuration = {
        var configuration = HTTPClient.Configuration()
        // A redirect is an answer like any other, and not the one that was asked for.
        configuration.redirectConfiguration = .disallow
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.httpVersion = .http1Only
        return configuration
    }()

    func ask(_ question: Health.Question, within limit: Duration) async -> String? {
        switch question {
        case .url(let url, let status, let headers): await ask(url, status, headers, .nanoseconds(limit.wholeMilliseconds * 1_000_000))
        case .tcp(let host, let port): await connect(host, port, .nanoseconds(limit.wholeMilliseconds * 1_000_000))
        case .run: "there is nobody to ask"
        }
    }

    private func ask(_ url: String, _ status: Int, _ headers: [String: String], _ limit: TimeAmount) async -> String? {
        var request = HTTPClientRequest(url: url)
        request.headers.add(name: "User-Agent", value: "bittern")
        request.headers.add(name: "Connection", value: "close")
        for (name, value) in headers { request.headers.replaceOrAdd(name: name, value: value) }
        // Anew each time: every question is to see the app as it is now, and the body, which is of no interest, goes with the connection.
        let client = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: Self.configuration)
        let trouble: String?
        do {
            let answer = try await client.execute(request, timeout: limit)
            trouble = Int(answer.status.code) == status ? nil : "got \(answer.status.code), wanted \(status)"
        } catch {
            trouble = "got no answer (\(Self.phrase(error))), wanted \(status)"
        }
        try? await client.shutdown()  // what it says of a connection that is closed is no news
        return trouble
    }

    private func connect(_ host: String, _ port: Int, _ limit: TimeAmount) async -> String? {
        do {
            let channel = try await ClientBootstrap(group: group).connectTimeout(limit).connect(host: host, port: port).get()
            try? await channel.close()  // it came about, that was the question
            return nil
        } catch {
            return "\(host):\(port) does not take connections (\(Self.phrase(error)))"
        }
    }

    /// Why there was no answer.
    static func phrase(_ error: any Error) -> String {
        switch error {
        case let error as IOError: String(cString: strerror(error.errnoCode)).lowercased()
        case let error as NIOConnectionError:
            error.connectionErrors.first.map { phrase($0.error) } ?? "it could not be found"
        case ChannelError.connectTimeout: "it took too long"
        case let error as HTTPClientError where error == .deadlineExceeded || error == .connectTimeout || error == .readTimeout:
            "it took too long"
        default: SafeText.shown("\(error)", limit: 100)
        }
    }
}
