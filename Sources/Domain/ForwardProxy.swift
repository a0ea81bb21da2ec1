/// The HTTP proxy through which an address is reached.
package struct ForwardProxy: Sendable, Equatable {
    package let host: String
    package let port: Int
    /// The value of `Proxy-Authorization`.
    package let authorization: Secret?

    /// nil: none. What the account says counts, else the variables that curl and git go by (curl(1), ENVIRONMENT), the first environment
    /// that has one of them.
    ///
    /// - Parameters:
    ///   - url: https or http.
    ///   - configured: ``Account/proxy``.
    package static func chosen(for url: String, configured: String?, environments: [[String: String]]) -> ForwardProxy? {
        if let configured { return configured == "none" ? nil : ForwardProxy(configured) }
        guard let address = WebAddress(url) else { return nil }
        // Upper case HTTP_PROXY is what a client's `Proxy:` header becomes in a CGI program, so nobody goes by it.
        let names = address.scheme == "http" ? ["http_proxy"] : ["https_proxy", "HTTPS_PROXY"]
        func first(_ names: [String]) -> String? {
            environments.lazy.flatMap { environment in names.lazy.compactMap { environment[$0] } }.first { !$0.isEmpty }
        }
        if let exceptions = first(["no_proxy", "NO_PROXY"]), excludes(address, exceptions) { return nil }
        return first(names + ["all_proxy", "ALL_PROXY"]).flatMap { ForwardProxy($0) }
    }

    /// `http://[user:password@]host:port`; the scheme may be missing.
    private init?(_ text: String) {
        let whole = text.firstRange(of: "://") == nil ? "http://" + text : text
        guard let address = WebAddress(whole), address.scheme == "http", !address.host.isEmpty else { return nil }
        host = address.host
        port = address.port ?? 1080
        authorization = Self.userInformation(in: whole).map { Secret("Basic " + Base64.encode(Array($0.utf8))) }
    }

    private static func userInformation(in address: String) -> String? {
        guard let mark = address.firstRange(of: "://"), let at = address.lastIndex(of: "@") else { return nil }
        return Percent.decoded(String(address[mark.upperBound..<at]))
    }

    /// A list of hosts and domains with commas, `*` for all.
    private static func excludes(_ address: WebAddress, _ list: String) -> Bool {
        list.split(whereSeparator: { ", ".contains($0) }).contains { entry in
            let domain = entry.drop { $0 == "." }.lowercased()
            return entry == "*" || (!domain.isEmpty && (address.host == domain || address.host.hasSuffix("." + domain)))
        }
    }
}

/// Percent-encoding, RFC 3986, 2.1.
package enum Percent {
    /// Everything but unreserved characters.
    package static func encoded(_ text: some StringProtocol) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                result += (byte < 0x10 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
            }
        }
        return result
    }

    /// A `%` that begins no two digits stays what it is.
    package static func decoded(_ text: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"),
                let value = Hexadecimal.bytes(of: String(decoding: rest.prefix(2), as: UTF8.self).lowercased())?.first
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
