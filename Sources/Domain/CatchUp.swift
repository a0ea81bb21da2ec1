import Crypto

/// The head of a ref as the forge has it, with the apps that deploy it: what catch-up compares with what was accounted.
package struct FoundHead: Sendable, Equatable {
    package var ref: RefName
    /// Of an annotated tag the commit it stands for.
    package var commit: CommitID
    /// What the ref names: ``commit``, or the annotated tag.
    package var object: CommitID
    package var apps: [WatchedApp]
    /// Which of the two a delivery names, so that it is known when it comes late.
    package var told: CommitID

    /// - Parameter tellsObjects: whether deliveries name annotated tags themselves, as those of Data Center do.
    package init(ref: RefName, commit: CommitID, object: CommitID, apps: [WatchedApp], tellsObjects: Bool = false) {
        told = tellsObjects ? object : commit
        self.ref = ref
        self.commit = commit
        self.object = object
        self.apps = apps
    }
}

/// An app whose refs are compared with the forge's.
package struct WatchedApp: Sendable, Equatable {
    package var name: String
    package var lock: String
    /// ``App/deploysOnAdd``
    package var deploysOnAdd: Bool
    /// SHA-256 of what says which refs of which repository it deploys. With another one it is as good as a new app.
    package var rules: [UInt8]

    package init(name: String, lock: String, deploysOnAdd: Bool, rules: [UInt8]) {
        self.name = name
        self.lock = lock
        self.deploysOnAdd = deploysOnAdd
        self.rules = rules
    }

    /// - Parameter repository: as the forge calls it now.
    package init(_ app: App, repository: RepositoryName) {
        let parts = [app.account, repository.folded] + app.branches.map(\.pattern) + ["tags"] + app.tags.map(\.pattern)
        // No part holds a line end.
        let text = parts.joined(separator: "\n")
        self.init(
            name: app.name, lock: app.lock, deploysOnAdd: app.deploysOnAdd, rules: Array(SHA256.hash(data: Array(text.utf8))))
    }
}

/// What catch-up does for one app with the head of a ref.
///
/// It is rule 3 of the ``OrderRules`` without a commit of a job's own: a head that no delivery brought gets a job, unless one for it
/// waits or runs, or the last verdict was for it. A new app is not deployed by that; it starts with the next push, or, where it is
/// configured so, with the heads it finds.
package struct CatchUpRules: Sendable, Equatable {
    /// Whether the app was never compared before, or deployed other refs then.
    package var isNew: Bool
    package var deploysOnAdd: Bool
    /// Whether the ref's last accounted change was to the head.
    package var isAccounted: Bool
    /// Whether that was accounted while the app was watched and the app has had no job of this ref since: its own hook missed it.
    package var wasMissedByApp: Bool
    /// Whether a job of the app for the head, or any push of the ref, waits, or a job for the head runs.
    package var hasJob: Bool
    /// Whether the last job of the app and ref that came to a verdict was for the head.
    package var lastVerdictWasForHead: Bool

    package init(
        isNew: Bool, deploysOnAdd: Bool, isAccounted: Bool, wasMissedByApp: Bool, hasJob: Bool, lastVerdictWasForHead: Bool
    ) {
        self.isNew = isNew
        self.deploysOnAdd = deploysOnAdd
        self.isAccounted = isAccounted
        self.wasMissedByApp = wasMissedByApp
        self.hasJob = hasJob
        self.lastVerdictWasForHead = lastVerdictWasForHead
    }

    package var queuesJob: Bool {
        guard !hasJob, !lastVerdictWasForHead else { return false }
        return isNew ? deploysOnAdd : !isAccounted || wasMissedByApp
    }
}

extension App {
    /// Whether its patterns admit the ref.
    package func deploys(_ ref: RefName) -> Bool {
        (ref.kind == .branch ? branches : tags).admit(ref.shortName)
    }

    /// The first branch that it names and not only describes.
    package var firstBranch: RefName? {
        branches.lazy.compactMap(\.literalName).first.flatMap { RefName(.branch, $0) }
    }
}

extension FoundHead {
    /// What a forge's refs mean for apps of one repository, in the order in which their jobs are to be queued: all go live in one root, so
    /// the branch that an app names first comes last.
    ///
    /// - Parameter watched: the same apps in the same order.
    package static func all(
        _ heads: [RefName: (commit: CommitID, object: CommitID)], of apps: [App], _ watched: [WatchedApp], tellsObjects: Bool = false
    ) -> [FoundHead] {
        let first = Set(apps.compactMap(\.firstBranch))
        let order = heads.keys.sorted { (first.contains($0) ? 1 : 0, $0.full) < (first.contains($1) ? 1 : 0, $1.full) }
        return order.compactMap { ref in
            guard let head = heads[ref] else { return nil }
            let matching = zip(apps, watched).filter { $0.0.deploys(ref) }.map { app, watched in
                var watched = watched
                // Of several heads one goes live, and it is the one that `bittern deploy` would take.
                watched.deploysOnAdd = watched.deploysOnAdd && app.firstBranch == ref
                return watched
            }
            return FoundHead(ref: ref, commit: head.commit, object: head.object, apps: matching, tellsObjects: tellsObjects)
        }
    }
}

/// How often a repository is asked that did not answer, or whose forge is asked too much: less and less.
package struct CatchUpPace: Sendable, Equatable {
    /// How long a forge that was asked too much is asked less: it counts over an hour.
    package static let pressure: Duration = .seconds(600)
    /// At most so many looks are left out in a row.
    private static let longest = 12

    private var failures = 0
    private var leftOut = 0

    package init() {}

    /// Whether it did not answer when it was asked last.
    package var hasFailed: Bool { failures > 0 }

    /// Whether this look is one at which it is asked.
    package mutating func isDue(isUnderPressure: Bool) -> Bool {
        let pause = max(failures < 2 ? 0 : min(1 << min(failures - 2, 4), Self.longest), isUnderPressure ? 4 : 0)
        guard leftOut >= pause else {
            leftOut += 1
            return false
        }
        leftOut = 0
        return true
    }

    /// It did not answer.
    ///
    /// - Returns: whether it had answered before, and after how long it is asked again, should the usual pause be longer: a host that just
    ///   started may have no network yet. nil: at the next look.
    package mutating func failed() -> (isNews: Bool, again: Duration?) {
        failures += 1
        return (isNews: failures == 1, again: failures <= 4 ? .seconds(5 << failures) : nil)
    }
}
