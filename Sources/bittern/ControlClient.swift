import ArgumentParser
import AsyncHTTPClient
import ControlAPI
import Domain
import FoundationEssentials
import Glibc
import NIOCore
import NIOHTTP1

/// Where the daemon is asked, and how the answer is shown: the options of every command that reads.
struct ReadOptions: ParsableArguments {
    @OptionGroup var connection: ConnectionOptions

    @Flag(help: "Print JSON instead of text for people.")
    var json = false
}

struct ConnectionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The daemon's control socket.",
            discussion:
                "Default: $BITTERN_SOCKET, or /run/bittern/control.sock; without root, where that is missing, $XDG_RUNTIME_DIR/bittern/control.sock.",
            valueName: "path"), completion: .file())
    var socket: String?

    /// `--socket`, `$BITTERN_SOCKET`, the packaged place, and for an ordinary user without one their own.
    var path: String {
        socket ?? Self.usualPath
    }

    /// Where nobody says another one.
    static var usualPath: String {
        if let named = getenv("BITTERN_SOCKET"), named.pointee != 0 { return String(cString: named) }
        let packaged = "/run/bittern/control.sock"
        if geteuid() != 0, access(packaged, F_OK) != 0, let runtime = getenv("XDG_RUNTIME_DIR"), runtime.pointee != 0 {
            return String(cString: runtime) + "/bittern/control.sock"
        }
        return packaged
    }
}

/// Asks the daemon over its control socket.
struct ControlClient {
    /// Whatever the daemon says about itself is far smaller.
    private static let replyLimit = 256 << 20

    let socket: String
    private let patience: Duration?

    /// When whoever waits is told so. Where the service manager holds the socket anybody may connect, also while no daemon comes up.
    private static let silence: Duration = .seconds(3)

    /// - Parameter patience: how long the daemon may take until its answer begins; nil: as long as it likes.
    init(_ options: ConnectionOptions, patience: Duration? = .seconds(60)) {
        self.init(socket: options.path, patience: patience)
    }

    init(socket: String, patience: Duration?) {
        self.socket = socket
        self.patience = patience
    }

    /// The reply as the daemon wrote it.
    func get(_ path: ControlPath) async throws -> Data {
        try await withResponse(HTTPClientRequest(url: url(path.text)), Self.collect)
    }

    private static func collect(_ body: HTTPClientResponse.Body) async throws -> Data {
        var data = Data()
        for try await part in body {
            guard data.count + part.readableBytes <= replyLimit else { throw Failure(.failed, "the daemon's answer is too long") }
            data.append(contentsOf: part.readableBytesView)
        }
        return data
    }

    func get<Reply: Decodable>(_ path: ControlPath, as type: Reply.Type) async throws -> Reply {
        try ReplyCoding.decode(type, from: try await get(path))
    }

    /// Has the daemon do something; the reply as it wrote it.
    ///
    /// - Parameter isAwaited: the answer comes when somebody has done something elsewhere, so nobody wonders why it does not.
    func post(_ order: ControlOrder, isAwaited: Bool = false) async throws -> Data {
        var request = HTTPClientRequest(url: url(order.path))
        request.method = .POST
        if let body = order.body { request.body = .bytes(Array(try ReplyCoding.encode(body))) }
        return try await withResponse(request, isAwaited: isAwaited, Self.collect)
    }

    /// A reply that goes on for as long as it likes.
    func stream(_ path: ControlPath, _ receive: ([UInt8]) async throws -> Void) async throws {
        try await withResponse(HTTPClientRequest(url: url(path.text))) { body in
            for try await part in body { try await receive(Array(part.readableBytesView)) }
        }
    }

