/// Everything the two kinds of configuration file say, checked, with defaults filled in and secrets read.
///
/// See CONTRACT in the manual for what each key means to a user; the comments here say only what the code may rely on.
package struct Configuration: Sendable, Equatable {
    /// This server in build statuses and messages.
    package var name: String
    package var hooks: Hooks
    /// Absolute path of the control socket.
    package var controlSocket: String
    /// How the forge reaches the hooks listener; no trailing slash.
    package var publicURL: String?
    /// Where build statuses lead; nil: to the commit's page at the forge.
    package var statusLink: StatusLink?
    /// Absolute path; holds `bittern.db`, `logs/`, `mirrors/`, `home/`.
    package var stateDirectory: String
    /// Pipelines at once; with 0 deliveries are accepted and jobs queued, and nothing runs.
    package var workers: Int
    /// Who runs the steps.
    package var runner = RunnerKind.child
    /// Absolute paths; a runner of units touches no app whose root does not lie below one of them.
    package var runnerRoots = ["/srv"]
    /// How long running steps may finish when the daemon stops.
    package var drain: Duration
    package var retention: Retention
    /// How often the heads of refs at the forge are compared with what was accounted; nil: never.
    package var catchUp: Duration? = .seconds(5 * 60)
    /// Bytes that must be free where releases and Bittern's own things lie; with less, jobs wait.
    package var minFree: Int
    /// For all steps and for git.
    package var environment: [String: String]
    /// By name.
    package var accounts: [String: Account]
    /// In the order of their names.
    package var apps: [App]

    package init(
        name: String, hooks: Hooks, controlSocket: String, publicURL: String?, stateDirectory: String,
        workers: Int, drain: Duration = .seconds(5 * 60), retention: Retention = Retention(), minFree: Int = 1 << 30,
        environment: [String: String], accounts: [String: Account], apps: [App]
    ) {
        self.minFree = minFree
        self.name = name
        self.hooks = hooks
        self.controlSocket = controlSocket
        self.publicURL = publicURL
        self.stateDirectory = stateDirectory
        self.workers = workers
        self.drain = drain
        self.retention = retention
        self.environment = environment
        self.accounts = accounts
        self.apps = apps
    }

    package enum RunnerKind: String, Sendable, CaseIterable {
        /// Steps are child processes of the daemon.
        case child
        /// A runner with root's rights starts each in a unit of its own, as the app's user.
        case systemd
    }

    /// The listener for webhooks.
    package struct Hooks: Sendable, Equatable {
        /// Whether nobody listens, also where the service manager hands sockets over: pushes are found by catch-up alone.
        package var isOff = false
        /// At least one, unless the service manager hands sockets over or it is off.
        package var listen: [ListenAddress]
        package var tls: TLSFiles?
        /// Largest request body in bytes.
        package var bodyLimit: Int
        /// Addresses (no ranges) whose `X-Forwarded-For` is believed.
        package var trustedProxies: [String]

        package init(listen: [ListenAddress], tls: TLSFiles?, bodyLimit: Int, trustedProxies: [String]) {
            self.listen = listen
            self.tls = tls
            self.bodyLimit = bodyLimit
            self.trustedProxies = trustedProxies
        }
    }

    /// Where a listener is bound.
    package enum ListenAddress: Sendable, Equatable {
        /// A host name or address (IPv6 without brackets) and a port from 0 (any free one) to 65,535.
        case tcp(host: String, port: Int)
        /// An absolute path.
        case unix(path: String)
    }

    /// PEM files, absolute paths.
    package struct TLSFiles: Sendable, Equatable {
        package var certificate: String
        package var key: String

        package init(certificate: String, key: String) {
            self.certificate = certificate
            self.key = key
        }
    }

    package func apps(of account: Account) -> [App] { apps.filter { $0.account == account.name } }
}

/// One connection to one forge.
package struct Account: Sendable, Equatable, Codable {
    package enum Kind: String, Sendable, CaseIterable, Codable {
        case bitbucketCloud = "bitbucket-cloud"
        case bitbucketDataCenter = "bitbucket-datacenter"
        case github
        case gitlab
        case gitea
    }

    package var name: String
    package var kind: Kind
    /// Cloud: for repositories written without a workspace.
    package var workspace: String?
    /// Data Center: base address with scheme and context path, without a trailing slash.
    package var url: String?
    /// Data Center: `ssh://git@host:port`, without a trailing slash.
    package var sshURL: String?
    /// Absolute path of an extra certificate authority (PEM).
    package var certificateAuthority: String?
    /// `http://host:port`, or `none` for no proxy whatever the environment says.
    package var proxy: String?
    /// One, or two while one is being rotated; empty only where nobody listens.
    package var hookSecrets: [Secret]
    package var rest: RESTCredential?
    package var ssh: SSHCredential?

    package init(
        name: String, kind: Kind, workspace: String? = nil, url: String? = nil, sshURL: String? = nil,
        certificateAuthority: String? = nil, proxy: String? = nil, hookSecrets: [Secret],
        rest: RESTCredential? = nil, ssh: SSHCredential? = nil
    ) {
        self.name = name
        self.kind = kind
        self.workspace = workspace
        self.url = url
        self.sshURL = sshURL
        self.certificateAuthority = certificateAuthority
        self.proxy = proxy
        self.hookSecrets = hookSecrets
        self.rest = rest
        self.ssh = ssh
    }
}

