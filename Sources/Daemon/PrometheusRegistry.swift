import CoreMetrics
import Synchronization

/// Keeps what is recorded through swift-metrics, for Prometheus to read.
///
/// A timer becomes a histogram in seconds, and so does a recorder that aggregates, with the same bounds; any other recorder is a gauge.
/// The same name and labels are the same series, however often they are asked for.
final class PrometheusRegistry: MetricsFactory {
    /// So many series are kept, a histogram counted as one. Names of apps and steps come from the configuration, which has no such limit.
    static let seriesLimit = 10_000
    /// From a step that only looks to one that takes the half hour a whole job has by default, in seconds.
    static let bounds: [Double] = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800]

    private struct Family {
        let kind: MetricFamily.Kind
        var series: [MetricLabels: any PrometheusSeries] = [:]
    }

    private struct Contents {
        var families: [String: Family] = [:]
        var count = 0
        var refused: Int64 = 0
    }

    /// The sentence for people, by name.
    private let help: [String: String]
    private let limit: Int
    private let contents = Mutex(Contents())

    init(help: [String: String] = [:], limit: Int = PrometheusRegistry.seriesLimit) {
        self.help = help
        self.limit = limit
    }

    /// Everything that was recorded, by name; within a name by labels.
    var families: [MetricFamily] {
        let families = contents.withLock { $0.families }
        return families.sorted { $0.key < $1.key }.map { name, family in
            let series = family.series.sorted { $0.key < $1.key }.map(\.value)
            return MetricFamily(name: name, kind: family.kind, help: help[name], samples: series.flatMap(\.samples))
        }
    }

    /// How often a series was asked for that is not kept: there were too many, or its name belongs to another kind.
    var refused: Int64 { contents.withLock { $0.refused } }

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(label, dimensions) { CounterSeries($0) } ?? NOOPMetricsHandler.instance
    }

    func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(label, dimensions) { GaugeSeries($0) } ?? NOOPMetricsHandler.instance
    }

    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        guard aggregate else { return series(label, dimensions) { GaugeSeries($0) } ?? NOOPMetricsHandler.instance }
        return series(label, dimensions) { HistogramSeries($0, bounds: Self.bounds) } ?? NOOPMetricsHandler.instance
    }

    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(label, dimensions) { HistogramSeries($0, bounds: Self.bounds) } ?? NOOPMetricsHandler.instance
    }

    func destroyCounter(_ handler: any CounterHandler) { remove(handler) }
    func destroyMeter(_ handler: any MeterHandler) { remove(handler) }
    func destroyRecorder(_ handler: any RecorderHandler) { remove(handler) }
    func destroyTimer(_ handler: any TimerHandler) { remove(handler) }

    /// The series of that name and those labels, a new one where there is none; nil when it is not to be kept.
    private func series<Series: PrometheusSeries>(
        _ label: String, _ dimensions: [(String, String)], make: (SeriesKey) -> Series
    ) -> Series? {
        let key = SeriesKey(name: PrometheusText.metricName(label), labels: MetricLabels(dimensions))
        return contents.withLock { contents in
            let family = contents.families[key.name]
            if let known = family?.series[key.labels] as? Series { return known }
            // All lines of a name are of one type.
            guard family.map({ $0.kind == Series.kind }) ?? true, contents.count < limit else {
                contents.refused += 1
                return nil
            }
            let new = make(key)
            contents.families[key.name, default: Family(kind: Series.kind)].series[key.labels] = new
            contents.count += 1
            return new
        }
    }

    private func remove(_ handler: AnyObject) {
        guard let series = handler as? any PrometheusSeries else { return }
        let key = series.key
        contents.withLock { contents in
            guard contents.families[key.name]?.series[key.labels] === series else { return }
            contents.families[key.name]?.series[key.labels] = nil
            contents.count -= 1
            if contents.families[key.name]?.series.isEmpty == true { contents.families[key.name] = nil }
        }
    }
}
