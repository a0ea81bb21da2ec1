// Keys that `NotSupportedYet` refuses, checked all the same, so that a file can be made ready before the version that needs it.
// When one is supported, its line moves from here to where its value is used.

extension MappingReader {
    func checkLaterKeysOfMain() {
        self["status_url"]?.checkStatusAddress()
        if let field = self["catch_up"], !field.says("off") { _ = field.duration() }
    }

    /// Those of an app and of `defaults`.
    func checkLaterKeys() {
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
}
