import Domain
import Glibc

/// The submodules of a commit: each in a mirror of its own, checked out at exactly the commit that the repository names.
///
/// Only https and ssh are spoken, and the account's credentials go to the account's host alone; a relative address is taken from the
/// repository's own (gitmodules(5)).
struct GitModules: Sendable {
    /// A repository that may have submodules.
    private struct Place: Sendable {
        var url: String
        var commit: String
        var mirror: String
        /// In the release; empty for its top.
        var path = ""
        var depth = 0
    }

    /// One submodule of a ``Place``.
    private struct Link: Sendable {
        let entry: Entry
        let url: String
        let mirror: String
        /// In the release.
        let path: String
    }

    private static let depthLimit = 10

    let mirrors: GitMirrors
    let order: StepOrder
    let log: StepLog

    private var top: String { mirrors.path(of: order.app) }

    /// Brings those of the commit, and those within them, into the mirror. Whoever calls has the mirror for itself.
    func fetch(_ commit: String) async throws {
        try await walk(Place(url: order.app.cloneURL, commit: commit, mirror: top)) { link in
            log.append(line: "submodule \(link.path) at \(link.entry.object) from \(link.url)")
            let git = try command(for: link.url)
            try FileSystem.makeDirectory(top + "/modules", mode: 0o755)
            try await mirrors.initialise(link.mirror, git, log)
            try await fetch(link.entry, git, link.mirror)
            _ = try await mirrors.size(of: link.entry.object, git, link.mirror)
        }
    }

    /// Writes them into the release.
    ///
    /// - Parameter index: of git, used for one after the other.
    /// - Returns: the symbolic links of all of them, as paths in the release.
    func checkout(index: String) async throws -> [String] {
        var links: [String] = []
        let git = try mirrors.command(for: order)
        try await walk(Place(url: order.app.cloneURL, commit: order.job.commit.hex, mirror: top)) { link in
            let tree = order.release.path + "/" + link.path
            // git made an empty directory for it; anything else is somebody's trick.
            guard FileSystem.isDirectory(tree) else {
                throw ExecError(.git, "the submodule \(SafeText.shown(link.path, limit: 200)) has no place in the release")
            }
            unlink(index)
            let run = try await GitRun.run(
                git.checkout(link.entry.object, tree: tree, index: index, mirror: link.mirror, umask: order.app.umask), log: log)
            guard run.outcome == .succeeded else { throw failure(of: link.entry, run) }
            links += try await Self.entries(git.entries(of: link.entry.object, mode: "120000", mirror: link.mirror))
                .map { link.path + "/" + $0.path }
        }
        return links
    }

    /// Visits the submodules of a commit, each before those within it.
    private func walk(_ place: Place, _ visit: (Link) async throws -> Void) async throws {
        let git = try mirrors.command(for: order)
        let file = try await GitRun.run(git.settings(in: ".gitmodules", of: place.commit, mirror: place.mirror), log: nil, limit: 1 << 20)
        guard file.outcome == .succeeded else { return }  // the commit has no such file
        let settings = Self.settings(file.text)
        for entry in try await Self.entries(git.entries(of: place.commit, mode: "160000", mirror: place.mirror)) {
            try Task.checkCancellation()
            guard place.depth < Self.depthLimit else {
                throw ExecError(.git, "submodules lie more than \(Self.depthLimit) deep in each other")
            }
            guard CommitID(entry.object) != nil, let written = Self.address(ofPath: entry.path, settings) else {
                throw ExecError(.git, "the submodule \(SafeText.shown(entry.path, limit: 200)) has no address in .gitmodules")
            }
            let url = try Self.address(written, seenFrom: place.url, of: entry.path)
            // One for each credential: what one account may see is not another's.
            let mirror = mirrors.path(ofModule: url + " " + order.keyOwner, in: top)
            let path = place.path.isEmpty ? entry.path : place.path + "/" + entry.path
            try await visit(Link(entry: entry, url: url, mirror: mirror, path: path))
            let inner = Place(url: url, commit: entry.object, mirror: mirror, path: path, depth: place.depth + 1)
            try await walk(inner, visit)
        }
    }