/// What is shown to the forge's HTTPS side, for REST and for git.
package enum RESTCredential: Sendable, Equatable, Codable {
    /// An Atlassian API token of a user; `email` names the user to REST.
    case apiToken(Secret, email: String)
    /// A repository, project or workspace access token (Cloud) or an HTTP access token (Data Center).
    case accessToken(Secret)
    /// An OAuth consumer, which is given access tokens for an hour or two: as itself, or as whoever logged in.
    case oauth(key: String, secret: Secret)
    /// Switched off on Bitbucket Cloud since July 2026.
    case appPassword(Secret, username: String)
}

/// A deploy key; git uses it instead of HTTPS when it is there.
package struct SSHCredential: Sendable, Equatable, Codable {
    package enum Key: Sendable, Equatable, Codable {
        /// An absolute path that only the daemon may read.
        case path(String)
        /// The key itself, from the environment.
        case contents(Secret)
    }

    package var key: Key
    /// Absolute path; nil: the daemon user's and the system's own files.
    package var knownHosts: String?

    package init(key: Key, knownHosts: String?) {
        self.key = key
        self.knownHosts = knownHosts
    }
}

/// One configured application.
package struct App: Sendable, Equatable, Codable {
    package var name: String
    package var account: String
    package var repository: RepositoryName
    /// What git is given: `https://`, `ssh://`, `file://` or an absolute path. Without user or password.
    package var cloneURL: String
    /// At least one that does not exclude, unless there are tags.
    package var branches: [Glob]
    package var tags: [Glob]
    /// Absolute path.
    package var root: String
    package var environment: [String: String]
    /// Environment of `pre_deploy` and `deploy` steps, and of the build steps that list them.
    package var secrets: [String: Secret]
    package var build: [CommandStep]
    package var preDeploy: [CommandStep]
    package var deploy: [CommandStep]
    /// The whole job.
    package var timeout: Duration
    package var noOutputTimeout: Duration
    /// Bytes per step.
    package var logLimit: Int
    /// File mode mask of steps and of the checkout.
    package var umask: UInt16
    /// Jobs that share it run one at a time.
    package var lock: String
    /// Whether a newer push cancels the running job.
    package var cancelRunning: Bool
    /// Whether pushes that were missed are looked for.
    package var catchUp = true
    /// Whether the heads of its branches are deployed as soon as it is known.
    package var deploysOnAdd = false
    /// How often a job is started when the daemon or the host dies under it; at least 1.
    package var maxAttempts: Int
    /// What git shows to the forge instead of the account's credentials.
    package var credentials: Credentials?
    /// Of the app's own hook; it then hears nothing else.
    package var hookSecrets: [Secret]?
    package var filters = PushFilters()
    package var releases = ReleaseSettings()
    package var unit = UnitSettings()
    /// Groups whose members may deploy, roll back, cancel and hold it; nil: whoever may open the control socket.
    package var operators: [String]?

    package init(
        name: String, account: String, repository: RepositoryName, cloneURL: String, branches: [Glob], tags: [Glob] = [],
        root: String, environment: [String: String] = [:], secrets: [String: Secret] = [:], build: [CommandStep] = [],
        preDeploy: [CommandStep] = [], deploy: [CommandStep] = [], timeout: Duration = .seconds(30 * 60),
        noOutputTimeout: Duration = .seconds(10 * 60), logLimit: Int = 64 << 20, umask: UInt16 = 0o022,
        lock: String? = nil, cancelRunning: Bool = false, maxAttempts: Int = 3
    ) {
        self.lock = lock ?? name
        self.cancelRunning = cancelRunning
        self.maxAttempts = maxAttempts
        self.name = name
        self.account = account
        self.repository = repository
        self.cloneURL = cloneURL
        self.branches = branches
        self.tags = tags
        self.root = root
        self.environment = environment
        self.secrets = secrets
        self.build = build
        self.preDeploy = preDeploy
        self.deploy = deploy
        self.timeout = timeout
        self.noOutputTimeout = noOutputTimeout
        self.logLimit = logLimit
        self.umask = umask
    }
}

