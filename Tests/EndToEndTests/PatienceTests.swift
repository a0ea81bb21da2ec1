import RealParts
import Testing

/// What takes its time by design; meanwhile nothing of it needs a processor.
@Suite struct PatienceTests {
    @Test("a request that does not arrive whole within 10 s is given up, however steadily it drips")
    func dripping() async throws {
        try await withDoor { daemon in
            let push = try BitternDaemon.goodPush()
            let request = Request(method: "POST", path: "/hooks/acme", headers: push.headers, body: push.body).bytes
            let head = Array(request.dropLast(push.body.count))
            async let inHead = dripped(after: [], request, daemon)
            async let inBody = dripped(after: head, push.body, daemon)
            async let silent = dripped(after: Array("POST /hooks/acme HTTP/1.1\r\n".utf8), [], daemon)
            for received in try await [inHead, inBody, silent] {
                let text = String(decoding: received, as: UTF8.self)
                #expect(received.isEmpty || text.hasPrefix("HTTP/1.1 408"), "\(text)")
            }
            #expect(try await daemon.json("jobs").array.isEmpty)
            #expect(try await daemon.send(push, to: "/hooks/acme").status == 202)
        }
    }

    @Test("a commit that does not appear on its branch within 30 s fails the job")
    func neverAppears() async throws {
        try await withSite { site in
            let old = try await site.origin.commit(files: ["a": "1"])
            let answer = try await site.deliver(CloudPush(repository: "acme/shop").branch("main", old: old, new: sha("b")))
            let number = try #require(answer.results.first?.job)
            let job = try await site.runToEnd(number, within: .seconds(90))
            #expect(job.state == "failed")
            #expect(job.reason.contains(sha("b").prefix(7)) && job.reason.contains("never appeared on refs/heads/main"), "\(job.reason)")
            // What the branch does hold is looked at all the same, and it had no job yet.
            #expect(try await site.runToEnd(number + 1).state == "succeeded")
            #expect(try site.live("REVISION") == old + "\n")
        }
    }

    @Test("a repository that cannot be reached is tried again a few times, and then fails the fetch with a reason")
    func unreachable() async throws {
        try await withSite(app: "clone_url: http://127.0.0.1:1/shop.git\n") { site in
            let job = try await site.deploy(["a": "1"])
            #expect(job.state == "failed" && job.reason.contains("127.0.0.1:1 could not be reached"), "\(job)")
            #expect(try await site.daemon.output(of: 1, step: "fetch").contains("trying again"))
            #expect(job.steps == ["fetch"])
        }
    }

    /// Sends the start at once and the rest a byte at a time, for as long as the server listens; gives what it sent back.
    private func dripped(after start: [UInt8], _ rest: [UInt8], _ daemon: BitternDaemon) async throws -> [UInt8] {
        let connection = try await daemon.connect()
        try await connection.write(start)
        let dripping = Task { try await connection.write(rest, pace: Pace(bytes: 1, pause: .milliseconds(500))) }
        defer { dripping.cancel() }
        return try await connection.readToEnd(within: .seconds(25))
    }
}
