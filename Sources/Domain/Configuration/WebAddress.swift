/// An address with a scheme, taken apart as far as the configuration must know it. Only printable ASCII; anything else is
/// percent-encoded in an address.
struct WebAddress: Equatable {
    /// Without `://`, as it was written: git knows `https` and not `HTTPS`.
    let scheme: String
    let user: String?
    let hasPassword: Bool
    /// Lower case; an IPv6 address without its brackets.
    let host: String
    let port: Int?
    /// Empty, or with the slash it begins with; without query and fragment.
    let path: String
    let hasQuery: Bool
    /// The address as it was written, but for slashes at its end.
    let text: String

    /// nil unless it is `scheme://[user[:password]@][host][:port][/path]`. The host may be empty, as in `file:///path`.
    init?(_ address: String) {
        guard address.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), let mark = Self.schemeEnd(of: address) else { return nil }
        scheme = String(address[..<mark])
        let rest = address[address.index(mark, offsetBy: 3)...]
        let authorityEnd = rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex
        let pathEnd = rest.firstIndex { "?#".contains($0) } ?? rest.endIndex
        path = String(rest[authorityEnd..<pathEnd])
        hasQuery = pathEnd != rest.endIndex
        var authority = rest[..<authorityEnd]
        (user, hasPassword) = Self.takeUser(from: &authority)
        guard let (host, port) = HostPort.split(authority, portOptional: true) else { return nil }
        self.host = host
        self.port = port
        text = Self.withoutFinalSlashes(address, keeping: address.index(mark, offsetBy: 3))
    }

    /// Whether it stays on this machine, so that nobody can listen in.
    var isLoopback: Bool { ["localhost", "127.0.0.1", "::1"].contains(host) }

    private static func schemeEnd(of address: String) -> String.Index? {
        guard let colon = address.firstIndex(of: ":"), address[colon...].hasPrefix("://"), colon > address.startIndex else { return nil }
        let isScheme = address[..<colon].utf8.allSatisfy { (0x61...0x7A).contains($0 | 0x20) || "0123456789+.-".utf8.contains($0) }
        return isScheme ? colon : nil
    }

    private static func takeUser(from authority: inout Substring) -> (user: String?, hasPassword: Bool) {
        guard let at = authority.lastIndex(of: "@") else { return (nil, false) }
        let parts = authority[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        authority = authority[authority.index(after: at)...]
        return (String(parts[0]), parts.count > 1)
    }

    private static func withoutFinalSlashes(_ address: String, keeping start: String.Index) -> String {
        var end = address.endIndex
        while end > start, address[address.index(before: end)] == "/" { end = address.index(before: end) }
        return String(address[..<end])
    }
}

/// `host:port` as text.
enum HostPort {
    /// The host in lower case and without brackets. nil when it is not well formed: an IPv6 address needs brackets, a port is a
    /// number up to 65,535. An empty host passes only where the port may be missing too.
    static func split(_ text: Substring, portOptional: Bool = false) -> (host: String, port: Int?)? {
        let (host, rest) = hostAndRest(text)
        let port = rest.hasPrefix(":") ? UnitText.number(rest.dropFirst(), atMost: 65_535) : nil
        guard port != nil || (portOptional && rest.isEmpty) else { return nil }
        guard isHost(host, bracketed: text.hasPrefix("[")) || (portOptional && text.isEmpty) else { return nil }
        return (host.lowercased(), port)
    }

    private static func hostAndRest(_ text: Substring) -> (host: Substring, rest: Substring) {
        if text.hasPrefix("["), let bracket = text.firstIndex(of: "]") {
            return (text[text.index(after: text.startIndex)..<bracket], text[text.index(after: bracket)...])
        }
        let colon = text.firstIndex(of: ":") ?? text.endIndex
        return (text[..<colon], text[colon...])
    }

    /// A host that begins with `-` could be an option to ssh.
    private static func isHost(_ host: Substring, bracketed: Bool) -> Bool {
        if bracketed { return IPAddressText.isVersion6(String(host)) }
        guard let first = host.utf8.first, host.utf8.count <= 253 else { return false }
        let isWord = host.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || ".-_".utf8.contains($0)
        }
        return isWord && !".-".utf8.contains(first)
    }
}
