extension ConfigurationField {
    /// The listener, or that there is none.
    func hooks() -> Configuration.Hooks? {
        if says("off") { return .off }
        guard let mapping = mapping(.hooks) else { return nil }
        var hooks = Configuration.Hooks.standard
        if let field = mapping["listen"] { hooks.listen = field.listenAddresses() ?? [] }
        hooks.tls = mapping["tls"]?.tlsFiles()
        if let size = mapping["body_limit"]?.size(in: 1 << 10...64 << 20) { hooks.bodyLimit = size }
        if let proxies = mapping["trusted_proxies"]?.trustedProxies() { hooks.trustedProxies = proxies }
        return hooks
    }

    private func listenAddresses() -> [Configuration.ListenAddress]? {
        guard let items = oneOrMore("an address or a list of them") else { return nil }
        var addresses: [Configuration.ListenAddress] = []
        for item in items {
            guard let address = item.listenAddress() else { continue }
            if addresses.contains(address), address.isOneSocket {
                item.report("`\(name)` names the same address twice")
            }
            addresses.append(address)
        }
        return addresses
    }

    private func listenAddress() -> Configuration.ListenAddress? {
        let right = "host:port, [IPv6 address]:port or unix:/path"
        guard let text = text(right) else { return nil }
        if text.hasPrefix("unix:") {
            return checkedSocketPath(String(text.dropFirst("unix:".count))).map { .unix(path: $0) }
        }
        guard let (host, port) = HostPort.split(text[...]), let port else { return refused(text, mustBe: right) }
        return .tcp(host: host, port: port)
    }

    /// The absolute path of a socket, short enough for the kernel.
    func socketPath() -> String? {
        text("a path").flatMap(checkedSocketPath)
    }

    private func checkedSocketPath(_ text: String) -> String? {
        let path = PathText.absolute(text, in: directory)
        guard !text.isEmpty, !text.hasSuffix("/"), path != "/" else {
            return refused("`\(name)` must name a socket, such as /run/bittern/bittern.sock")
        }
        guard path.utf8.count <= PathText.socketLimit else {
            return refused("`\(name)` must be a path of at most \(PathText.socketLimit) bytes, not \(path.utf8.count)")
        }
        return path
    }

    private func tlsFiles() -> Configuration.TLSFiles? {
        guard let mapping = mapping(.tls) else { return nil }
        let certificate = mapping.required("certificate", "a PEM file with the certificate and those between it and the root")?.path()
        let key = mapping.required("key", "a PEM file")?.path()
        guard let certificate, let key else { return nil }
        return Configuration.TLSFiles(certificate: certificate, key: key)
    }

    private func trustedProxies() -> [String]? {
        items("a list of addresses")?.compactMap { item in
            guard let text = item.text("an IP address") else { return nil }
            guard IPAddressText.isVersion4(text) || IPAddressText.isVersion6(text) else {
                return item.refused(text, mustBe: "single IP addresses, without ranges or names")
            }
            return text
        }
    }
}

extension Configuration.Hooks {
    /// Only this machine, so that nobody is on the internet without having said so.
    static let standard = Configuration.Hooks(
        listen: [.tcp(host: "127.0.0.1", port: 8470)], tls: nil, bodyLimit: 2 << 20, trustedProxies: ["127.0.0.1", "::1"]
    )

    static let off: Configuration.Hooks = {
        var hooks = standard
        hooks.isOff = true
        hooks.listen = []
        return hooks
    }()
}

extension Configuration.ListenAddress {
    /// Whether a second listener on it must fail; port 0 is another one each time.
    fileprivate var isOneSocket: Bool {
        if case .tcp(_, port: 0) = self { false } else { true }
    }
}