/// One command of a pipeline, run with `/bin/sh -euc`.
package struct CommandStep: Sendable, Equatable, Codable {
    /// Unique in its app and none of the built-in steps' names.
    package var name: String
    package var run: String
    /// nil: only the job's limit.
    package var timeout: Duration?
    package var environment: [String: String]
    /// Names out of the app's `secrets` (build steps; the others have all).
    package var secrets: [String]
    /// Of a deploy step: whether it belongs to rollbacks too.
    package var isInRollbacks: Bool
    /// Whether it sees more of the network than its own loopback; ``Configuration/RunnerKind/systemd`` only.
    package var hasNetwork = true

    package init(
        name: String, run: String, timeout: Duration? = nil, environment: [String: String] = [:], secrets: [String] = [],
        isInRollbacks: Bool = true
    ) {
        self.isInRollbacks = isInRollbacks
        self.name = name
        self.run = run
        self.timeout = timeout
        self.environment = environment
        self.secrets = secrets
    }
}

/// As whom and within which limits an app's steps run; ``Configuration/RunnerKind/systemd`` only.
package struct UnitSettings: Sendable, Equatable, Codable {
    package var user: String?
    /// Whether that may be root.
    package var allowsRoot = false
    /// Bytes of all processes of a step together; nil: no limit, as below.
    package var memory: Int?
    /// Percent of one processor.
    package var processor: Int?
    /// Processes and threads.
    package var tasks: Int?

    package init() {}
}

/// Which of the pushes that match are worth a deploy; decided when their commits are in the mirror.
package struct PushFilters: Sendable, Equatable, Codable {
    /// Of files, from the top of the repository; empty: all.
    package var paths: [Glob] = []
    /// Texts in the message of the new commit that say no.
    package var skipMarkers: [String] = ["[skip deploy]", "[deploy skip]"]

    package init() {}
}

/// How an app's releases are made, put live and kept.
package struct ReleaseSettings: Sendable, Equatable, Codable {
    /// A name below `ROOT/shared`, linked into every release.
    package struct SharedPath: Sendable, Equatable, Codable {
        /// Relative, without a trailing slash.
        package var path: String
        package var isDirectory: Bool

        package init(_ path: String, isDirectory: Bool) {
            self.path = path
            self.isDirectory = isDirectory
        }
    }

    /// Working directory of every step, relative to the release; nil: its top.
    package var directory: String?
    package var shared: [SharedPath] = []
    /// Directories carried from job to job, relative to the release.
    package var cache: [String] = []
    package var allowsExternalLinks = false
    package var hasSubmodules = false
    package var hasLargeFiles = false
    /// Units of the service manager.
    package var restart: [String] = []
    package var reload: [String] = []
    package var health: Health?
    /// Whether a failure after `activate` goes back to the previous good release.
    package var rollsBack = true
    package var notices: [NoticeSetting] = []
    /// How many good releases are kept, the live one included; at least 1.
    package var keep = 5

    package init() {}
}

/// How to see that a release that was just put live works.
package struct Health: Sendable, Equatable, Codable {
    package enum Question: Sendable, Equatable, Codable {
        /// A GET that must be answered with the status; redirects are not followed.
        case url(String, status: Int, headers: [String: String])
        /// A connection that must come about.
        case tcp(host: String, port: Int)
        /// A command that must exit with 0.
        case run(String)
    }

    package var question: Question
    /// How long the answer may take to become right.
    package var within: Duration
    package var interval: Duration

    package init(_ question: Question, within: Duration = .seconds(30), interval: Duration = .seconds(1)) {
        self.question = question
        self.within = within
        self.interval = interval
    }
}

/// A command that tells others how a job ended.
package struct NoticeSetting: Sendable, Equatable, Codable {
    package enum Event: String, Sendable, CaseIterable, Codable { case succeeded, failed, recovered }

    package var run: String
    package var events: Set<Event>

    package init(run: String, events: Set<Event>) {
        self.run = run
        self.events = events
    }

    /// What it is told of a job that ended so; nil: nothing. A success after a failure is both, and `recovered` says more.
    package func event(of state: Job.State, hadFailed: Bool) -> Event? {
        switch state {
        case .succeeded where hadFailed && events.contains(.recovered): .recovered
        case .succeeded: events.contains(.succeeded) ? .succeeded : nil
        case .failed: events.contains(.failed) ? .failed : nil
        case .queued, .running, .cancelled, .superseded, .skipped: nil
        }
    }
}
