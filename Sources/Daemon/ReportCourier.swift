import Domain
import Providers
import ServiceLifecycle
import Storage
import Synchronization

/// Brings the outbox to the forges: every report at least once, those of one key in their order, the oldest first.
///
/// A row goes from the outbox when the forge has taken it. A daemon that dies in between sends it again, which changes nothing there.
actor ReportCourier: Service {
    private static let batch = 50

    private let live: LiveConfiguration
    private let ledger: Ledger
    private let forges: Forges
    private let reporter: Reporter
    private let clock: WallClock
    /// Until when nothing is sent to an account's forge, and how often in a row it was in trouble.
    private var pauses: [String: (until: ContinuousClock.Instant, failures: Int)] = [:]
    /// Who brings something to an account's forge at this moment: a slow one holds no other one up.
    private var delivering: [String: Task<Void, Never>] = [:]
    /// Reports with which the account's forge had trouble since it took one.
    private var troubled: [String: Set<Int64>] = [:]
    /// Accounts of whose pause somebody was told.
    private var told: Set<String> = []
    private var alarm: Task<Void, Never>?
    private let (wakings, waker) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    /// For those who queue: most daemons report nothing, and then nobody looks.
    private let isNeeded = Atomic(true)

    init(live: LiveConfiguration, ledger: Ledger, forges: Forges, reporter: Reporter, clock: WallClock) {
        self.live = live
        self.ledger = ledger
        self.forges = forges
        self.reporter = reporter
        self.clock = clock
    }

    /// A job has come to another state. May be called from anywhere, any number of times.
    nonisolated func wake() {
        if isNeeded.load(ordering: .relaxed) { waker.yield() }
    }

    /// Another configuration is in force; before any job is touched under it.
    func configurationChanged() async throws {
        let apps = live.current.reportingApps
        try await ledger.report(apps)
        // What was begun to be told before is told to its end.
        let isEmpty = try await ledger.outboxMeasure().waiting == 0
        isNeeded.store(!apps.isEmpty || !isEmpty, ordering: .relaxed)
        pauses = [:]
        waker.yield()
    }

    /// The same when nobody waits for it.
    func reload() async {
        do {
            try await configurationChanged()
        } catch {
            reporter.ledgerTrouble("what is reported to forges could not be noted: \(error)")
        }
    }

    func run() async throws {
        waker.yield()
        await cancelWhenGracefulShutdown {
            for await _ in self.wakings { await self.deliverAll() }
        }
        alarm?.cancel()
        for task in delivering.values { task.cancel() }
        for task in delivering.values { await task.value }
    }

    private func deliverAll() async {
        do {
            let now = clock.now
            var next: Duration?
            for (account, due) in try await ledger.accountsWithReports(at: now) where delivering[account] == nil {
                let paused: Duration = pauses[account].map { ContinuousClock.now.duration(to: $0.until) } ?? .zero
                let wait = max(due.map { $0.since(now) } ?? .zero, paused)
                if wait > .zero {
                    next = min(next ?? wait, wait)
                } else {
                    delivering[account] = Task { await self.deliver(to: account) }
                }
            }
            if let next { alarm(after: next) }
        } catch {
            if !Task.isCancelled { reporter.ledgerTrouble("the outbox could not be read: \(error)") }
            alarm(after: Self.pauseForLedger)
        }
    }

    private static let pauseForLedger: Duration = .seconds(10)

    private func alarm(after delay: Duration) {
        alarm?.cancel()
        alarm = Task {
            guard (try? await Task.sleep(for: delay)) != nil else { return }  // cancelled: another one took over
            waker.yield()
        }
    }

    private func deliver(to name: String) async {
        await deliverWhatIsDue(to: name)
        delivering[name] = nil
        // Some may have come meanwhile, and some may be sent later.
        waker.yield()
    }

    private func deliverWhatIsDue(to name: String) async {
        do {
            while !Task.isCancelled {
                let reports = try await ledger.dueReports(to: name, at: clock.now, limit: Self.batch)
                guard !reports.isEmpty else { return }
                for (account, reports) in grouped(reports) {
                    guard let account else {
                        for report in reports { try await giveUp(report, "account \(name) has no credential for it any more") }
                        continue
                    }
                    guard try await deliver(reports, to: account) else { return }
                }
            }
        } catch {
            if !Task.isCancelled { reporter.ledgerTrouble("the outbox could not be written: \(error)") }
            pauses[name] = (until: .now + Self.pauseForLedger, failures: 0)
        }
    }

    /// By the credential that is shown, which may be an app's own; nil: there is none.
    private func grouped(_ reports: [JobReport]) -> [(Account?, [JobReport])] {
        let configuration = live.current
        var groups: [(Account?, [JobReport])] = []
        for report in reports {
            let app = configuration.apps.first { $0.name == report.app && $0.account == report.account }
            let common = configuration.accounts[report.account].flatMap { $0.rest == nil ? nil : $0 }
            let account = app.flatMap(configuration.reportingAccount) ?? common
            if let index = groups.firstIndex(where: { $0.0 == account }) {
                groups[index].1.append(report)
            } else {
                groups.append((account, [report]))
            }
        }
        return groups
    }

    /// - Returns: false: nothing is sent to that forge for a while.
    private func deliver(_ reports: [JobReport], to account: Account) async throws -> Bool {
        do {
            return try await forges.with(account) { client in
                for report in reports {
                    guard try await self.deliver(report, by: client) else { return false }
                }
                return true
            }
        } catch let error as ForgeError {
            // There was not even a token to be had.
            guard let first = reports.first else { return true }
            return try await failed(first, error, affectsAll: true)
        }
    }

    private func deliver(_ report: JobReport, by client: ForgeClient) async throws -> Bool {
        let inForce = live.inForce
        var current = report
        current.repository = inForce.names.currentName(of: report.repository, account: report.account)
        let status = BuildStatus(current, link: inForce.configuration.statusLink)
        do {
            for (number, request) in client.api.report(status).enumerated() {
                do {
                    try await client.send(request)
                } catch let error as ForgeError where number > 0 && error.code != .unreachable && error.code != .busy {
                    // What comes behind the status itself not every version knows, and it decides nothing.
                }
            }
        } catch let error as ForgeError {
            return try await failed(report, error, affectsAll: false)
        }
        pauses[report.account] = nil
        troubled[report.account] = nil
        if told.remove(report.account) != nil { reporter.reportsWorkAgain(report.account) }
        try await ledger.reportDone(report, at: clock.now)
        reporter.reportDelivered(report)
        return true
    }

    /// - Parameter affectsAll: whether no other report would have fared better.
    /// - Returns: false: nothing is sent to that forge for a while.
    private func failed(_ report: JobReport, _ error: ForgeError, affectsAll: Bool) async throws -> Bool {
        let now = clock.now
        let failures = (pauses[report.account]?.failures ?? 0) + 1
        var trouble = affectsAll ? .forge : ReportRetry.Trouble(error)
        if trouble == .answer {
            troubled[report.account, default: []].insert(report.id)
            if troubled[report.account, default: []].count >= ReportRetry.troubleOfForge { trouble = .forge }
        }
        let decision = ReportRetry.decide(
            trouble, attempts: trouble == .forge ? failures : report.attempts + 1, age: now.since(report.at),
            chance: .random(in: 0...1))
        switch decision {
        case .giveUp:
            try await giveUp(report, error.phrase)
            return true
        case .later(let delay):
            if report.attempts == 0 { reporter.reportRefused(report, error.phrase) }
            try await ledger.reportTried(report, again: now.advanced(by: delay))
            return true
        case .pause(let delay):
            // What was tried less often goes first then.
            if !affectsAll { try await ledger.reportTried(report, again: nil) }
            if told.insert(report.account).inserted { reporter.reportsWait(report.account, error.phrase) }
            pauses[report.account] = (until: .now + max(delay, error.retryAfter ?? .zero), failures: failures)
            return false
        }
    }

    private func giveUp(_ report: JobReport, _ sentence: String) async throws {
        try await ledger.reportDone(report, at: clock.now)
        reporter.reportGivenUp(report, sentence)
    }
}

extension ReportRetry.Trouble {
    fileprivate init(_ error: ForgeError) {
        switch error.code {
        case .unreachable, .busy: self = .forge
        case .trouble, .malformed: self = .answer
        case .unauthorized, .forbidden, .missing, .gone: self = .refusal
        case .invalid: self = .malformed
        }
    }
}