    private func withResponse<Result>(
        _ request: HTTPClientRequest, isAwaited: Bool = false, _ body: (HTTPClientResponse.Body) async throws -> Result
    ) async throws -> Result {
        try checkSocket()
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        let client = HTTPClient(configuration: configuration)
        do {
            let response = try await response(to: request, isAwaited: isAwaited, by: client)
            guard response.status == .ok else {
                let data = try await response.body.collect(upTo: 1 << 20)
                let reply = try? ReplyCoding.decode(ErrorReply.self, from: Data(data.readableBytesView))  // no JSON: the code says it
                reply?.problems?.forEach { Terminal.tell(SafeText.shown($0)) }
                throw Failure(Self.status(of: response.status), reply?.error ?? "the daemon answered \(response.status.code)")
            }
            let result = try await body(response.body)
            try await client.shutdown()
            return result
        } catch {
            try? await client.shutdown()  // the first error is the one to tell
            if error is Failure { throw error }
            if error as? HTTPClientError == .deadlineExceeded, let patience {
                throw Failure(
                    .noDaemon,
                    "the daemon did not answer on \(socket) within \(patience.inWords); systemctl status bittern says what it does")
            }
            throw Failure(.noDaemon, "the daemon stopped answering on \(socket): \(error)")
        }
    }

    /// The head of its answer.
    private func response(to request: HTTPClientRequest, isAwaited: Bool, by client: HTTPClient) async throws -> HTTPClientResponse {
        let reminder = Task {
            try await Task.sleep(for: isAwaited ? .seconds(3600) : Self.silence)  // cancelled by the answer
            Terminal.tell("bittern: the daemon has not answered yet; systemctl status bittern says what it does")
        }
        defer { reminder.cancel() }
        let deadline = patience.map { NIODeadline.now() + .milliseconds($0.wholeMilliseconds) }
        return try await client.execute(request, deadline: deadline ?? .distantFuture)
    }

    private static func status(of answer: HTTPResponseStatus) -> ExitStatus {
        switch answer {
        case .notFound: .notFound
        case .unprocessableEntity: .usage
        default: .failed
        }
    }

    /// Says why nobody answers in the kernel's own terms.
    private func checkSocket() throws {
        let address: SocketAddress
        do {
            address = try SocketAddress(unixDomainSocketPath: socket)
        } catch {
            throw Failure(.usage, "\(socket) is too long for a socket's path")
        }
        let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        guard address.withSockAddr({ connect(descriptor, $0, socklen_t($1)) }) != 0 else { return }
        switch errno {
        case EACCES:
            throw Failure(.failed, "you may not use \(socket); its group may (sudo, or become a member)")
        case ENOENT, ECONNREFUSED:
            throw Failure(.noDaemon, "the daemon does not run (nobody answers on \(socket)); start it with: systemctl start bittern")
        default:
            throw Failure(.noDaemon, "the daemon does not answer on \(socket): \(String(cString: strerror(errno)))")
        }
    }

    private func url(_ path: String) -> String {
        let host = socket.utf8.map { byte -> String in
            let isPlain = (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
            let hex = String(byte, radix: 16, uppercase: true)
            return isPlain ? String(UnicodeScalar(byte)) : "%" + (hex.count < 2 ? "0" : "") + hex
        }.joined()
        return "http+unix://" + host + path
    }
}

extension ReadOptions {
    /// Has the daemon do something and prints its answer as JSON or, through `text`, for people.
    @discardableResult
    func order<Reply: Decodable>(_ order: ControlOrder, as type: Reply.Type, text: (Reply) -> String) async throws -> Reply {
        let data = try await ControlClient(connection).post(order)
        let reply = try ReplyCoding.decode(type, from: data)
        if json {
            Terminal.write(Array(data) + [0x0A])
        } else {
            Terminal.print(text(reply))
        }
        return reply
    }

    /// Asks once and prints the answer as JSON or, through `text`, for people.
    ///
    /// - Parameter patience: how long the daemon may take; nil: as long as it likes.
    func show<Reply: Decodable>(
        _ path: ControlPath, as type: Reply.Type, patience: Duration? = .seconds(60), text: (Reply) -> String
    ) async throws {
        let data = try await ControlClient(connection, patience: patience).get(path)
        if json {
            Terminal.write(Array(data) + [0x0A])
        } else {
            Terminal.print(text(try ReplyCoding.decode(type, from: data)))
        }
    }
}
