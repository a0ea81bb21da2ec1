import CoreMetrics
import Synchronization

/// Where a series stands in the registry.
struct SeriesKey: Sendable, Hashable {
    let name: String
    let labels: MetricLabels
}

/// The numbers of one name with one set of labels.
protocol PrometheusSeries: AnyObject, Sendable {
    static var kind: MetricFamily.Kind { get }
    var key: SeriesKey { get }
    /// What is to be written now.
    var samples: [MetricFamily.Sample] { get }
}

/// Counts up from 0. A count takes one atomic addition: deliveries are counted while the forge waits.
final class CounterSeries: PrometheusSeries, CounterHandler {
    static let kind = MetricFamily.Kind.counter
    let key: SeriesKey
    private let count = Atomic<Int64>(0)

    init(_ key: SeriesKey) {
        self.key = key
    }

    /// - Parameter amount: what is not positive changes nothing, because a counter never goes down.
    func increment(by amount: Int64) {
        guard amount > 0 else { return }
        count.wrappingAdd(amount, ordering: .relaxed)
    }

    func reset() {
        count.store(0, ordering: .relaxed)
    }

    var samples: [MetricFamily.Sample] {
        [.init(labels: key.labels, value: Double(count.load(ordering: .relaxed)))]
    }
}

/// The last value it was given.
final class GaugeSeries: PrometheusSeries, MeterHandler, RecorderHandler {
    static let kind = MetricFamily.Kind.gauge
    let key: SeriesKey
    private let value = Mutex(0.0)

    init(_ key: SeriesKey) {
        self.key = key
    }

    func set(_ value: Int64) { set(Double(value)) }
    func set(_ value: Double) { self.value.withLock { $0 = value } }
    func increment(by amount: Double) { value.withLock { $0 += amount } }
    func decrement(by amount: Double) { value.withLock { $0 -= amount } }
    func record(_ value: Int64) { set(Double(value)) }
    func record(_ value: Double) { set(value) }

    var samples: [MetricFamily.Sample] {
        [.init(labels: key.labels, value: value.withLock { $0 })]
    }
}

/// How many values lay below each of some bounds, how many there were, and their sum.
final class HistogramSeries: PrometheusSeries, TimerHandler, RecorderHandler {
    static let kind = MetricFamily.Kind.histogram
    let key: SeriesKey
    /// Rising.
    private let bounds: [Double]
    private let observed: Mutex<Observed>

    private struct Observed {
        /// Of each bound those that lie above the one before; the last is for what lies above all.
        var counts: [Int64]
        var sum = 0.0
    }

    init(_ key: SeriesKey, bounds: [Double]) {
        self.key = key
        self.bounds = bounds
        observed = Mutex(Observed(counts: Array(repeating: 0, count: bounds.count + 1)))
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
    func record(_ value: Int64) { record(Double(value)) }

    /// - Parameter value: one that is no number is left out; it would make the sum one for good.
    func record(_ value: Double) {
        guard value.isFinite else { return }
        // A bound belongs to its bucket: `le` is "less or equal".
        let place = bounds.firstIndex { value <= $0 } ?? bounds.count
        observed.withLock { observed in
            observed.counts[place] += 1
            observed.sum += value
        }
    }

    var samples: [MetricFamily.Sample] {
        let (counts, sum) = observed.withLock { ($0.counts, $0.sum) }
        var total: Int64 = 0
        var samples: [MetricFamily.Sample] = []
        for (bound, count) in zip(bounds + [.infinity], counts) {
            total += count
            samples.append(.init(suffix: "_bucket", labels: key.labels.bucket(upTo: bound), value: Double(total)))
        }
        samples.append(.init(suffix: "_sum", labels: key.labels, value: sum))
        samples.append(.init(suffix: "_count", labels: key.labels, value: Double(total)))
        return samples
    }
}
