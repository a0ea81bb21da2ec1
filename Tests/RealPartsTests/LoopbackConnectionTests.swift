import Foundation
import Synchronization
import Testing

@testable import RealParts

@Suite struct LoopbackConnectionTests {
    @Test("a request arrives whole, also in pieces, and its answer is read", arguments: [nil, Pace(bytes: 7, pause: .milliseconds(1))])
    func request(pace: Pace?) async throws {
        try await withCannedServer(answering: Self.refusal) { server, address in
            let request = Request(method: "POST", path: "/hooks/acme", headers: ["X-Event-Key": "repo:push"], body: Array("{}".utf8))
            let answer = try await request.send(to: address, pace: pace)
            #expect(answer.status == 413)
            #expect(answer.error == "too long")
            try await eventually("the whole request") { server.received == request.bytes }
            let text = String(decoding: server.received, as: UTF8.self)
            #expect(text.hasPrefix("POST /hooks/acme HTTP/1.1\r\nX-Event-Key: repo:push\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n"))
        }
    }

    @Test("an answer that comes before all was sent is read all the same")
    func early() async throws {
        try await withCannedServer(answering: Self.refusal, reading: 10) { _, address in
            let request = Request(method: "POST", path: "/", body: [UInt8](repeating: 0x20, count: 16 << 20))
            let answer = try await request.send(to: address)
            #expect(answer.status == 413)
        }
    }

    @Test("a connection that is closed without an answer is an error")
    func noAnswer() async throws {
        try await withCannedServer(answering: "HTTP/1.1 200 OK\r\nContent-Le") { _, address in
            let connection = try await LoopbackConnection.open(to: address)
            try await connection.write("GET / HTTP/1.1\r\n\r\n")
            connection.finishWriting()
            await #expect(throws: NoAnswer.self) { try await connection.readAnswer() }
        }
    }

    @Test("a server that says nothing is not waited for longer than the limit")
    func silence() async throws {
        try await withTemporaryDirectory { directory in
            let address = SocketAddress.unix(path: directory.path("silent.sock"))
            let descriptor = try address.makeSocket(SOCK_STREAM)
            defer { close(descriptor) }
            try #require(try address.withPointer { bind(descriptor, $0, $1) } == 0 && listen(descriptor, 1) == 0)
            let connection = try await LoopbackConnection.open(to: address)
            let failure = await #expect(throws: SystemFailure.self) { try await connection.readAnswer(within: .milliseconds(50)) }
            #expect(failure?.code == EAGAIN)
        }
    }

    @Test("ports are free and never the same")
    func ports() async throws {
        let ports = try (0..<50).map { _ in try FreePort.next() }
        #expect(Set(ports).count == 50)
        await #expect(throws: SystemFailure.self) { try await LoopbackConnection.open(to: .loopback(port: ports[0])) }
    }

    private static let refusal = "HTTP/1.1 413 Too Long\r\nContent-Length: 20\r\n\r\n{\"error\":\"too long\"}"

    /// Serves one connection: reads to the end of a request (or a number of bytes), answers, closes.
    private func withCannedServer(
        answering answer: String,
        reading count: Int? = nil,
        _ body: (CannedServer, SocketAddress) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let address = SocketAddress.unix(path: directory.path("canned.sock"))
            let server = try CannedServer(address: address, answer: answer, count: count)
            try await body(server, address)
        }
    }
}

/// Takes one connection and always says the same.
private final class CannedServer: Sendable {
    private let bytes = Mutex<[UInt8]>([])

    var received: [UInt8] { bytes.withLock { $0 } }

    init(address: SocketAddress, answer: String, count: Int?) throws {
        let listener = try address.makeSocket(SOCK_STREAM)
        try #require(try address.withPointer { bind(listener, $0, $1) } == 0 && listen(listener, 1) == 0)
        Thread.detachNewThread { [self] in
            let connection = accept(listener, nil, nil)
            var buffer = [UInt8](repeating: 0, count: 10)
            while !isWhole(count) {
                let got = recv(connection, &buffer, buffer.count, 0)
                if got <= 0 { break }
                bytes.withLock { $0 += buffer.prefix(got) }
            }
            send(connection, answer, answer.utf8.count, Int32(MSG_NOSIGNAL))
            close(connection)
            close(listener)
        }
    }

    private func isWhole(_ count: Int?) -> Bool {
        let received = received
        if let count { return received.count >= count }
        return String(decoding: received, as: UTF8.self).hasSuffix("\r\n\r\n{}")
    }
}
