import RealParts
import Testing

@Suite(.fewAtOnce) struct MetricsTests {
    @Test("what happened to deliveries, jobs and steps is counted, and every line is one Prometheus reads")
    func numbers() async throws {
        try await withSite(app: "build: [\"test ! -e bad\"]\n") { site in
            let good = try await site.push(["a": "1"])
            #expect(try await site.runToEnd(good.job).state == "succeeded")
            #expect(try await site.runToEnd(try await site.push(["bad": "1"]).job).state == "failed")
            let again = CloudPush(repository: "acme/shop").branch("main", old: nil, new: good.commit)
            #expect(try await site.daemon.send(again.delivery(secret: "wrong-secret-wrong"), to: "/hooks/acme").status == 401)
            #expect(try await site.daemon.send(method: "GET", path: "/hooks/acme").status == 405)
            #expect(try await site.daemon.send(method: "GET", path: "/healthz").status == 200)

            // The ledger, which the test asked, knows of an end a moment before it is counted.
            try await eventually("the count of both ends") {
                let metrics = try await site.metrics()
                return ["succeeded", "failed"].allSatisfy { metrics["bittern_jobs_total{app=\"shop\",state=\"\($0)\"}"] == 1 }
            }
            let metrics = try await site.metrics()
            #expect(metrics["bittern_deliveries_total{answer=\"202\"}"] == 2)
            #expect(metrics["bittern_deliveries_total{answer=\"401\"}"] == 1)
            #expect(metrics["bittern_deliveries_total{answer=\"405\"}"] == 1)
            #expect(metrics["bittern_deliveries_total{answer=\"200\"}"] == 0)
            #expect(metrics["bittern_jobs{app=\"shop\",state=\"queued\"}"] == 0)
            #expect(metrics["bittern_jobs{app=\"shop\",state=\"running\"}"] == 0)
            #expect(metrics["bittern_step_duration_seconds_count{app=\"shop\",step=\"build-1\"}"] == 2)
            #expect(metrics["bittern_step_duration_seconds_count{app=\"shop\",step=\"activate\"}"] == 1)
            #expect(metrics["bittern_step_duration_seconds_bucket{app=\"shop\",step=\"fetch\",le=\"+Inf\"}"] == 2)
            #expect(metrics["bittern_live_info{app=\"shop\",commit=\"\(good.commit)\",release=\"\(try good.job)\"}"] == 1)
            #expect(metrics["bittern_queue_oldest_seconds"] == 0)
            #expect(metrics["bittern_catch_up_finds_total"] == 0)
            #expect(try #require(metrics["bittern_ledger_bytes"]) > 4096)
            #expect(try #require(metrics["bittern_start_time_seconds"]) > 1.7e9)
        }
    }

    @Test("a flood of refused deliveries is counted whole, though the journal leaves most of it out")
    func flood() async throws {
        try await withDoor { daemon in
            for _ in 0..<30 { _ = try await daemon.send(method: "POST", path: "/hooks/nobody") }
            let metrics = try await daemon.metrics()
            #expect(metrics["bittern_deliveries_total{answer=\"404\"}"] == 30)
        }
    }

    @Test("connection tests and requests that are none are counted by their answer")
    func pingAndGarbage() async throws {
        try await withDoor { daemon in
            #expect(try await daemon.send(.dataCenterPing(), to: "/hooks/dc").status == 200)
            let connection = try await daemon.connect()
            try await connection.write("no HTTP at all\r\n\r\n")
            #expect(try await connection.readAnswer().status == 400)
            let metrics = try await daemon.metrics()
            #expect(metrics["bittern_deliveries_total{answer=\"200\"}"] == 1)
            #expect(metrics["bittern_deliveries_total{answer=\"400\"}"] == 1)
        }
    }

    @Test("a queue that waits is there with the age of its oldest job, what gave way is counted, and a held app is one")
    func queue() async throws {
        try await withSite(config: "workers: 0\n") { site in
            for text in ["1", "2", "3"] { try await site.push(["a": text]) }
            #expect(try await site.daemon.run("hold", "shop").status == 0)
            try await eventually("a job that has waited") { try await site.metrics()["bittern_queue_oldest_seconds"] ?? 0 > 0 }
            let metrics = try await site.metrics()
            #expect(metrics["bittern_jobs{app=\"shop\",state=\"queued\"}"] == 1)
            #expect(metrics["bittern_jobs_total{app=\"shop\",state=\"superseded\"}"] == 2)
            #expect(metrics["bittern_held{app=\"shop\"}"] == 1)
            #expect(!metrics.keys.contains { $0.hasPrefix("bittern_live_info") })
        }
    }

    @Test("GET /metrics on the control socket is what the command prints")
    func controlSocket() async throws {
        try await withSite { site in
            let answer = try await Request(method: "GET", path: "/metrics").send(to: site.daemon.control)
            #expect(answer.status == 200)
            #expect(answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            #expect(Set(try MetricsText(answer.text).values.keys) == Set(try await site.metrics().keys))
        }
    }
}

extension Site {
    /// The value of each series, as `bittern metrics` prints it.
    fileprivate func metrics() async throws -> [String: Double] { try await daemon.metrics() }
}

extension BitternDaemon {
    fileprivate func metrics() async throws -> [String: Double] {
        let result = try await run("metrics")
        try #require(result.status == 0 && result.error.isEmpty, "\(result)")
        return try MetricsText(result.output).values
    }
}

/// Prometheus's text format, read strictly.
///
/// Source: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
private struct MetricsText {
    /// By name and labels as they are written.
    private(set) var values: [String: Double] = [:]

    init(_ text: String) throws {
        try #require(text.hasSuffix("\n"))
        var families: Set<Substring> = []
        var family: (name: Substring, type: Substring) = ("", "")
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 3)
            switch line.hasPrefix("# ") ? words[1] : "" {
            case "HELP":
                try #require(words.count == 4, "\(line)")
            case "TYPE":
                try #require(words.count == 4 && ["counter", "gauge", "histogram"].contains(words[3]), "\(line)")
                // All lines of a family stand together.
                try #require(families.insert(words[2]).inserted, "\(line)")
                family = (words[2], words[3])
            default:
                let sample = try #require(try Self.sample.wholeMatch(in: line), "\(line)")
                let suffixes = family.type == "histogram" ? ["_bucket", "_sum", "_count"] : [""]
                try #require(suffixes.contains { sample.name == family.name + $0 }, "\(line) in \(family.name)")
                let series = String(sample.name) + (sample.labels.map(String.init) ?? "")
                try #require(values.updateValue(try #require(Double(sample.value), "\(line)"), forKey: series) == nil, "\(line)")
            }
        }
    }

    private static var sample: Regex<(Substring, name: Substring, labels: Substring?, value: Substring)> {
        /(?<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?<labels>\{[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\["\\n])*"(?:,[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\["\\n])*")*\})? (?<value>[-+0-9.eE]+)/
    }
}
