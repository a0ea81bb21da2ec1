// Keys that `NotSupportedYet` refuses, checked all the same, so that a file can be made ready before the version that needs it.
// When one is supported, its line moves from here to where its value is used.

extension MappingReader {
    func checkLaterKeysOfMain() {
        self["status_url"]?.checkStatusAddress()
        _ = self["runner_roots"]?.items("a list of directories")?.map { $0.path("a directory") }
        if let field = self["catch_up"], !field.says("off") { _ = field.duration() }
    }

    /// Those of an app and of `defaults`.
    func checkLaterKeys() {
        checkLaterKeysOfRunner()
        checkLaterKeysOfQueue()
    }

    private func checkLaterKeysOfRunner() {
        let user = self["user"]?.systemAccount("a user's name")
        let allowRoot = self["allow_root"]?.flag()
        if user == "root", allowRoot != true { refuse(["user"], "is root (add `allow_root: true`, or choose another user)") }
        guard let limits = self["limits"]?.mapping(.limits) else { return }
        _ = limits["memory"]?.size(in: 1 << 20...SizeText.limit)
        limits["cpu"]?.checkPercentage()
        _ = limits["tasks"]?.wholeNumber(in: 1...4_194_304)
    }

    private func checkLaterKeysOfQueue() {
        _ = self["catch_up"]?.flag()
        _ = self["deploy_on_add"]?.flag()
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

    func systemAccount(_ right: String) -> String? {
        guard let text = text(right) else { return nil }
        return NameText.isAccountOfSystem(text) ? text : refused(text, mustBe: right)
    }

    fileprivate func checkPercentage() {
        let right = "a share of one processor, such as 200%"
        guard let text = text(right) else { return }
        guard text.hasSuffix("%"), let share = UnitText.number(text.dropLast(), atMost: 1_000_000), share > 0 else {
            report(text, mustBe: right)
            return
        }
    }
}
