/// Where the page of a job is, as an address with places to fill in: `{app}` and `{job}`.
package struct StatusLink: Sendable, Equatable {
    private enum Part: Sendable, Equatable {
        case text(String)
        case app
        case job
    }

    private let parts: [Part]

    /// nil when there is another place in it, or half of one.
    package init?(_ template: String) {
        var parts: [Part] = []
        var rest = template[...]
        while let brace = rest.firstIndex(where: { "{}".contains($0) }) {
            parts.append(.text(String(rest[..<brace])))
            if rest[brace...].hasPrefix("{app}") {
                parts.append(.app)
                rest = rest[brace...].dropFirst("{app}".count)
            } else if rest[brace...].hasPrefix("{job}") {
                parts.append(.job)
                rest = rest[brace...].dropFirst("{job}".count)
            } else {
                return nil
            }
        }
        self.parts = parts + [.text(String(rest))]
    }

    /// The names of apps need no escaping in an address.
    package func filled(app: String, job: Int64) -> String {
        parts.map { part in
            switch part {
            case .text(let text): text
            case .app: app
            case .job: String(job)
            }
        }.joined()
    }
}