    private func fetch(_ link: Entry, _ git: GitCommand, _ mirror: String) async throws {
        func isThere() async throws -> Bool {
            try await GitRun.run(git.exists(link.object + "^{commit}", mirror: mirror), log: nil).outcome == .succeeded
        }
        if try await isThere() { return }
        let all = try await GitRun.run(git.fetchAll(mirror: mirror), log: log)
        if try await isThere() { return }
        try Task.checkCancellation()
        guard all.outcome == .succeeded else { throw failure(of: link, all) }
        let one = try await GitRun.run(git.fetch(commit: link.object, mirror: mirror), log: log)
        guard one.outcome == .succeeded else { throw failure(of: link, one) }
    }

    private func failure(of link: Entry, _ run: GitRun) -> ExecError {
        let answer = GitAnswer(output: run.masked(order.secrets), account: order.account.name, host: "the submodule's host")
        return ExecError(.git, "submodule \(SafeText.shown(link.path, limit: 200)): \(answer.phrase)")
    }

    /// For a host that is not the account's: without key and credential. (Those for https are bound to the host anyway.)
    private func command(for url: String) throws -> GitCommand {
        var order = order
        order.app.cloneURL = url
        if GitMirrors.host(of: url) != GitMirrors.host(of: self.order.app.cloneURL) { order.account = order.account.showing(Credentials()) }
        return try mirrors.command(for: order)
    }

    // MARK: What git prints

    struct Entry: Sendable, Equatable {
        let object: String
        let path: String
    }

    /// What a command of ``GitCommand/entries(of:mode:mirror:)`` prints.
    static func entries(_ command: Command) async throws -> [Entry] {
        let run = try await GitRun.run(command, log: nil, limit: 16 << 20)
        guard run.isWhole, !run.text.contains(GitCommand.listingFailed) else {
            throw ExecError(.git, "git could not list what is special in the commit")
        }
        return entries(run.text)
    }

    /// `mode type object<TAB>path`, a NUL behind each.
    static func entries(_ text: String) -> [Entry] {
        text.split(separator: "\0").compactMap { line in
            let halves = line.split(separator: "\t", maxSplits: 1)
            guard halves.count == 2, let object = halves[0].split(separator: " ").last else { return nil }
            return Entry(object: String(object), path: String(halves[1]))
        }
    }

    static func settings(_ text: String) -> [(key: String, value: String)] {
        text.split(separator: "\0").compactMap { line in
            let halves = line.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
            return halves.count == 2 ? (key: String(halves[0]), value: String(halves[1])) : nil
        }
    }

    private static func address(ofPath path: String, _ settings: [(key: String, value: String)]) -> String? {
        guard let key = settings.first(where: { $0.key.hasPrefix("submodule.") && $0.key.hasSuffix(".path") && $0.value == path })?.key
        else { return nil }
        let name = key.dropLast(".path".count)
        return settings.first { $0.key == name + ".url" }?.value
    }

    /// Whether an address that the repository names may be asked: https and ssh only, and no option in disguise.
    static func isAllowed(_ address: String) -> Bool {
        guard let scheme = address.firstRange(of: "://") else { return false }
        let host = address[scheme.upperBound...].prefix { $0 != "/" }
        return ["https", "ssh"].contains(address[..<scheme.lowerBound]) && !host.isEmpty && !host.hasPrefix("-")
            && address.unicodeScalars.allSatisfy(SafeText.isHarmless)
    }

    /// `./x` and `../x` are taken from the address of the repository that names them, `host:path` means ssh.
    static func address(_ written: String, seenFrom base: String, of path: String) throws -> String {
        if written.hasPrefix("./") || written.hasPrefix("../") {
            var parts = base.split(separator: "/", omittingEmptySubsequences: false)
            for part in written.split(separator: "/") where part != "." {
                // Never above the host.
                if part == "..", parts.count > (base.contains("://") ? 3 : 1) {
                    parts.removeLast()
                } else if part != ".." {
                    parts.append(part)
                }
            }
            return parts.joined(separator: "/")
        }
        var address = written
        // `ext::` and the like are programs to git.
        if !written.contains("://"), !written.contains("::"), let colon = written.firstIndex(of: ":"), !written[..<colon].contains("/") {
            address = "ssh://\(written[..<colon])/\(written[written.index(after: colon)...].drop { $0 == "/" })"
        }
        guard isAllowed(address) else {
            throw ExecError(
                .git,
                "the address of submodule \(SafeText.shown(path, limit: 100)) is neither https nor ssh: \(SafeText.shown(written, limit: 200))"
            )
        }
        return address
    }
}
