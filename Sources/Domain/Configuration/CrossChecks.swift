/// What no file can know alone: apps that stand in each other's way, or in the daemon's.
struct CrossChecks {
    let apps: [AppReading]
    /// Absolute.
    let stateDirectory: String
    /// Below one of which each root must lie; nil where steps are no units.
    let runnerRoots: [String]?
    let findings: ConfigurationFindings

    func run() {
        checkNames()
        for (index, app) in apps.enumerated() {
            if let runnerRoots { checkUnit(app, runnerRoots) }
            guard let root = app.root else { continue }
            checkRoot(root, app)
            for earlier in apps[..<index] { checkRoots(app, root, earlier) }
        }
    }

    private func checkNames() {
        var first: [String: AppReading] = [:]
        for app in apps {
            guard let name = app.name else { continue }
            if let earlier = first[name] {
                findings.error(
                    at: app.namePosition,
                    "two apps are called \(quoted(name)) (the other in \(earlier.namePosition.file); give one another name with `app`)"
                )
            } else {
                first[name] = app
            }
        }
    }

    /// What the runner would refuse.
    private func checkUnit(_ app: AppReading, _ roots: [String]) {
        if let read = app.app, read.unit.user == nil {
            findings.error(at: app.namePosition, "`user` is missing (with `runner: systemd` the steps of an app run as it)")
        }
        if let root = app.root, !roots.contains(where: { $0 != root && PathText.isInside(root, $0) }) {
            let roots = roots.map(quoted).joined(separator: ", ")
            findings.error(at: app.rootPosition, "`root` must lie below one of `runner_roots`: \(roots)")
        }
    }

    private func checkRoot(_ root: String, _ app: AppReading) {
        if root == "/" {
            findings.error(at: app.rootPosition, "`root` must be a directory of its own, not `/`")
        } else if PathText.isInside(root, stateDirectory) || PathText.isInside(stateDirectory, root) {
            findings.error(
                at: app.rootPosition,
                "`root` must lie apart from the state directory \(quoted(stateDirectory)), not in it or around it"
            )
        }
        checkWhatIsThere(root, app)
    }

    /// `ROOT/current` is replaced by a rename, which works on a link and on nothing.
    private func checkWhatIsThere(_ root: String, _ app: AppReading) {
        let fileKind = findings.surroundings.fileKind
        if let kind = fileKind(root), kind == .file || kind == .other {
            findings.error(at: app.rootPosition, "`root` must be a directory, and \(quoted(root)) is none")
            return
        }
        let current = PathText.absolute("current", in: root)
        guard let kind = fileKind(current), kind != .symbolicLink else { return }
        let what = kind == .directory ? "a directory" : "a file"
        findings.error(
            at: app.rootPosition,
            "\(quoted(current)) is \(what), where the link to the live release belongs (move it away, or choose another root)"
        )
    }

    private func checkRoots(_ app: AppReading, _ root: String, _ earlier: AppReading) {
        guard let other = earlier.root, PathText.isInside(root, other) || PathText.isInside(other, root) else { return }
        let place = "that of \(earlier.rootPosition.file), line \(earlier.rootPosition.line)"
        findings.error(
            at: app.rootPosition,
            root == other
                ? "`root` is also \(place) (each app needs its own)"
                : "`root` must lie apart from \(place), \(quoted(other)), not in it or around it"
        )
    }
}
