import Foundation
import RealParts
import Testing

@Suite(.fewAtOnce) struct ReceivingRefusalTests {
    @Test("what is no JSON, or not shaped like its event, or has no event, is answered 400")
    func malformed() async throws {
        try await withDoor { daemon in
            let bodies = [
                "hello", "", "{", "[]", "{}", #"{"push": {"changes": {}}, "repository": {"full_name": "acme/shop"}}"#,
                #"{"push": {"changes": [1]}, "repository": {"full_name": "acme/shop"}}"#, #"{"push": {"changes": []}, "repository": {}}"#,
            ]
            for body in bodies {
                let cloud = Delivery.cloud(event: "repo:push", body: Array(body.utf8), secret: hookSecret)
                try await daemon.refuses(cloud, with: 400, body)
                let dataCenter = Delivery.dataCenter(event: "repo:refs_changed", body: Array(body.utf8), secret: hookSecret)
                try await daemon.refuses(dataCenter, to: "/hooks/dc", with: 400, body)
            }
            try await daemon.refuses(.cloud(event: "issue:created", body: Array("{".utf8), secret: hookSecret), with: 400, "other event")
            var eventless = try BitternDaemon.goodPush()
            eventless.headers["X-Event-Key"] = nil
            try await daemon.refuses(eventless, with: 400, "no event")
        }
    }

    @Test("the Post Webhooks add-on is told to use Bitbucket's own webhooks")
    func addOn() async throws {
        try await withDoor { daemon in
            var delivery = try BitternDaemon.goodPush()
            delivery.headers["X-Bitbucket-Type"] = "server"
            for path in ["/hooks/acme", "/hooks/dc"] {
                let error = try await daemon.refuses(delivery, to: path, with: 400, path)
                #expect(error.contains("use Bitbucket's own webhooks"))
            }
        }
    }

    @Test("a signature that is missing, malformed or wrong is answered 401")
    func signatures() async throws {
        try await withDoor { daemon in
            let good = try BitternDaemon.goodPush()
            let right = Signature.header(for: good.body, secret: hookSecret)
            let hex = String(right.dropFirst("sha256=".count))
            let bad: [String?] = [
                nil, "", hex, "sha1=\(hex.prefix(40))", "sha1=\(hex)", "sha256=\(hex.dropLast())", "\(right)0", "sha256=", "sha256 \(hex)",
                "SHA256=\(hex)", "sha256=\(hex.dropLast())g", "\(right), \(right)", "sha512=\(hex)\(hex)",
                Signature.header(for: good.body, secret: hookSecret + "x"), Signature.header(for: good.body + [0x20], secret: hookSecret),
                Signature.header(for: good.body, secret: ""), "sha256=" + String(repeating: "0", count: 64),
            ]
            for signature in bad {
                var delivery = good
                delivery.headers["X-Hub-Signature"] = signature
                try await daemon.refuses(delivery, with: 401, signature ?? "none")
            }
            #expect(try await daemon.json("jobs").array.isEmpty)
            #expect(try await daemon.send(good, to: "/hooks/acme").status == 202)
        }
    }

    @Test("either of two hook secrets will do while one is being rotated")
    func rotation() async throws {
        let config = "accounts:\n  acme: {kind: bitbucket-cloud, hook_secret: [credential:new, credential:old]}\n"
        let secrets = ["new": "0123456789abcdef-new", "old": "0123456789abcdef-old"]
        try await withBittern(config: config, credentials: secrets) { daemon in
            for secret in secrets.values {
                let push = try CloudPush(repository: "acme/shop").branch("main", new: sha("b")).delivery(secret: secret)
                #expect(try await daemon.send(push, to: "/hooks/acme").status == 200)
            }
            let push = try CloudPush(repository: "acme/shop").branch("main", new: sha("b")).delivery(secret: "0123456789abcdef-gone")
            try await daemon.refuses(push, with: 401, "a third secret")
        }
    }

    @Test("nothing is served but webhooks and /healthz")
    func notFound() async throws {
        try await withDoor { daemon in
            let paths = [
                "/", "/hooks", "/hooks/", "/hooks/nobody", "/hooks/ACME", "/hooks/acme/", "/hooks/acme/shop", "/hooks/acme/shop/x",
                "/metrics", "/status", "/jobs", "/oauth/callback", "/hooks/../healthz", "//hooks/acme", "/hooks/%61cme/shop", "/healthz/x",
            ]
            for path in paths {
                try await daemon.refuses(BitternDaemon.goodPush(), to: path, with: 404, path)
                let got = try await daemon.send(method: "GET", path: path)
                #expect(got.status == 404, "GET \(path)")
            }
        }
    }

