import Domain
import Glibc

/// The submodules of a commit: each in a mirror of its own, checked out at exactly the commit that the repository names.
///
/// Only https and ssh are spoken, and the account's credentials go to the account's host alone; a relative address is taken from the
/// repository's own (gitmodules(5)).
struct GitModules: Sendable {
    /// A repository that may have submodules, as it lies in the release.
    struct Place: Sendable {
        let url: String
        let commit: String
        let mirror: String
        let tree: String
        let depth: Int
    }

    private static let depthLimit = 10

    let mirrors: GitMirrors
    let order: StepOrder
    let log: StepLog

    /// - Returns: the symbolic links of all of them, as paths in the release.
    func checkout(_ place: Place) async throws -> [String] {
        let file = place.tree + "/.gitmodules"
        guard FileSystem.kind(of: file) == .file else { return [] }
        guard place.depth < Self.depthLimit else { throw ExecError(.git, "submodules lie more than \(Self.depthLimit) deep in each other") }
        let git = try mirrors.command(for: order)
        let settings = Self.settings(try await GitRun.run(git.settings(in: file), log: nil, limit: 1 << 20).text)
        var links: [String] = []
        for link in try await Self.entries(git.entries(of: place.commit, mode: "160000", mirror: place.mirror)) {
            try Task.checkCancellation()
            guard let written = Self.address(ofPath: link.path, settings) else {
                throw ExecError(.git, "the submodule \(SafeText.shown(link.path, limit: 200)) has no address in .gitmodules")
            }
            links += try await checkout(link, from: try Self.address(written, seenFrom: place.url, of: link.path), in: place)
        }
        return links
    }

    private func checkout(_ link: Entry, from url: String, in place: Place) async throws -> [String] {
        // One for each credential: what one account may see is not another's.
        let mirror = mirrors.path(ofAddress: url + " " + order.keyOwner)
        let tree = place.tree + "/" + link.path
        // git made an empty directory for it; anything else is somebody's trick.
        guard FileSystem.isDirectory(tree), CommitID(link.object) != nil else {
            throw ExecError(.git, "the submodule \(SafeText.shown(link.path, limit: 200)) has no place in the release")
        }
        log.append(line: "submodule \(link.path) at \(link.object) from \(url)")
        let git = try command(for: url)
        try await mirrors.taking(mirror) {
            try await mirrors.initialise(mirror, git, log)
            try await fetch(link, git, mirror)
        }
        let index = "\(mirror)/index-\(order.job.id)"
        unlink(index)
        defer { unlink(index) }
        let run = try await GitRun.run(
            git.checkout(link.object, tree: tree, index: index, mirror: mirror, umask: order.app.umask), log: log)
        guard run.outcome == .succeeded else { throw failure(of: link, run) }
        let own = try await Self.entries(git.entries(of: link.object, mode: "120000", mirror: mirror)).map { tree + "/" + $0.path }
        let inner = try await checkout(Place(url: url, commit: link.object, mirror: mirror, tree: tree, depth: place.depth + 1))
        return own.map { String($0.dropFirst(order.release.path.count + 1)) } + inner
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
