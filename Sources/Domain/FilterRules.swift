/// What git knows of a commit that may be deployed.
package struct CommitFacts: Sendable, Equatable, Codable {
    /// The name git gives to all its files together.
    package var tree: CommitID
    package var message: String
    /// The first line of the message, to be shown.
    package var subject: String {
        SafeText.shown(String(message.prefix { $0 != "\n" && $0 != "\r\n" }), limit: 200)
    }
    /// The files that differ from the live commit; nil: nobody asked, or it cannot be known.
    package var changed: [String]?

    package init(tree: CommitID, message: String, changed: [String]? = nil) {
        self.tree = tree
        self.message = message
        self.changed = changed
    }
}

/// Which pushes are not worth a deploy, by what they hold. Asked after the ``OrderRules`` let the commit pass, for pushes and catch-ups
/// only: whoever asks for a commit by hand wants it.
package struct FilterRules: Sendable, Equatable {
    private let filters: PushFilters

    package init(_ filters: PushFilters) {
        self.filters = filters
    }

    /// Whether the files that differ from the live commit are needed at all.
    package var needsChangedFiles: Bool { !filters.paths.isEmpty }

    /// How the job ends that has nothing to do; nil: it goes on. What cannot be known holds nothing back.
    package func skips(_ facts: CommitFacts, cause: Job.Cause) -> JobEnd? {
        guard cause == .push || cause == .catchUp else { return nil }
        if let marker = filters.skipMarkers.first(where: { facts.message.contains($0) }) {
            return JobEnd(.skipped, "the commit's message says \(SafeText.shown(marker, limit: 100))")
        }
        return facts.changed.flatMap(skips(files:))
    }

    /// As many of the files as it takes to come to the same verdict.
    package func decisive(_ changed: [String]) -> [String] {
        (changed.first(where: filters.paths.admit) ?? changed.first).map { [$0] } ?? []
    }

    /// The same by the files that differ from the live commit.
    package func skips(files changed: [String]) -> JobEnd? {
        guard needsChangedFiles, !changed.contains(where: filters.paths.admit) else { return nil }
        let paths = SafeText.shown(filters.paths.map(\.pattern).joined(separator: ", "), limit: 200)
        return JobEnd(.skipped, changed.isEmpty ? "no file differs from the live commit" : "no pushed file matches paths: \(paths)")
    }
}
