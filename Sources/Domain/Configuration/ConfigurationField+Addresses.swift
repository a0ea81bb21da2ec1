// Addresses of other machines. None may carry a password: the configuration is no place for one.

extension ConfigurationField {
    /// An address with one of `schemes` and a host, without user, password or fragment, and its final slashes dropped. `http` where
    /// only `https` is asked for is let through to this machine alone.
    func webAddress(_ schemes: [String], query: Bool = false) -> WebAddress? {
        let right = "an address that begins with \(schemes.map { $0 + "://" }.joined(separator: " or "))"
        guard let text = text(right) else { return nil }
        guard let address = WebAddress(text), !address.host.isEmpty else { return refusedAddress(text, right) }
        guard address.user == nil else { return refused("`\(name)` must not hold a user or password") }
        guard schemes.contains(address.scheme) || address.isPlainButLocal(for: schemes) else {
            return address.scheme == "http" ? refusedPlain() : refused(text, mustBe: right)
        }
        guard query || !address.hasQuery else { return refused(text, mustBe: "an address without `?` and `#`") }
        return address
    }

    /// What cannot be taken apart is shown only where no password can be in it.
    func reportAddress(_ text: String, _ right: String) {
        text.contains("@") ? report("`\(name)` must be \(right)") : report(text, mustBe: right)
    }

    func refusedAddress<Value>(_ text: String, _ right: String) -> Value? {
        reportAddress(text, right)
        return nil
    }

    func refusedPlain<Value>() -> Value? {
        refused("`\(name)` must be https://, because http:// can be read on the way (it is for localhost, 127.0.0.1 and [::1] only)")
    }

    /// `https://…`, or `http://…` on this machine.
    func httpsAddress() -> String? {
        webAddress(["https"])?.text
    }

    /// `ssh://git@host:port` and nothing behind it.
    func sshBase() -> String? {
        let right = "an address such as ssh://git@git.example.com:7999"
        guard let text = text(right) else { return nil }
        guard let address = WebAddress(text), !address.host.isEmpty, address.scheme == "ssh" else { return refusedAddress(text, right) }
        guard !address.hasPassword else { return refused("`\(name)` must not hold a password (ssh uses the key)") }
        guard address.user.map(NameText.isAccountOfSystem) != false, !address.hasQuery, ["", "/"].contains(address.path) else {
            return refused(text, mustBe: right)
        }
        return address.text
    }

    /// `http://host:port`, `https://host:port` or `none`.
    func proxy() -> String? {
        if says("none") { return "none" }
        let right = "an address such as http://proxy:3128, or none"
        guard let text = text(right) else { return nil }
        guard let address = WebAddress(text), !address.host.isEmpty, address.scheme == "http" else {
            return refusedAddress(text, right)
        }
        guard address.user == nil else { return refused("`\(name)` must not hold a user or password") }
        guard address.port != nil, ["", "/"].contains(address.path), !address.hasQuery else { return refused(text, mustBe: right) }
        return address.text
    }
}

extension WebAddress {
    /// Plain HTTP that never leaves this machine, where HTTPS is asked for.
    func isPlainButLocal(for schemes: [String]) -> Bool {
        scheme == "http" && schemes.contains("https") && isLoopback
    }
}
