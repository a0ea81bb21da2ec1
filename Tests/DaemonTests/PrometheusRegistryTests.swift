import CoreMetrics
import Testing

@testable import Daemon

@Suite struct PrometheusRegistryTests {
    // The text.

    @Test("a family has its help, its type and its series, in an order that never changes")
    func format() {
        let registry = PrometheusRegistry(help: ["b_total": "How many."])
        Counter(label: "b_total", dimensions: [("state", "failed"), ("app", "shop")], factory: registry).increment(by: 2)
        Counter(label: "b_total", dimensions: [("app", "blog"), ("state", "failed")], factory: registry).increment()
        Meter(label: "a", factory: registry).set(0.5)
        let text = """
            # TYPE a gauge
            a 0.5
            # HELP b_total How many.
            # TYPE b_total counter
            b_total{app="blog",state="failed"} 1
            b_total{app="shop",state="failed"} 2

            """
        #expect(PrometheusText.text(registry.families) == text)
        #expect(PrometheusText.text(registry.families.reversed()) == text)
    }

    @Test("backslashes, quotes and line ends in labels and help are escaped, and nothing is without end")
    func escaping() {
        let registry = PrometheusRegistry(help: ["a": "one \\ \"two\"\nthree"])
        let long = String(repeating: "x", count: 500)
        Counter(label: "a", dimensions: [("l", "a\\b\"c\nd\u{202e}é")], factory: registry).increment()
        Counter(label: "b", dimensions: [("l", long)], factory: registry).increment()
        let lines = PrometheusText.text(registry.families).split(separator: "\n")
        #expect(lines.count == 5)
        #expect(lines[0] == #"# HELP a one \\ "two"\\x0athree"#)
        #expect(lines[2] == #"a{l="a\\b\"c\\x0ad\\u202eé"} 1"#)
        #expect(lines[4].utf8.count < 220)
    }

    @Test("any name becomes one that Prometheus takes, and no label is there twice")
    func names() {
        let registry = PrometheusRegistry()
        let labels = [("a-b", "1"), ("a.b", "2"), ("__x", "3"), ("", "4")]
        Counter(label: "9 http.requests", dimensions: labels, factory: registry).increment()
        #expect(
            PrometheusText.text(registry.families) == "# TYPE _9_http_requests counter\n_9_http_requests{_=\"4\",_x=\"3\",a_b=\"1\"} 1\n")
    }

    @Test(
        "numbers are written as Prometheus reads them",
        arguments: [
            (0, "0"), (-3, "-3"), (0.25, "0.25"), (1_799_999_999.25, "1799999999.25"), (.infinity, "+Inf"), (-.infinity, "-Inf"),
            (.nan, "NaN"), (1e300, "1e+300"),
        ] as [(Double, String)])
    func numbers(value: Double, text: String) {
        #expect(PrometheusText.number(value) == text)
    }

    // The series.

    @Test("the same name and labels are the same series")
    func sameSeries() {
        let registry = PrometheusRegistry()
        Counter(label: "a", dimensions: [("x", "1"), ("y", "2")], factory: registry).increment()
        Counter(label: "a", dimensions: [("y", "2"), ("x", "1")], factory: registry).increment()
        #expect(registry.families.map(\.samples.count) == [1])
        #expect(registry.families.first?.samples.first?.value == 2)
    }

    @Test("a counter never goes down")
    func counter() {
        let registry = PrometheusRegistry()
        let counter = Counter(label: "a", factory: registry)
        counter.increment(by: 3)
        counter.increment(by: -2)
        #expect(registry.families.first?.samples.first?.value == 3)
    }

    @Test("a counter that many threads use loses nothing")
    func concurrentCounter() async {
        let registry = PrometheusRegistry()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask { for _ in 0..<1000 { Counter(label: "a", factory: registry).increment() } }
            }
        }
        #expect(registry.families.first?.samples.first?.value == 8000)
    }

    @Test("a gauge has the last value it was given")
    func gauge() {
        let registry = PrometheusRegistry()
        let meter = Meter(label: "a", factory: registry)
        meter.set(5)
        meter.increment(by: 1.5)
        meter.decrement(by: 0.5)
        Gauge(label: "b", factory: registry).record(7)
        #expect(PrometheusText.text(registry.families) == "# TYPE a gauge\na 6\n# TYPE b gauge\nb 7\n")
    }

    @Test("a timer is a histogram in seconds, its buckets cumulative, each with its bound")
    func histogram() {
        let registry = PrometheusRegistry()
        let timer = Timer(label: "t", dimensions: [("app", "shop")], factory: registry)
        for milliseconds in [50, 100, 101, 2_000, 1_800_000, 9_000_000] { timer.recordMilliseconds(milliseconds) }
        let text = PrometheusText.text(registry.families)
        let bounds = ["0.1", "0.25", "0.5", "1", "2.5", "5", "10", "20", "30", "60", "120", "300", "600", "1200", "1800", "+Inf"]
        let counts = [2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 5, 6]
        let buckets = zip(bounds, counts).map { "t_bucket{app=\"shop\",le=\"\($0)\"} \($1)\n" }.joined()
        #expect(text.hasPrefix("# TYPE t histogram\n" + buckets + "t_sum{app=\"shop\"} 10802.25"))
        #expect(text.hasSuffix("\nt_count{app=\"shop\"} 6\n"))
    }

    @Test("a recorder that aggregates is a histogram, and what is no number is left out of it")
    func recorder() {
        let registry = PrometheusRegistry()
        let recorder = Recorder(label: "r", factory: registry)
        recorder.record(3)
        recorder.record(Double.nan)
        recorder.record(Double.infinity)
        let lines = PrometheusText.text(registry.families).split(separator: "\n")
        #expect(lines.suffix(2) == ["r_sum 3", "r_count 1"])
    }

    // The limits.

    @Test("beyond the limit nothing new is kept but counted, and what is there goes on")
    func limit() {
        let registry = PrometheusRegistry(limit: 2)
        for number in 1...5 { Counter(label: "a", dimensions: [("n", "\(number)")], factory: registry).increment() }
        Counter(label: "a", dimensions: [("n", "2")], factory: registry).increment()
        #expect(PrometheusText.text(registry.families) == "# TYPE a counter\na{n=\"1\"} 1\na{n=\"2\"} 2\n")
        #expect(registry.refused == 3)
    }

    @Test("a name has one type")
    func oneType() {
        let registry = PrometheusRegistry()
        Counter(label: "a", factory: registry).increment()
        Timer(label: "a", dimensions: [("x", "1")], factory: registry).recordSeconds(1)
        Meter(label: "a", factory: registry).set(9)
        #expect(PrometheusText.text(registry.families) == "# TYPE a counter\na 1\n")
        #expect(registry.refused == 2)
    }

    @Test("what is destroyed is gone and makes room")
    func destroy() {
        let registry = PrometheusRegistry(limit: 1)
        let counter = Counter(label: "a", factory: registry)
        counter.destroy()
        Meter(label: "a", factory: registry).set(1)
        // The name is another's by now.
        counter.destroy()
        #expect(PrometheusText.text(registry.families) == "# TYPE a gauge\na 1\n")
        #expect(registry.refused == 0)
    }
}
