import Domain
import Glibc

/// How a commit's files come into a release: from a spare tree where there is one, with submodules and large files where they are wanted.
struct GitTree: Sendable {
    let mirrors: GitMirrors
    let order: StepOrder
    let log: StepLog

    /// Makes the release directory and writes exactly the job's commit into it.
    func checkout() async throws -> StepOutcome {
        let mirror = mirrors.path(of: order.app)
        let index = "\(mirror)/index-\(order.job.id)"
        defer { unlink(index) }
        log.append(line: "checkout \(order.job.commit.hex) into \(order.release.path)")
        if try SpareTree(order).take(index: index, into: order.release) {
            var isWhole = try await fits(index: index, mirror)
            if isWhole { isWhole = try await write(into: order.release.path, index: index, mirror).outcome == .succeeded }
            if Task.isCancelled { return .stopped }
            if isWhole { return try await complete(index: index, mirror) }
            log.append(line: "the prepared tree was of no use; writing all files")
            unlink(index)
        }
        try order.release.create(umask: order.app.umask)
        let run = try await write(into: order.release.path, index: index, mirror)
        if Task.isCancelled { return .stopped }
        guard run.outcome == .succeeded else { return failure(run) }
        return try await complete(index: index, mirror)
    }

    /// Writes the commit's files into the spare tree, for the next job.
    func prepareSpare() async throws {
        let spare = SpareTree(order)
        let mirror = mirrors.path(of: order.app)
        let index = try spare.begin()
        // No process of the job, which has ended.
        let git = try mirrors.command(for: order).unmarked
        let run = try await GitRun.run(
            git.checkout(order.job.commit.hex, tree: spare.building, index: index, mirror: mirror, umask: order.app.umask), log: nil)
        guard run.outcome == .succeeded else { return try spare.discard() }
        try spare.finish()
    }

    /// Whether the prepared tree's attributes are the commit's: where they are not, a file may have to be written otherwise though it is
    /// the same (gitattributes(5): text, eol, ident, working-tree-encoding).
    private func fits(index: String, _ mirror: String) async throws -> Bool {
        let git = try mirrors.command(for: order)
        let run = try await GitRun.run(git.changedAttributes(order.job.commit.hex, index: index, mirror: mirror), log: nil)
        return run.outcome == .succeeded && run.text.isEmpty
    }

    private func write(into tree: String, index: String, _ mirror: String) async throws -> GitRun {
        let git = try mirrors.command(for: order)
        return try await GitRun.run(
            git.checkout(order.job.commit.hex, tree: tree, index: index, mirror: mirror, umask: order.app.umask), log: log)
    }

    private func failure(_ run: GitRun) -> StepOutcome {
        // git does not say why it was "unable to write file".
        if run.text.contains("unable to write"), FileSystem.isFull(order.release.path) { return .failed(reason: GitAnswer.noSpace) }
        let host = GitMirrors.host(of: order.app.cloneURL)
        return .failed(reason: GitAnswer(output: run.masked(order.secrets), account: order.account.name, host: host).phrase)
    }

    private func complete(index: String, _ mirror: String) async throws -> StepOutcome {
        let git = try mirrors.command(for: order)
        var links: [String] = []
        if order.app.releases.hasSubmodules {
            let modules = GitModules(mirrors: mirrors, order: order, log: log)
            links = try await modules.checkout(
                GitModules.Place(url: order.app.cloneURL, commit: order.job.commit.hex, mirror: mirror, tree: order.release.path, depth: 0))
        }
        if order.app.releases.hasLargeFiles, let trouble = try await largeFiles(git, index: index, mirror) { return trouble }
        if !order.app.releases.allowsExternalLinks, let link = try await externalLink(git, mirror, and: links) {
            return .failed(
                reason:
                    "the symbolic link \(SafeText.shown(link, limit: 200)) leaves the release; take it out, or write external_links: allow")
        }
        return Task.isCancelled ? .stopped : .succeeded
    }

    // MARK: Large files

    private func largeFiles(_ git: GitCommand, index: String, _ mirror: String) async throws -> StepOutcome? {
        guard Self.hasGitLFS else {
            return .failed(reason: "git-lfs is not installed, and lfs: true needs it; install it with: apt-get install git-lfs")
        }
        let stores = try await stores(git)
        if let address = stores.first(where: { !GitModules.isAllowed($0) }) {
            return .failed(
                reason: "the address of large files in .lfsconfig is neither https nor ssh: \(SafeText.shown(address, limit: 200))")
        }
        var order = order
        // Another host is not shown the account's credential, nor its key.
        let isForeign = stores.contains { GitMirrors.host(of: $0) != GitMirrors.host(of: order.app.cloneURL) }
        if isForeign { order.account = order.account.showing(Credentials()) }
        let commands = try mirrors.command(for: order).largeFiles(
            order.job.commit.hex, tree: order.release.path, index: index, mirror: mirror, umask: order.app.umask)
        for command in commands {
            let run = try await GitRun.run(command, log: log)
            if Task.isCancelled { return .stopped }
            guard run.outcome == .succeeded else {
                let last = run.masked(order.secrets).split(separator: "\n").last.map { SafeText.shown(String($0), limit: 200) } ?? ""
                return .failed(reason: "the large files could not be brought: \(last)")
            }
        }
        return nil
    }

    /// All that the repository says of where its large files are; none: beside the repository itself.
    private func stores(_ git: GitCommand) async throws -> [String] {
        let file = order.release.path + "/.lfsconfig"
        guard let kind = FileSystem.kind(of: file) else { return [] }
        guard kind == .file else { throw ExecError(.git, ".lfsconfig is no file in the commit") }
        let run = try await GitRun.run(git.settings(in: file), log: nil)
        return GitModules.settings(run.text).filter { $0.key.hasSuffix("url") }.map(\.value)
    }

    private static var hasGitLFS: Bool {
        ["/usr/local/bin/git-lfs", "/usr/bin/git-lfs", "/usr/lib/git-core/git-lfs"].contains { (path: String) in access(path, X_OK) == 0 }
    }

    // MARK: Links

    /// The first symbolic link of the commit, or of its submodules, that leads out of the release.
    private func externalLink(_ git: GitCommand, _ mirror: String, and others: [String]) async throws -> String? {
        let own = try await GitModules.entries(git.entries(of: order.job.commit.hex, mode: "120000", mirror: mirror)).map(\.path)
        return (own + others).first { order.release.isLeft(byLink: $0) }
    }
}
