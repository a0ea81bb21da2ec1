/// What the main file says by itself, before any app is looked at.
struct MainReading {
    var name: String
    var hooks: Configuration.Hooks
    var controlSocket: String
    var publicURL: String?
    var stateDirectory: String
    var workers: Int
    var runner: Configuration.RunnerKind
    var runnerRoots: [String]
    var drain: Duration
    var retention: Retention
    var catchUp: Duration?
    var statusLink: StatusLink?
    var minFree: Int
    var environment: [String: String]
    /// nil for an account that is not whole.
    var accounts: [String: Account?]

    func configuration(apps: [App]) -> Configuration {
        var configuration = Configuration(
            name: name, hooks: hooks, controlSocket: controlSocket, publicURL: publicURL, stateDirectory: stateDirectory,
            workers: workers, drain: drain, retention: retention, minFree: minFree, environment: environment,
            accounts: accounts.compactMapValues(\.self), apps: apps.sorted { $0.name < $1.name }
        )
        configuration.catchUp = catchUp
        configuration.statusLink = statusLink
        configuration.runner = runner
        configuration.runnerRoots = runnerRoots
        return configuration
    }
}

extension MappingReader {
    /// The main file. Where a value is wrong, its default stands in, so that the apps can still be checked.
    func mainReading() -> MainReading {
        let surroundings = findings.surroundings
        findings.runner = self["runner"]?.runner() ?? .child
        findings.hooksAreOff = self["hooks"]?.says("off") ?? false
        let state = surroundings.stateDirectory.map { PathText.absolute($0, in: "/") } ?? "/var/lib/bittern"
        let pause = catchUp
        findings.catchUpIsOff = pause == nil
        let reading = MainReading(
            name: self["name"]?.serverName() ?? surroundings.hostName,
            hooks: self["hooks"]?.hooks() ?? .standard,
            controlSocket: self["control"]?.mapping(.control)?["socket"]?.socketPath() ?? "/run/bittern/control.sock",
            publicURL: self["public_url"]?.webAddress(["https", "http"])?.text,
            stateDirectory: self["state_directory"]?.stateDirectory() ?? state,
            workers: self["workers"]?.wholeNumber(in: 0...1_000) ?? 2,
            runner: findings.runner,
            runnerRoots: self["runner_roots"]?.runnerRoots() ?? ["/srv"],
            drain: self["drain"]?.duration(allowsZero: true) ?? .seconds(5 * 60),
            retention: self["retention"]?.retention() ?? Retention(),
            catchUp: pause,
            statusLink: self["status_url"]?.statusLink(),
            minFree: self["min_free"]?.size(in: 0...SizeText.limit) ?? 1 << 30,
            environment: self["env"]?.environment() ?? [:],
            accounts: required("accounts", "at least one, with kind and hook_secret")?.accounts() ?? [:]
        )
        if findings.runner == .child { warn(["runner_roots"], "has no effect with `runner: child`") }
        _ = self["apps_directory"]?.path("a directory")
        checkDefaults()
        checkSockets(reading)
        if reading.hooks.isOff, reading.catchUp == nil {
            warn(["catch_up"], "is off like `hooks`, so no push is ever heard of (give it a time, such as 1m)")
        }
        return reading
    }

    /// With less between two looks a forge would be asked more than it likes.
    private static let leastCatchUp: Duration = .seconds(10)

    private var catchUp: Duration? {
        guard let field = self["catch_up"] else { return .seconds(5 * 60) }
        guard !field.says("off"), let pause = field.duration() else { return nil }
        return pause >= Self.leastCatchUp ? pause : field.refused("`catch_up` must be at least 10s, or off")
    }

    /// What every app starts from: each of these counts where the app's own file does not have the key.
    var defaults: [ConfigurationField] {
        // Whatever is no key of an app, or no mapping at all, is reported by ``checkDefaults()``.
        guard case .mapping = self["defaults"]?.tree.value else { return [] }
        return self["defaults"]?.namedFields("a mapping")?.filter { ConfigurationPlace.defaults.keys.contains($0.name) } ?? []
    }

    /// Also what no app uses.
    private func checkDefaults() {
        guard let defaults = self["defaults"]?.mapping(.defaults) else { return }
        _ = defaults["auth"]?.credentials(for: nil)
        _ = defaults["hook_secret"]?.hookSecrets()
        _ = defaults["clone_url"]?.cloneAddress()
        _ = defaults["tags"]?.globs()
        _ = defaults.appSettings(secretsAreKnown: false)
        _ = defaults.pushFilters()
        _ = defaults.releaseSettings()
        _ = defaults.unitSettings()
    }

    private func checkSockets(_ reading: MainReading) {
        guard reading.hooks.listen.contains(.unix(path: reading.controlSocket)) else { return }
        let position = (self["control"] ?? self["hooks"])?.keyPosition ?? position
        findings.error(at: position, "`hooks` and `control` name the same socket, \(quoted(reading.controlSocket)) (give each its own)")
    }
}

extension ConfigurationField {
    fileprivate func statusLink() -> StatusLink? {
        let right = "an address such as https://logs.example.com/{app}/{job}"
        guard let text = text(right) else { return nil }
        guard let link = StatusLink(text) else {
            return refused(text, mustBe: "an address with no places but {app} and {job}")
        }
        guard let address = WebAddress(link.filled(app: "x", job: 1)), !address.host.isEmpty, address.user == nil,
            ["https", "http"].contains(address.scheme)
        else {
            return refusedAddress(text, right)
        }
        return link
    }

    fileprivate func serverName() -> String? {
        guard let text = text("a name") else { return nil }
        return text.utf8.count <= 100 ? text : refused(text, mustBe: "a name of at most 100 bytes")
    }

    fileprivate func retention() -> Retention? {
        guard let ages = mapping(.retention) else { return nil }
        var retention = Retention()
        if let age = ages["deliveries"]?.duration() { retention.deliveries = age }
        if let age = ages["jobs"]?.duration() { retention.jobs = age }
        if let age = ages["logs"]?.duration() { retention.logs = age }
        return retention
    }

    fileprivate func stateDirectory() -> String? {
        guard let path = path("a directory") else { return nil }
        return path == "/" ? refused("`\(name)` must be a directory of its own, not `/`") : path
    }
}
