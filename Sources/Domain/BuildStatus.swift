import Crypto

/// A step in a job's life that its forge is to hear of, as the ledger's outbox keeps it until the forge has it.
package struct JobReport: Sendable, Equatable {
    /// In the outbox; of two reports the later one has the greater number.
    package var id: Int64
    package var job: Int64
    package var app: String
    package var account: String
    package var repository: RepositoryName
    package var commit: CommitID
    package var ref: RefName?
    /// What the job became: running, or how it ended.
    package var state: Job.State
    /// ``JobEnd/isVerdict``
    package var isVerdict: Bool
    package var reason: String?
    package var at: Timestamp
    /// ``ReportingApp/key`` and ``ReportingApp/name`` as they were when the job was first reported: what began under a key ends under it.
    package var key: String
    package var name: String
    /// How often it was tried to deliver it.
    package var attempts: Int

    package init(
        id: Int64, job: Int64, app: String, account: String, repository: RepositoryName, commit: CommitID, ref: RefName?, state: Job.State,
        isVerdict: Bool, reason: String?, at: Timestamp, key: String, name: String, attempts: Int
    ) {
        self.id = id
        self.job = job
        self.app = app
        self.account = account
        self.repository = repository
        self.commit = commit
        self.ref = ref
        self.state = state
        self.isVerdict = isVerdict
        self.reason = reason
        self.at = at
        self.key = key
        self.name = name
        self.attempts = attempts
    }
}

/// An app whose jobs are reported to its forge, with what tells its reports from those of others.
package struct ReportingApp: Sendable, Hashable {
    package var app: String
    package var account: String
    /// The same for all jobs of the app on this server, and another one on every other server; at most ``keyLimit`` bytes.
    package var key: String
    /// For people: `shop on web1`.
    package var name: String

    /// What Bitbucket Cloud takes ("Ensure this value has at most 40 characters").
    package static let keyLimit = 40

    package init(app: String, account: String, server: String) {
        self.app = app
        self.account = account
        let server = SafeText.shown(server, limit: 100)
        name = "\(app) on \(server)"
        let readable = "bittern:\(app)@\(server)"
        if readable.utf8.count <= Self.keyLimit {
            key = readable
        } else {
            // No readable one begins so, and 32 digits of SHA-256 meet no others by chance.
            key = "bittern-" + Hexadecimal.text(of: Array(SHA256.hash(data: Array(readable.utf8)))).prefix(Self.keyLimit - 8)
        }
    }
}

extension Configuration {
    /// The apps whose account, or they themselves, have a credential that can say something to the forge.
    package var reportingApps: [ReportingApp] {
        apps.filter { reportingAccount(of: $0) != nil }.map { ReportingApp(app: $0.name, account: $0.account, server: name) }
    }

    /// The account as whoever speaks to the forge for an app uses it; nil: it has no credential for that.
    package func reportingAccount(of app: App) -> Account? {
        guard let account = accounts[app.account] else { return nil }
        return [account.used(by: app), account].first { $0.rest != nil }
    }
}

/// What a forge shows beside a commit: whether it was, or is being, deployed.
package struct BuildStatus: Sendable, Equatable {
    package enum State: Sendable, Equatable { case inProgress, successful, failed, stopped }

    package var repository: RepositoryName
    package var commit: CommitID
    package var ref: RefName?
    package var key: String
    package var name: String
    package var state: State
    /// At most ``descriptionLimit`` bytes.
    package var description: String
    /// Where it leads; nil: to the commit's page at the forge.
    package var link: String?
    package var app: String
    package var job: Int64
    package var at: Timestamp

    /// What Data Center takes; Cloud says of none.
    package static let descriptionLimit = 255

    package init(_ report: JobReport, link: StatusLink?) {
        repository = report.repository
        commit = report.commit
        ref = report.ref
        key = report.key
        name = report.name
        state = Self.state(of: report)
        let what = report.state == .running ? "job \(report.job) is running" : report.reason ?? report.state.rawValue
        description = SafeText.shown(report.state == .skipped ? "skipped: \(what)" : what, limit: Self.descriptionLimit)
        self.link = link?.filled(app: report.app, job: report.job)
        app = report.app
        job = report.job
        at = report.at
    }

    private static func state(of report: JobReport) -> State {
        switch report.state {
        case .queued, .running: .inProgress
        // There was nothing to do, and nothing is wrong with the commit.
        case .succeeded, .skipped: .successful
        case .failed: .failed
        // Of the superseded only what is live already came to a verdict.
        case .superseded: report.isVerdict ? .successful : .stopped
        case .cancelled: .stopped
        }
    }
}
