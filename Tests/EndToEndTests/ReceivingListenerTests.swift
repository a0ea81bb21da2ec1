import Foundation
import RealParts
import Testing

@Suite(.fewAtOnce) struct ReceivingListenerTests {
    @Test("X-Forwarded-For is believed from a trusted proxy, and there the last address that is none")
    func trustedProxy() async throws {
        let forwarded = ["203.0.113.7": "203.0.113.7", "10.0.0.1, 203.0.113.8": "203.0.113.8", "203.0.113.9, 127.0.0.1": "203.0.113.9"]
        try await withDoor(hooks: "trusted_proxies: [127.0.0.1]") { daemon in
            for (header, address) in forwarded {
                let seen = try await remote(of: header, daemon)
                #expect(seen == address)
            }
        }
    }

    @Test("X-Forwarded-For is not believed from anybody else")
    func untrusted() async throws {
        try await withDoor(hooks: "trusted_proxies: [\"::1\", 10.0.0.1]") { daemon in
            let seen = try await remote(of: "203.0.113.7", daemon)
            #expect(seen == "127.0.0.1")
            #expect(!daemon.standardError.contains("203.0.113.7"))
        }
    }

    @Test("webhooks come in over IPv6, over a socket of the file system and over a list of listeners")
    func addresses() async throws {
        let hooks = "hooks:\n  listen: [127.0.0.1:@PORT@, \"[::1]:@PORT@\", unix:@DIR@/hooks.sock]\n"
        let config = hooks + "accounts:\n  acme: {kind: bitbucket-cloud, hook_secret: credential:hook}\n"
        try await withBittern(config: config, credentials: ["hook": hookSecret]) { daemon in
            let port = daemon.setup.port
            #expect(try await daemon.send(BitternDaemon.goodPush(new: sha("1")), to: "/hooks/acme").status == 200)
            #expect(try await curl("http://[::1]:\(port)/hooks/acme", daemon) == 200)
            let delivery = try BitternDaemon.goodPush(new: sha("2"))
            let request = Request(method: "POST", path: "/hooks/acme", headers: delivery.headers, body: delivery.body)
            #expect(try await request.send(to: .unix(path: daemon.setup.path("hooks.sock"))).status == 200)
            #expect(daemon.standardError.contains("remote=::1"))
        }
    }

    @Test("a TLS listener shows its certificate and speaks nothing else")
    func tls() async throws {
        try await withTemporaryDirectory { directory in
            let certificates = try await Certificates(in: directory.path("tls"))
            let hooks = "tls: {certificate: \(certificates.certificate), key: \(certificates.key)}"
            try await withDoor(hooks: hooks) { daemon in
                let port = daemon.setup.port
                let url = "https://127.0.0.1:\(port)/hooks/acme"
                let accepted = try await curl(url, daemon, "--cacert", certificates.authority)
                #expect(accepted == 202)
                #expect(try await curl(url, daemon) == 0)
                #expect(try await curl("http://127.0.0.1:\(port)/hooks/acme", daemon) == 0)
            }
        }
    }

    @Test("/healthz says ok to whoever gets it")
    func healthz() async throws {
        try await withDoor { daemon in
            let answer = try await daemon.send(method: "GET", path: "/healthz")
            #expect(answer.status == 200)
            #expect(answer.text.trimmingCharacters(in: .newlines) == "ok")
            let connection = try await daemon.connect()
            try await connection.write("HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            let head = String(decoding: try await connection.readToEnd(), as: UTF8.self)
            #expect(head.hasPrefix("HTTP/1.1 200 ") && head.hasSuffix("\r\n\r\n"), "\(head)")
        }
    }

    @Test(
        "a real delivery of Bitbucket Cloud is accepted byte for byte, and refused when its signature is off by one digit",
        .enabled(if: Payloads.exist))
    func realDelivery() async throws {
        let recorded = try Payloads.signedDelivery()
        let config = "accounts:\n  acme: {kind: bitbucket-cloud, hook_secret: credential:hook}\n"
        let app = Site.completed("repository: \(recorded.repository)\nbranches: [\"feature/*\"]\n", "shop")
        try await withBittern(config: config, apps: ["shop": app], credentials: ["hook": recorded.secret]) { daemon in
            var delivery = Delivery.cloud(event: "repo:push", body: recorded.body, secret: nil)
            delivery.headers["X-Hub-Signature"] = recorded.wrongSignature
            #expect(try await daemon.send(delivery, to: "/hooks/acme").status == 401)
            delivery.headers["X-Hub-Signature"] = recorded.signature
            let answer = try await daemon.send(delivery, to: "/hooks/acme")
            #expect(answer.status == 202)
            #expect(answer.results.map(\.ref) == ["refs/heads/feature/webhook"])
            #expect(answer.results.map(\.commit) == ["d7f300a32270053bdfd97a6d64113f58202c33e7"])
        }
    }

    /// The remote address the daemon logs for a delivery with this header.
    private func remote(of forwarded: String, _ daemon: BitternDaemon) async throws -> String {
        var delivery = try CloudPush(repository: "acme/\(Delivery.freshID())").branch("main", new: sha("b")).delivery(secret: hookSecret)
        delivery.headers["X-Forwarded-For"] = forwarded
        let answer = try await daemon.send(delivery, to: "/hooks/acme")
        let number = try #require(answer.delivery)
        let line = try await eventualValue("the log line of delivery \(number)") {
            daemon.standardError.split(separator: "\n").first { $0.contains("delivery=\(number) ") }
        }
        let value = line.split(separator: " ").first { $0.hasPrefix("remote=") || $0.hasPrefix("(remote=") }
        return String(try #require(value).split(separator: "=")[1].filter { $0 != ")" })
    }

    /// The status a delivery gets through curl; 0 where there is no answer.
    private func curl(_ url: String, _ daemon: BitternDaemon, _ options: String...) async throws -> Int {
        let delivery = try BitternDaemon.goodPush(new: sha("9"))
        let headers = delivery.headers.flatMap { ["--header", "\($0.key): \($0.value)"] }
        let command = ["curl", "--silent", "--noproxy", "*", "--output", "/dev/null", "--write-out", "%{http_code}", "--data-binary", "@-"]
        let body = String(decoding: delivery.body, as: UTF8.self)
        let result = try await Shell.run(command + headers + options + [url], input: body)
        return try #require(Int(result.output), "\(result)")
    }
}
