// Keys that `NotSupportedYet` refuses, checked all the same, so that a file can be made ready before the version that needs it.
// When one is supported, its line moves from here to where its value is used.

extension MappingReader {
    func checkLaterKeysOfMain(accounts: [String: Account?]) {
        self["status_url"]?.checkStatusAddress()
        _ = self["runner_roots"]?.items("a list of directories")?.map { $0.path("a directory") }
        if let field = self["catch_up"], !field.says("off") { _ = field.duration() }
        _ = self["min_free"]?.size(in: 1 << 10...SizeText.limit)
        if let defaults = self["defaults"]?.mapping(.defaults) {
            _ = defaults["clone_url"]?.cloneAddress()
            _ = defaults["tags"]?.globs()
            _ = defaults.appSettings(secretsAreKnown: false)
            defaults.checkLaterKeys(kind: nil)
        }
    }

    /// Those of an app and of `defaults`. `kind`: the forge's, where it is known.
    func checkLaterKeys(kind: Account.Kind?) {
        _ = self["auth"]?.credentials(for: kind)
        _ = self["hook_secret"]?.hookSecrets()
        _ = self["paths"]?.items("a list of patterns")?.map { $0.glob() }
        _ = self["skip_markers"]?.items("a list of texts")?.map { $0.text() }
        checkLaterKeysOfRelease()
        checkLaterKeysOfRunner()
        checkLaterKeysOfActivation()
        checkLaterKeysOfQueue()
    }

    private func checkLaterKeysOfRelease() {
        _ = self["directory"]?.pathInside()
        _ = self["shared"]?.items("a list of relative paths")?.map { $0.pathInside() }
        _ = self["cache"]?.items("a list of relative paths")?.map { $0.pathInside() }
        _ = self["external_links"]?.choice(["refuse", "allow"])
        _ = self["submodules"]?.flag()
        _ = self["lfs"]?.flag()
        _ = self["keep_releases"]?.wholeNumber(in: 1...1_000)
    }

    private func checkLaterKeysOfRunner() {
        let user = self["user"]?.systemAccount("a user's name")
        let allowRoot = self["allow_root"]?.flag()
        if user == "root", allowRoot != true { refuse(["user"], "is root (add `allow_root: true`, or choose another user)") }
        _ = self["operators"]?.items("a list of groups")?.map { $0.systemAccount("a group's name") }
        guard let limits = self["limits"]?.mapping(.limits) else { return }
        _ = limits["memory"]?.size(in: 1 << 20...SizeText.limit)
        limits["cpu"]?.checkPercentage()
        _ = limits["tasks"]?.wholeNumber(in: 1...4_194_304)
    }

    private func checkLaterKeysOfActivation() {
        for key in ["restart", "reload"] {
            _ = self[key]?.oneOrMore("a unit or a list of units")?.map { $0.unitName() }
        }
        self["health"]?.mapping(.health)?.checkHealth()
        _ = self["on_failure"]?.choice(["rollback", "keep"])
        for item in self["notify"]?.items("a list of mappings with run") ?? [] {
            guard let notify = item.mapping(.notify) else { continue }
            _ = notify.required("run", "a command")?.command()
            _ = notify["on"]?.items("a list out of succeeded, failed, recovered")?.map { $0.choice(["succeeded", "failed", "recovered"]) }
        }
    }

    private func checkLaterKeysOfQueue() {
        _ = self["catch_up"]?.flag()
        _ = self["deploy_on_add"]?.flag()
    }

    private func checkHealth() {
        let ways = ["url", "tcp", "run"].compactMap { self[$0] }
        if ways.isEmpty { findings.error(at: position, "`health` says nothing to ask (one of url, tcp, run)") }
        for way in ways.dropFirst() {
            findings.error(at: way.keyPosition, "`\(way.name)` contradicts `\(ways[0].name)` (one of url, tcp, run)")
        }
        _ = self["url"]?.webAddress(["http", "https"], query: true)
        self["tcp"]?.checkHostPort()
        _ = self["run"]?.command()
        if self["url"] == nil { refuse(["status", "headers"], "has no effect without `url`") }
        _ = self["status"]?.wholeNumber(in: 100...599)
        _ = self["headers"]?.namedFields("a mapping of names to values")?.map { $0.text() }
        _ = self["within"]?.duration()
        _ = self["interval"]?.duration()
    }
}

extension ConfigurationField {
    /// A link with places to fill in, `{app}` and `{job}`.
    fileprivate func checkStatusAddress() {
        guard let text = text("an address") else { return }
        var rest = text[...]
        var filled = ""
        while let brace = rest.firstIndex(where: { "{}".contains($0) }) {
            guard let place = ["{app}", "{job}"].first(where: { rest[brace...].hasPrefix($0) }) else {
                report(text, mustBe: "an address with no places but {app} and {job}")
                return
            }
            filled += rest[..<brace] + "x"
            rest = rest[brace...].dropFirst(place.count)
        }
        let right = "an address such as https://logs.example.com/{app}/{job}"
        guard let address = WebAddress(filled + rest), !address.host.isEmpty, address.user == nil,
            ["https", "http"].contains(address.scheme)
        else {
            return reportAddress(text, right)
        }
    }

    fileprivate func systemAccount(_ right: String) -> String? {
        guard let text = text(right) else { return nil }
        return NameText.isAccountOfSystem(text) ? text : refused(text, mustBe: right)
    }

    fileprivate func unitName() -> String? {
        guard let text = text("a unit's name") else { return nil }
        return NameText.isUnitName(text) ? text : refused(text, mustBe: "a unit's name, such as shop.service")
    }

    fileprivate func checkPercentage() {
        let right = "a share of one processor, such as 200%"
        guard let text = text(right) else { return }
        guard text.hasSuffix("%"), let share = UnitText.number(text.dropLast(), atMost: 1_000_000), share > 0 else {
            report(text, mustBe: right)
            return
        }
    }

    fileprivate func checkHostPort() {
        guard let text = text("host:port") else { return }
        guard let (_, port) = HostPort.split(text[...]), port != 0 else {
            report(text, mustBe: "host:port")
            return
        }
    }
}