    @Test("any method but POST is answered 405 with Allow")
    func methods() async throws {
        try await withDoor { daemon in
            for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"] {
                let answer = try await daemon.send(method: method, path: "/hooks/acme")
                #expect(answer.status == 405, "\(method)")
                #expect(answer.headers["allow"] == "POST", "\(method)")
                #expect(answer.error?.isEmpty == false, "\(method)")
            }
        }
    }

    @Test("only the media type application/json is taken, with any parameter and in any case")
    func mediaTypes() async throws {
        try await withDoor { daemon in
            let refused: [String?] = [
                nil, "", "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "application/json-patch+json",
            ]
            for type in refused {
                var delivery = try BitternDaemon.goodPush()
                delivery.headers["Content-Type"] = type
                try await daemon.refuses(delivery, with: 415, type ?? "none")
            }
            let taken = [
                "application/json", "application/json; charset=utf-8", "APPLICATION/JSON;CHARSET=UTF-8", "application/json ; x=\"y\"",
            ]
            for (number, type) in taken.enumerated() {
                var delivery = try BitternDaemon.goodPush(new: sha(Character("\(number + 1)")))
                delivery.headers["Content-Type"] = type
                #expect(try await daemon.send(delivery, to: "/hooks/acme").status == 202, "\(type)")
            }
        }
    }

    @Test("a body over the limit is answered 413, whether or not its size is announced")
    func tooLarge() async throws {
        try await withDoor(hooks: "body_limit: 1K") { daemon in
            let full = Array("{}".utf8) + [UInt8](repeating: 0x20, count: 1022)
            let fits = Delivery.cloud(event: "repo:fork", body: full, secret: hookSecret)
            #expect(try await daemon.send(fits, to: "/hooks/acme").status == 200)
            let over = Delivery.cloud(event: "repo:fork", body: full + [0x20], secret: hookSecret)
            try await daemon.refuses(over, with: 413, "announced")
            // Announced only: the answer does not wait for a body.
            let announced = try await daemon.connect()
            try await announced.write(head(over) + "Content-Length: 3000000\r\n\r\n")
            #expect(try await announced.readAnswer().status == 413)
            let chunked = try await daemon.connect()
            try await chunked.write(head(over) + "Transfer-Encoding: chunked\r\n\r\n401\r\n")
            try await chunked.write(over.body)
            #expect(try await chunked.readAnswer().status == 413)
            let chunkedThatFits = try await daemon.connect()
            try await chunkedThatFits.write(head(fits) + "Transfer-Encoding: chunked\r\n\r\n400\r\n")
            try await chunkedThatFits.write(fits.body + Array("\r\n0\r\n\r\n".utf8))
            #expect(try await chunkedThatFits.readAnswer().status == 200)
        }
    }

    @Test("of many refused deliveries from one address ten are logged")
    func flood() async throws {
        try await withDoor { daemon in
            var unsigned = try BitternDaemon.goodPush()
            unsigned.headers["X-Hub-Signature"] = nil
            for _ in 0..<15 { #expect(try await daemon.send(unsigned, to: "/hooks/acme").status == 401) }
            let good = try await daemon.send(BitternDaemon.goodPush(), to: "/hooks/acme")
            try await eventually("the log line of what came last") { daemon.standardError.contains("delivery=\(good.delivery ?? "") ") }
            #expect(daemon.standardError.split(separator: "\n").filter { $0.contains(" 401") }.count == 10)
        }
    }

    /// The head of a delivery without the empty line at its end and without a length.
    private func head(_ delivery: Delivery) -> String {
        "POST /hooks/acme HTTP/1.1\r\nHost: x\r\n" + delivery.headers.map { "\($0.key): \($0.value)\r\n" }.joined()
    }
}

extension BitternDaemon {
    /// Sends a delivery that must be refused with this status and one decent sentence, and gives the sentence.
    @discardableResult
    func refuses(_ delivery: Delivery, to path: String = "/hooks/acme", with status: Int, _ what: String) async throws -> String {
        let answer = try await send(delivery, to: path)
        #expect(answer.status == status, "\(what): \(answer)")
        let body = try answer.decode([String: String].self)
        let error = try #require(body["error"], "\(what)")
        #expect(body.count == 1 && !error.isEmpty && !error.contains("\n"), "\(what): \(answer)")
        let taboo = [setup.directory, "/var/", "/etc/", hookSecret, "0.1.0", "ummingbird", "wift", "NIO", "Error("]
        let all = answer.text + answer.headers.values.joined(separator: "\n")
        #expect(!taboo.contains { all.contains($0) }, "\(what): \(answer)")
        #expect(answer.headers["retry-after"] == nil, "\(what)")
        return error
    }
}
