/// One app file, read as far as it goes; what stays nil has been reported.
struct AppReading {
    var app: App?
    var name: String?
    var namePosition: SourcePosition
    var root: String?
    var rootPosition: SourcePosition
}

/// What an app and `defaults` may both say.
struct AppSettings {
    var environment: [String: String] = [:]
    var secrets: [String: Secret] = [:]
    var build: [CommandStep] = []
    var preDeploy: [CommandStep] = []
    var deploy: [CommandStep] = []
    var timeout: Duration = .seconds(30 * 60)
    var noOutputTimeout: Duration = .seconds(10 * 60)
    var logLimit = 64 << 20
    var umask: UInt16 = 0o022
    var lock: String?
    var cancelRunning = false
    var maxAttempts = 3
    var catchUp = true
    var deploysOnAdd = false
    var operators: [String]?
}

extension MappingReader {
    /// One app; `accounts` are all that are configured, nil those that are not whole.
    func appReading(defaultName: String, accounts: [String: Account?]) -> AppReading {
        let name = appName(defaultName)
        let account = required("account", "a name out of `accounts`")?.accountName(accounts)
        let known = account.flatMap { accounts[$0] ?? nil }
        let repository = required("repository", "workspace/slug or PROJECT/slug")?.repository(of: known)
        let credentials = self["auth"]?.credentials(for: known?.kind)
        let address = cloneAddress(of: repository, account: known.map { credentials.map($0.showing) ?? $0 })
        let hookSecrets = self["hook_secret"]?.hookSecrets()
        let branches = branchPatterns()
        let tags = self["tags"]?.globs() ?? []
        let root = required("root", "the directory that holds the releases, such as /srv/shop")?.path("a directory")
        let settings = appSettings(secretsAreKnown: true)
        let filters = pushFilters()
        let releases = releaseSettings()
        let unit = unitSettings()
        var app: App?
        if let name, let account, let repository, let address, let branches, let root {
            app = App(
                name: name, account: account, repository: repository, cloneURL: address, branches: branches, tags: tags, root: root,
                environment: settings.environment, secrets: settings.secrets, build: settings.build, preDeploy: settings.preDeploy,
                deploy: settings.deploy, timeout: settings.timeout, noOutputTimeout: settings.noOutputTimeout,
                logLimit: settings.logLimit, umask: settings.umask, lock: settings.lock, cancelRunning: settings.cancelRunning,
                maxAttempts: settings.maxAttempts
            )
            app?.credentials = credentials
            app?.hookSecrets = hookSecrets
            app?.filters = filters
            app?.releases = releases
            app?.unit = unit
            app?.operators = settings.operators
            app?.catchUp = settings.catchUp
            app?.deploysOnAdd = settings.deploysOnAdd
        }
        return AppReading(
            app: app, name: name, namePosition: self["app"]?.position ?? position,
            root: root, rootPosition: self["root"]?.position ?? position
        )
    }

