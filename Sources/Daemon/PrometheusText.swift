import Domain

/// Numbers of one name, as Prometheus reads them.
struct MetricFamily: Sendable, Equatable {
    enum Kind: String, Sendable { case counter, gauge, histogram }

    struct Sample: Sendable, Equatable {
        /// `_bucket`, `_sum` and `_count` in a histogram; otherwise nothing.
        var suffix = ""
        var labels: MetricLabels
        var value: Double
    }

    let name: String
    let kind: Kind
    /// One sentence for people.
    let help: String?
    var samples: [Sample]

    /// What is found at a scrape, each value with its labels.
    static func gauge(_ name: String, _ help: String, _ values: [(labels: [(String, String)], value: Double)]) -> MetricFamily {
        let samples = values.map { Sample(labels: MetricLabels($0.labels), value: $0.value) }
        return MetricFamily(name: name, kind: .gauge, help: help, samples: samples.sorted { $0.labels < $1.labels })
    }
}

/// The labels of a series as they stand between the braces: safe to write, sorted by name, no name twice.
struct MetricLabels: Sendable, Hashable, Comparable {
    /// No value is longer, in bytes before quotes are escaped.
    static let valueLimit = 200

    let text: String

    init(_ labels: [(String, String)]) {
        let safe = Dictionary(labels.map { (PrometheusText.labelName($0.0), $0.1) }, uniquingKeysWith: { first, _ in first })
        text = safe.sorted { $0.key < $1.key }.map(Self.written).joined(separator: ",")
    }

    private init(text: String) {
        self.text = text
    }

    /// The same with the upper bound of a histogram's bucket.
    func bucket(upTo bound: Double) -> MetricLabels {
        let bound = Self.written("le", PrometheusText.number(bound))
        return MetricLabels(text: text.isEmpty ? bound : text + "," + bound)
    }

    static func < (left: MetricLabels, right: MetricLabels) -> Bool { left.text < right.text }

    private static func written(_ name: String, _ value: String) -> String {
        let escaped = SafeText.shown(value, limit: valueLimit).replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        return "\(name)=\"\(escaped)\""
    }
}

/// Prometheus's text format, version 0.0.4.
///
/// Source: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
enum PrometheusText {
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// One group of lines per family, in the order of the names; a scrape differs from the one before in nothing but what happened.
    static func text(_ families: [MetricFamily]) -> String {
        families.sorted { $0.name < $1.name }.map(group).joined()
    }

    private static func group(_ family: MetricFamily) -> String {
        // In a help text a quote needs no escape, a backslash and the end of a line do; the latter is no harmless character anyway.
        let help = family.help.map { "# HELP \(family.name) \(SafeText.shown($0).replacing("\\", with: "\\\\"))\n" } ?? ""
        return help + "# TYPE \(family.name) \(family.kind.rawValue)\n" + family.samples.map { line(family.name, $0) }.joined()
    }

    private static func line(_ name: String, _ sample: MetricFamily.Sample) -> String {
        let labels = sample.labels.text.isEmpty ? "" : "{\(sample.labels.text)}"
        return "\(name)\(sample.suffix)\(labels) \(number(sample.value))\n"
    }

    /// What Go's ParseFloat reads, whole numbers without a fraction.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        // Beyond it a Double does not hold every whole number.
        if value.magnitude < 0x1p53, let whole = Int64(exactly: value) { return String(whole) }
        return "\(value)"
    }

    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`, with `_` for everything else: swift-metrics allows any text.
    ///
    /// Source: https://prometheus.io/docs/concepts/data_model/
    static func metricName(_ text: String) -> String {
        name(text) { $0 == ":" }
    }

    /// `[a-zA-Z_][a-zA-Z0-9_]*`; what begins with two underscores is for Prometheus itself.
    static func labelName(_ text: String) -> String {
        let name = name(text) { _ in false }
        return name.hasPrefix("__") ? "_" + name.drop { $0 == "_" } : name
    }

    private static func name(_ text: String, or isAlsoAllowed: (Unicode.Scalar) -> Bool) -> String {
        let scalars = text.unicodeScalars.map { scalar -> Unicode.Scalar in
            let isPlain = scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
            return isPlain || isAlsoAllowed(scalar) ? scalar : "_"
        }
        let name = String(String.UnicodeScalarView(scalars))
        let startsWell = scalars.first.map { $0.properties.numericType == nil } ?? false
        return startsWell ? name : "_" + name
    }
}
