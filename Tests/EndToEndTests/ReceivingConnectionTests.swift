import Foundation
import RealParts
import Testing

@Suite(.fewAtOnce) struct ReceivingConnectionTests {
    @Test("a connection serves one request after the other, also when they are sent all at once")
    func keepAlive() async throws {
        try await withDoor { daemon in
            let connection = try await daemon.connect()
            for digit: Character in ["1", "2"] {
                try await connection.write(try request(digit))
                #expect(try await connection.readAnswer().results.map(\.commit) == [sha(digit)])
            }
            let digits: [Character] = ["3", "4", "5", "6"]
            try await connection.write(try digits.flatMap { try request($0) })
            for digit in digits { #expect(try await connection.readAnswer().results.map(\.commit) == [sha(digit)]) }
            try await connection.write("GET /hooks/acme HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(try await connection.readAnswer().status == 405)
            try await connection.write(try request("7"))
            #expect(try await connection.readAnswer().results.map(\.commit) == [sha("7")])
        }
    }

    @Test("a sender that closes his half behind the request gets his answer, and the connection ends")
    func halfClosed() async throws {
        try await withDoor { daemon in
            let connection = try await daemon.connect()
            try await connection.write(try request("1"))
            connection.finishWriting()
            #expect(try await connection.readAnswer().status == 202)
            #expect(try await connection.readToEnd().isEmpty)
        }
    }

    @Test("what is sent ahead is answered in its order, whatever comes of each, and to its end")
    func sentAhead() async throws {
        try await withDoor { daemon in
            let connection = try await daemon.connect()
            let refused = "POST /hooks/nobody HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n{} "
            let health = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
            let first = try request("1")
            let second = try request("2")
            try await connection.write(first + Array(refused.utf8) + Array(health.utf8) + second + Array("rubbish\r\n\r\n".utf8))
            connection.finishWriting()
            for status in [202, 404, 200, 202, 400] { #expect(try await connection.readAnswer().status == status) }
            #expect(try await connection.readToEnd().isEmpty)
        }
    }

    @Test("a sender that has had his last answer is not heard any more")
    func lastAnswer() async throws {
        try await withDoor { daemon in
            let connection = try await daemon.connect()
            let last = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            let ahead = try request("1")
            try await connection.write(Array(last.utf8) + ahead)
            #expect(try await connection.readAnswer().status == 200)
            #expect(try await connection.readToEnd().isEmpty)
            #expect(try await daemon.json("jobs").array.isEmpty)
        }
    }

    @Test("a daemon that stops lets go of a connection on which nothing is asked, and answers a request that has begun")
    func stopping() async throws {
        try await withDoor { daemon in
            let idle = try await daemon.connect()
            try await idle.write(try request("1"))
            #expect(try await idle.readAnswer().status == 202)
            let busy = try await daemon.connect()
            let bytes = try request("2")
            try await busy.write(Array(bytes.dropLast()))
            // Both connections are known to the daemon when a third has its answer.
            let other = try await daemon.connect()
            try await other.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(try await other.readAnswer().status == 200)
            daemon.send(signal: SIGTERM)
            #expect(try await idle.readToEnd().isEmpty)
            try await busy.write(Array(bytes.suffix(1)))
            let answer = try await busy.readAnswer()
            #expect(answer.status == 202 && answer.headers["connection"] == "close")
            #expect(try await busy.readToEnd().isEmpty)
            #expect(try await daemon.waitForExit() == 0)
        }
    }

    @Test("a sender that asks for the end of the connection has it after his answer", arguments: ["HTTP/1.1", "HTTP/1.0"])
    func closing(version: String) async throws {
        try await withDoor { daemon in
            let connection = try await daemon.connect()
            let ask = version == "HTTP/1.1" ? "Connection: close\r\n" : ""
            try await connection.write("GET /healthz \(version)\r\nHost: x\r\n\(ask)\r\n")
            let answer = try await connection.readAnswer()
            #expect(answer.status == 200 && answer.headers["connection"] == "close")
            #expect(try await connection.readToEnd().isEmpty)
        }
    }

    @Test("a refused body that goes on coming does not cost the sender his answer")
    func refusedInTheMiddle() async throws {
        try await withDoor(hooks: "body_limit: 64K") { daemon in
            let connection = try await daemon.connect()
            let size = 4 << 20
            try await connection.write(
                "POST /hooks/acme HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: \(size)\r\n\r\n")
            try await connection.write([UInt8](repeating: 0x20, count: size))
            #expect(try await connection.readAnswer().status == 413)
        }
    }

    @Test("what is no HTTP, or ambiguous, or too much of it, is refused and harms nothing")
    func garbage() async throws {
        try await withDoor { daemon in
            let push = try BitternDaemon.goodPush()
            let lines = push.headers.map { "\($0.key): \($0.value)\r\n" }.joined()
            let head = "POST /hooks/acme HTTP/1.1\r\nHost: x\r\n" + lines
            let body = String(decoding: push.body, as: UTF8.self)
            let requests = [
                "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\r\n\r\n", "hello\r\n\r\n", "POST\r\n\r\n", "POST /hooks/acme HTTP/9.9\r\n\r\n",
                head + "Content-Length: -1\r\n\r\n" + body, head + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + body,
                head + "Content-Length: \(push.body.count)\r\nTransfer-Encoding: chunked\r\n\r\n" + body,
                head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + body,
                head + "X-Big: \(String(repeating: "a", count: 64 << 10))\r\n\r\n",
                head + (0..<2000).map { "X-\($0): a\r\n" }.joined() + "\r\n",
            ]
            for request in requests {
                let connection = try await daemon.connect()
                // The server may have refused and gone before it was sent all.
                try? await connection.write(request)
                connection.finishWriting()
                let received = String(decoding: try await connection.readToEnd(), as: UTF8.self)
                #expect(
                    received.isEmpty || received.hasPrefix("HTTP/1.1 4"), "\(request.replacing(lines, with: "").prefix(100)): \(received)")
            }
            #expect(try await daemon.json("jobs").array.isEmpty)
            #expect(try await daemon.send(method: "GET", path: "/healthz").status == 200)
            #expect(try await daemon.send(push, to: "/hooks/acme").status == 202)
        }
    }

    @Test("three hundred deliveries at once are all answered and stored once each")
    func crowd() async throws {
        let count = 300
        try await withDoor(app: "branches: [\"**\"]\n") { daemon in
            let deliveries = try (0..<count).map { try BitternDaemon.goodPush(to: "b/\($0)") }
            let first = try await all(deliveries, to: daemon)
            #expect(first.allSatisfy { $0.status == 202 })
            #expect(Set(first.compactMap(\.delivery)).count == count)
            #expect(Set(first.compactMap { $0.results.first?.job }).count == count)
            let second = try await all(deliveries, to: daemon)
            #expect(second.map(\.duplicateOf) == first.map(\.delivery))
            let jobs = try await daemon.json("jobs", "--limit", "1000").array
            #expect(jobs.count == count)
            #expect(Set(jobs.compactMap { $0["ref"].string }) == Set((0..<count).map { "refs/heads/b/\($0)" }))
        }
    }

    @Test("while too much is in flight a delivery is answered 503 with Retry-After, and taken when there is room again")
    func tooMuch() async throws {
        try await withDoor(hooks: "body_limit: 64M") { daemon in
            let body = Array("{}".utf8) + [UInt8](repeating: 0x20, count: 16 << 20)
            let large = Delivery.cloud(event: "repo:fork", body: body, secret: hookSecret)
            let length = "Content-Type: application/json\r\nContent-Length: \(64 << 20)\r\n\r\n"
            let answer = try await eventualValue("503") {
                // On a busy machine the time of one may be up before its body is there, and its room is free again.
                let hog = try await daemon.connect()
                try? await hog.write("POST /hooks/acme HTTP/1.1\r\nHost: x\r\n" + length)
                try? await hog.write([UInt8](repeating: 0x20, count: 63 << 20))
                let answer = try await daemon.send(large, to: "/hooks/acme")
                withExtendedLifetime(hog) {}
                return answer.status == 503 ? answer : nil
            }
            #expect(answer.headers["retry-after"].flatMap { Int($0) } != nil)
            #expect(answer.error?.isEmpty == false)
            try await eventually("room") { try await daemon.send(large, to: "/hooks/acme").status == 200 }
        }
    }

    private func request(_ digit: Character) throws -> [UInt8] {
        let push = try BitternDaemon.goodPush(new: sha(digit))
        return Request(
            method: "POST", path: "/hooks/acme", headers: push.headers.merging(["Connection": "keep-alive"]) { $1 }, body: push.body
        )
        .bytes
    }

    private func all(_ deliveries: [Delivery], to daemon: BitternDaemon) async throws -> [Answer] {
        try await withThrowingTaskGroup { group in
            for (number, delivery) in deliveries.enumerated() {
                group.addTask { (number, try await daemon.send(delivery, to: "/hooks/acme")) }
            }
            var answers: [Int: Answer] = [:]
            for try await (number, answer) in group { answers[number] = answer }
            return deliveries.indices.compactMap { answers[$0] }
        }
    }
}
