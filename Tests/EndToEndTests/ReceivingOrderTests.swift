import RealParts
import Testing

/// Where several answers apply, the first of 404, 405, 415, 413, ping, 401, 400 is given.
@Suite(.fewAtOnce) struct ReceivingOrderTests {
    private let order = [404, 405, 415, 413, 401]

    /// A request that is wrong in every way from one status of the list on; all up to 413 would be pings too.
    private func request(from first: Int) throws -> Request {
        let place = try #require(order.firstIndex(of: first))
        return Request(
            method: place <= 1 ? "GET" : "POST",
            path: place == 0 ? "/hooks/nobody" : "/hooks/dc",
            headers: [
                "Content-Type": place <= 2 ? "text/plain" : "application/json",
                "X-Event-Key": place <= 3 ? "diagnostics:ping" : "repo:refs_changed",
                "X-Hub-Signature": "sha256=" + String(repeating: "0", count: 64),
            ],
            body: place <= 3 ? [UInt8](repeating: 0x7B, count: 2000) : Array("{".utf8)
        )
    }

    @Test("the first of 404, 405, 415, 413, 401 is given of all that apply")
    func firstOfAll() async throws {
        try await withDoor(hooks: "body_limit: 1K") { daemon in
            for status in order {
                let answer = try await request(from: status).send(to: daemon.hooks)
                #expect(answer.status == status)
            }
        }
    }

    @Test("a connection test is one whatever its signature and body are, and 401 comes before 400")
    func pingFirst() async throws {
        try await withDoor { daemon in
            var ping = Delivery.dataCenterPing()
            ping.body = Array("{".utf8)
            ping.headers["X-Hub-Signature"] = "sha1=nonsense"
            let answer = try await daemon.send(ping, to: "/hooks/dc")
            #expect(answer.status == 200)
            ping.headers["Content-Type"] = "text/plain"
            #expect(try await daemon.send(ping, to: "/hooks/dc").status == 415)
            let unsigned = Delivery.cloud(event: "repo:push", body: Array("{".utf8), secret: nil)
            #expect(try await daemon.send(unsigned, to: "/hooks/acme").status == 401)
            #expect(try await daemon.send(unsigned.signed(with: hookSecret), to: "/hooks/acme").status == 400)
        }
    }
}
