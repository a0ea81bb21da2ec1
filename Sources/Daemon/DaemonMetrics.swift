import CoreMetrics
import Domain
import Storage
import Synchronization

/// The daemon's numbers, by the names under which Prometheus knows them.
///
/// What happens is counted where ``Reporter`` is told of it; what is, such as the queue, is read from the ledger when somebody asks.
/// The process has no metrics system of its own: what libraries may record has no place among these.
final class DaemonMetrics: Sendable {
    private enum Name {
        static let deliveries = "bittern_deliveries_total"
        static let endedJobs = "bittern_jobs_total"
        static let steps = "bittern_step_duration_seconds"
        static let finds = "bittern_catch_up_finds_total"
        static let reports = "bittern_reports_total"
        static let startTime = "bittern_start_time_seconds"
        static let build = "bittern_build_info"
    }

    private static let help = [
        Name.deliveries: "Requests to the hooks listener since the daemon's start, without health checks, by HTTP status.",
        Name.endedJobs: "Jobs that ended since the daemon's start, by app and how they ended.",
        Name.steps: "How long steps took that ended since the daemon's start, by app and step, whether they succeeded or not.",
        Name.finds: "Missed pushes since the daemon's start: heads of refs that no delivery had brought and a look at the forge found.",
        Name.reports: "Build statuses since the daemon's start, by account and whether the forge took them.",
        Name.startTime: "When the daemon was started, in seconds since 1970.",
        Name.build: "The daemon's version, always 1.",
    ]

    private let registry = PrometheusRegistry(help: help)
    /// All that the manual names, made once: what a delivery costs is a look into this and an addition.
    private let answers: [Int: Counter]
    private let otherAnswers: Counter
    private let finds: Counter
    /// Of each app by state; a storm of pushes ends a job with each. There are as many as the configurations had apps.
    private let endedJobs = Mutex<[String: [Job.State: Counter]]>([:])

    /// - Parameter startedAt: of the daemon.
    init(version: String, startedAt: Timestamp) {
        let registry = registry
        func deliveries(_ answer: String) -> Counter {
            Counter(label: Name.deliveries, dimensions: [("answer", answer)], factory: registry)
        }
        let statuses = [200, 202, 400, 401, 404, 405, 413, 415, 503]
        answers = Dictionary(statuses.map { ($0, deliveries(String($0))) }, uniquingKeysWith: { first, _ in first })
        otherAnswers = deliveries("other")
        finds = Counter(label: Name.finds, factory: registry)
        Meter(label: Name.startTime, factory: registry).set(Double(startedAt.milliseconds) / 1000)
        Meter(label: Name.build, dimensions: [("version", version)], factory: registry).set(1)
    }

    // MARK: What happens

    /// A request to the hooks listener was given this HTTP status. May be called from any thread, at any rate.
    func answered(_ status: Int) {
        (answers[status] ?? otherAnswers).increment()
    }

    func jobEnded(app: String, state: Job.State) {
        counters(of: app)[state]?.increment()
    }

    func stepEnded(app: String, step: String, took: Duration) {
        // The wall clock may have been set back meanwhile.
        Timer(label: Name.steps, dimensions: [("app", app), ("step", step)], factory: registry)
            .recordMilliseconds(max(0, took.wholeMilliseconds))
    }

    /// - Parameter isTaken: by the forge; else it will not be sent again.
    func reported(account: String, isTaken: Bool) {
        let result = isTaken ? "taken" : "given_up"
        Counter(label: Name.reports, dimensions: [("account", account), ("result", result)], factory: registry).increment()
    }

    func missedPushFound() {
        finds.increment()
    }

    private func counters(of app: String) -> [Job.State: Counter] {
        endedJobs.withLock { known in
            if let counters = known[app] { return counters }
            let states = Job.State.allCases.filter(\.isEnded).map { state in
                (state, Counter(label: Name.endedJobs, dimensions: [("app", app), ("state", state.rawValue)], factory: registry))
            }
            let counters = Dictionary(states, uniquingKeysWith: { first, _ in first })
            known[app] = counters
            return counters
        }
    }

    // MARK: What is

    /// All numbers as text.
    ///
    /// - Parameters:
    ///   - measure: nil where the ledger cannot be read; its numbers are left out then.
    ///   - apps: the configured ones, which have their zeros before anything happens: a rate needs a value before the first event.
    func text(_ measure: LedgerMeasure?, apps: [String], at now: Timestamp) -> String {
        for app in apps { _ = counters(of: app) }
        let found = measure.map { Self.families($0, apps: apps, at: now) } ?? []
        return PrometheusText.text(registry.families + found + [refusedSeries])
    }

    private static func families(_ measure: LedgerMeasure, apps: [String], at now: Timestamp) -> [MetricFamily] {
        let oldest = measure.queued.values.map(\.oldest).min().map { now.since($0).inSeconds } ?? 0
        return [
            .gauge("bittern_jobs", "Jobs that wait or run now, by app.", jobs(measure, apps: apps)),
            .gauge(
                "bittern_queue_oldest_seconds", "How long the oldest queued job has waited, held or not; 0 where none waits.",
                [(labels: [], value: max(0, oldest))]),
            .gauge(
                "bittern_held", "1 while pushes of the app are held back, else 0.",
                apps.map { (labels: [("app", $0)], value: measure.held.contains($0) ? 1 : 0) }),
            .gauge("bittern_live_info", "The release that is live, by app, always 1.", live(measure, apps: apps)),
            .gauge(
                "bittern_outbox", "Build statuses that forges do not have yet.", [(labels: [], value: Double(measure.outbox))]),
            .gauge(
                "bittern_ledger_bytes", "The size of the ledger, database and write-ahead log, in bytes.",
                [(labels: [], value: Double(measure.bytes))]),
        ]
    }

    /// Also of apps that are no longer configured, as long as they have jobs.
    private static func jobs(_ measure: LedgerMeasure, apps: [String]) -> [(labels: [(String, String)], value: Double)] {
        Set(apps).union(measure.queued.keys).union(measure.running.keys).flatMap { app in
            [("queued", measure.queued[app]?.jobs ?? 0), ("running", measure.running[app] ?? 0)].map { state, count in
                (labels: [("app", app), ("state", state)], value: Double(count))
            }
        }
    }

    private static func live(_ measure: LedgerMeasure, apps: [String]) -> [(labels: [(String, String)], value: Double)] {
        apps.compactMap { app in
            measure.live[app].map { release in
                (labels: [("app", app), ("commit", release.commit.hex), ("release", String(release.id))], value: 1)
            }
        }
    }

    private var refusedSeries: MetricFamily {
        MetricFamily(
            name: "bittern_series_refused_total", kind: .counter,
            help: "Numbers left out since the daemon's start, because \(PrometheusRegistry.seriesLimit) series are kept at most.",
            samples: [.init(labels: MetricLabels([]), value: Double(registry.refused))])
    }
}

extension Duration {
    fileprivate var inSeconds: Double { Double(wholeMilliseconds) / 1000 }
}
