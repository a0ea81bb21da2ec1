/// An HTTP request as it goes over the wire.
package struct Request: Sendable {
    package var method: String
    package var path: String
    /// `Host`, `Content-Length` and `Connection: close` are added where they are not among them.
    package var headers: [String: String]
    package var body: [UInt8]

    package init(method: String, path: String, headers: [String: String] = [:], body: [UInt8] = []) {
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
    }

    /// Head and body.
    package var bytes: [UInt8] {
        var lines = ["\(method) \(path) HTTP/1.1"]
        lines += headers.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
        let names = Set(headers.keys.map { $0.lowercased() })
        let usual = [("Host", "127.0.0.1"), ("Content-Length", "\(body.count)"), ("Connection", "close")]
        lines += usual.filter { !names.contains($0.0.lowercased()) }.map { "\($0.0): \($0.1)" }
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + body
    }

    /// Sends it over a connection of its own and reads the answer, also one that comes before all was sent.
    package func send(to address: SocketAddress, pace: Pace? = nil, within limit: Duration = .seconds(30)) async throws -> Answer {
        let connection = try await LoopbackConnection.open(to: address)
        do {
            try await connection.write(bytes, pace: pace, within: limit)
        } catch let failure as SystemFailure where failure.isClosedByPeer {
            // A server may refuse a request before it has read all of it; its reason is still there to be read.
        }
        return try await connection.readAnswer(within: limit)
    }
}
