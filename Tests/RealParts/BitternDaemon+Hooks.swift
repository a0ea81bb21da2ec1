extension BitternDaemon {
    /// The hooks listener.
    package var hooks: SocketAddress { .loopback(port: setup.port) }

    /// The control socket.
    package var control: SocketAddress { .unix(path: setup.controlSocket) }

    /// Posts a delivery to the hooks listener, as `to: "/hooks/acme"`; slowly, where a pace is given.
    package func send(_ delivery: Delivery, to path: String, pace: Pace? = nil) async throws -> Answer {
        try await send(method: "POST", path: path, headers: delivery.headers, body: delivery.body, pace: pace)
    }

    /// Sends any request to the hooks listener.
    package func send(
        method: String,
        path: String,
        headers: [String: String] = [:],
        body: [UInt8] = [],
        pace: Pace? = nil
    ) async throws -> Answer {
        try await Request(method: method, path: path, headers: headers, body: body).send(to: hooks, pace: pace)
    }

    /// A raw connection to the hooks listener.
    package func connect() async throws -> LoopbackConnection {
        try await LoopbackConnection.open(to: hooks)
    }
}