    /// What an app says beside who it is. `secretsAreKnown`: whether the secrets a step lists can only be those here.
    func appSettings(secretsAreKnown: Bool) -> AppSettings {
        var settings = AppSettings()
        if let environment = self["env"]?.environment() { settings.environment = environment }
        if let secrets = self["secrets"]?.secretEnvironment() { settings.secrets = secrets }
        let timeout = self["timeout"].map { $0.duration() } ?? settings.timeout
        if let timeout { settings.timeout = timeout }
        if let timeout = self["no_output_timeout"]?.duration() { settings.noOutputTimeout = timeout }
        if let limit = self["log_limit"]?.size(in: 1 << 10...SizeText.limit) { settings.logLimit = limit }
        if let umask = self["umask"]?.umask() { settings.umask = umask }
        settings.lock = self["lock"]?.nameText()
        if let cancels = self["cancel_running"]?.flag() { settings.cancelRunning = cancels }
        if let attempts = self["max_attempts"]?.wholeNumber(in: 1...1_000) { settings.maxAttempts = attempts }
        if let catchUp = self["catch_up"]?.flag() { settings.catchUp = catchUp }
        if let deploys = self["deploy_on_add"]?.flag() { settings.deploysOnAdd = deploys }
        if settings.deploysOnAdd, !settings.catchUp || findings.catchUpIsOff {
            warn(["deploy_on_add"], "has no effect without catch-up, which would find the branch")
        }
        settings.operators = self["operators"]?.items("a list of groups")?.compactMap { $0.systemAccount("a group's name") }
        var steps = StepsReader(secretNames: secretsAreKnown ? secretNames : nil, jobTimeout: timeout)
        settings.build = self["build"].map { steps.read($0, .build) } ?? []
        settings.preDeploy = self["pre_deploy"].map { steps.read($0, .preDeploy) } ?? []
        settings.deploy = self["deploy"].map { steps.read($0, .deploy) } ?? []
        checkNamesOnce()
        return settings
    }

    private func appName(_ defaultName: String) -> String? {
        if let field = self["app"] { return field.nameText() }
        if NameText.isName(defaultName) { return defaultName }
        findings.error(
            at: position,
            "the file's name makes no name for an app: \(quoted(defaultName)) (\(NameText.rule); rename it, or write `app: NAME`)"
        )
        return nil
    }

    private func branchPatterns() -> [Glob]? {
        if let several = self["branches"] {
            refuse(["branch"], "contradicts `branches` (keep one of them)")
            guard let globs = several.globs() else { return nil }
            return globs.isEmpty ? several.refused("`branches` must name at least one branch") : globs
        }
        // Whoever names tags may deploy nothing else.
        if self["branch"] == nil, let tags = self["tags"]?.globs(), !tags.isEmpty { return [] }
        guard let glob = required("branch", "such as main; or branches, a list")?.glob() else { return nil }
        guard !glob.excludes else { return self["branch"]?.refused("`branch` only excludes (name a branch without `!`)") }
        return [glob]
    }

    /// Every name that `secrets` mentions, also where its source is bad, so that a step is not blamed for it.
    private var secretNames: Set<String> {
        guard case .mapping(let entries) = self["secrets"]?.tree.value else { return [] }
        return Set(entries.map(\.key))
    }

    /// A variable cannot be a secret and an open value at once.
    private func checkNamesOnce() {
        guard case .mapping(let entries) = self["env"]?.tree.value else { return }
        for entry in entries where secretNames.contains(entry.key) {
            findings.error(at: entry.keyPosition, "\(quoted(entry.key)) is in `env` and in `secrets` (keep one of them)")
        }
    }
}

extension ConfigurationField {
    /// The name of an account that is configured, whole or not.
    fileprivate func accountName(_ accounts: [String: Account?]) -> String? {
        guard let text = text("a name out of `accounts`") else { return nil }
        if accounts.keys.contains(text) { return text }
        let names = accounts.keys.sorted()
        let hint =
            if let near = Spelling.nearest(to: text, among: names) {
                "did you mean \(quoted(near))?"
            } else if names.isEmpty {
                "none is configured"
            } else {
                "there is \(names.prefix(8).map(quoted).joined(separator: ", "))"
            }
        return refused("unknown account \(quoted(text)) (\(hint))")
    }

    fileprivate func umask() -> UInt16? {
        let right = "octal digits from 000 to 777, such as \"022\""
        guard let text = text(right) else { return nil }
        // Four digits are common too; the first is for bits that a mask cannot hold.
        let digits = text.utf8.count == 4 && text.hasPrefix("0") ? text.dropFirst() : text[...]
        guard digits.utf8.count == 3, digits.utf8.allSatisfy({ (0x30...0x37).contains($0) }) else { return refused(text, mustBe: right) }
        return UInt16(digits, radix: 8)
    }
}
