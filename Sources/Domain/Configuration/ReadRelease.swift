// How releases are made, put live and kept, and which pushes are worth one.

extension MappingReader {
    func pushFilters() -> PushFilters {
        var filters = PushFilters()
        filters.paths = self["paths"]?.globs() ?? []
        if let markers = self["skip_markers"]?.items("a list of texts") { filters.skipMarkers = markers.compactMap { $0.text() } }
        return filters
    }

    func releaseSettings() -> ReleaseSettings {
        var settings = ReleaseSettings()
        settings.directory = self["directory"]?.pathInside().map(Self.plain)
        settings.shared = self["shared"]?.items("a list of relative paths")?.compactMap { $0.sharedPath() } ?? []
        settings.cache = self["cache"]?.items("a list of relative paths")?.compactMap { $0.pathInside() }.map(Self.plain) ?? []
        settings.allowsExternalLinks = self["external_links"]?.choice(["refuse", "allow"]) == "allow"
        settings.hasSubmodules = self["submodules"]?.flag() ?? false
        settings.hasLargeFiles = self["lfs"]?.flag() ?? false
        settings.restart = units("restart")
        settings.reload = units("reload")
        settings.health = self["health"]?.mapping(.health)?.health()
        settings.rollsBack = self["on_failure"]?.choice(["rollback", "keep"]) != "keep"
        settings.notices = self["notify"]?.items("a list of mappings with run")?.compactMap { $0.notice() } ?? []
        if let keep = self["keep_releases"]?.wholeNumber(in: 1...1_000) { settings.keep = keep }
        checkPlaces(settings)
        return settings
    }

    private func units(_ key: String) -> [String] {
        self[key]?.oneOrMore("a unit or a list of units")?.compactMap { $0.unitName() } ?? []
    }

    /// One place cannot be two things, nor lie within a link that leads out of the release.
    private func checkPlaces(_ settings: ReleaseSettings) {
        var taken: [(path: String, key: String)] = [("REVISION", "bittern")]
        let places = settings.shared.map { (path: $0.path, key: "shared") } + settings.cache.map { (path: $0, key: "cache") }
        for place in places {
            if let other = taken.first(where: {
                PathText.isInside("/" + place.path, "/" + $0.path) || PathText.isInside("/" + $0.path, "/" + place.path)
            }) {
                let what =
                    other.key == "bittern"
                    ? "\(quoted("REVISION")), which Bittern writes itself" : "\(quoted(other.path)) of `\(other.key)`"
                self[place.key]?.report("\(quoted(place.path)) and \(what) are in each other's way (keep one of them)")
            }
            taken.append(place)
        }
    }

    /// Without `.`, doubled and final slashes.
    fileprivate static func plain(_ path: String) -> String {
        path.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
    }

    fileprivate func health() -> Health? {
        let ways = ["url", "tcp", "run"].compactMap { self[$0] }
        if ways.isEmpty { findings.error(at: position, "`health` says nothing to ask (one of url, tcp, run)") }
        for way in ways.dropFirst() {
            findings.error(at: way.keyPosition, "`\(way.name)` contradicts `\(ways[0].name)` (one of url, tcp, run)")
        }
        let address = self["url"]?.webAddress(["http", "https"], query: true)?.text
        let place = self["tcp"]?.hostPort()
        let command = self["run"]?.command()
        if self["url"] == nil { refuse(["status", "headers"], "has no effect without `url`") }
        let status = self["status"]?.wholeNumber(in: 100...599) ?? 200
        let headers = self["headers"]?.headers() ?? [:]
        let within = self["within"]?.duration() ?? .seconds(30)
        let interval = self["interval"]?.duration() ?? .seconds(1)
        let questions = [
            address.map { Health.Question.url($0, status: status, headers: headers) },
            place.map { Health.Question.tcp(host: $0.host, port: $0.port) }, command.map { Health.Question.run($0) },
        ]
        return questions.compactMap(\.self).first.map { Health($0, within: within, interval: interval) }
    }
}

extension ConfigurationField {
    fileprivate func sharedPath() -> ReleaseSettings.SharedPath? {
        guard let text = pathInside() else { return nil }
        return .init(MappingReader.plain(text), isDirectory: text.hasSuffix("/"))
    }

    fileprivate func unitName() -> String? {
        guard let text = text("a unit's name") else { return nil }
        return NameText.isUnitName(text) ? text : refused(text, mustBe: "a unit's name, such as shop.service")
    }

    fileprivate func notice() -> NoticeSetting? {
        guard let mapping = mapping(.notify) else { return nil }
        let words = NoticeSetting.Event.allCases.map(\.rawValue)
        let events =
            mapping["on"]?.items("a list out of \(words.joined(separator: ", "))")?.compactMap { $0.choice(words) } ?? [
                "failed", "recovered",
            ]
        guard let run = mapping.required("run", "a command")?.command() else { return nil }
        return NoticeSetting(run: run, events: Set(events.compactMap { NoticeSetting.Event(rawValue: $0) }))
    }

    fileprivate func hostPort() -> (host: String, port: Int)? {
        guard let text = text("host:port") else { return nil }
        guard let (host, port) = HostPort.split(text[...]), let port, port != 0 else { return refused(text, mustBe: "host:port") }
        return (host, port)
    }

    /// Names are tokens (RFC 9110, 5.6.2), and a value is one line.
    fileprivate func headers() -> [String: String]? {
        guard let fields = namedFields("a mapping of names to values") else { return nil }
        var headers: [String: String] = [:]
        for field in fields {
            let isToken = field.name.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
                    || "!#$%&'*+-.^_`|~".utf8.contains($0)
            }
            guard isToken, !field.name.isEmpty else {
                findings.error(at: field.keyPosition, "\(quoted(field.name)) is not the name of a header")
                continue
            }
            headers[field.name] = field.text()
        }
        return headers
    }
}
