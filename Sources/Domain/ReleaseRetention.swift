/// Which releases are kept: the live one, the one to go back to, the newest good ones, and the newest that failed, to be looked at.
package enum ReleaseRetention {
    /// Failed releases that stay.
    package static let failed = 2

    /// Those that may go, of all that an app has.
    ///
    /// - Parameters:
    ///   - keep: how many good releases stay, the live one included; at least 1.
    ///   - needed: those that jobs wait to go to.
    package static func removable(_ releases: [Release], keep: Int, needed: Set<Int64>) -> [Release] {
        let newestFirst = releases.sorted { $0.id > $1.id }
        var kept = needed
        kept.formUnion(newestFirst.filter { $0.state == .live || $0.state == .building }.map(\.id))
        if let previous = previousGood(releases) { kept.insert(previous.id) }
        kept.formUnion(newestFirst.filter { $0.state == .live || $0.state == .good }.prefix(max(1, keep)).map(\.id))
        kept.formUnion(newestFirst.filter { $0.state == .failed }.prefix(failed).map(\.id))
        return newestFirst.filter { !kept.contains($0.id) }
    }

    /// The good release that was live last before the one that is.
    package static func previousGood(_ releases: [Release]) -> Release? {
        releases.filter { $0.state == .good && $0.failedAt == nil }
            .max { ($0.activatedAt?.milliseconds ?? 0, $0.id) < ($1.activatedAt?.milliseconds ?? 0, $1.id) }
    }
}
