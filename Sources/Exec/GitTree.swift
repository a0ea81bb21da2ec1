import Domain
import Glibc

/// How a commit's files come into a release: from a spare tree where there is one, with submodules and large files where they are wanted. All of it
/// lies in the mirror; nobody is asked for anything here.
struct GitTree: Sendable {
    let mirrors: GitMirrors
    let order: StepOrder
    let log: StepLog

    /// Makes the release directory and writes exactly the job's commit into it.
    func checkout() async throws -> StepOutcome {
        let mirror = mirrors.path(of: order.app)
        // One job at a time has the root; what a killed one left is of no use.
        let index = order.app.root + "/.index"
        for left in [index, index + ".lock"] { unlink(left) }
        defer { unlink(index) }
        log.append(line: "checkout \(order.job.commit.hex) into \(order.release.path)")
        if try SpareTree(order).take(index: index, into: order.release) {
            try await checkSize(mirror, isWholeNeeded: false)
            var isWhole = try await fits(index: index, mirror)
            if isWhole { isWhole = try await write(into: order.release.path, index: index, mirror).outcome == .succeeded }
            if Task.isCancelled { return .stopped }
            if isWhole { return try await complete(index: index, mirror) }
            log.append(line: "the prepared tree was of no use; writing all files")
            unlink(index)
        }
        try await checkSize(mirror)
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

    /// - Parameter isWholeNeeded: whether all its files are to be written, or only what differs from a tree that is there.
    private func checkSize(_ mirror: String, isWholeNeeded: Bool = true) async throws {
        let git = try mirrors.command(for: order)
        let bytes = try await mirrors.size(of: order.job.commit.hex, git, mirror)
        guard isWholeNeeded, let free = FileSystem.free(at: order.app.root), bytes > free else { return }
        log.append(line: "the commit's files take \(bytes) bytes, and \(free) are free at \(order.app.root)")
        throw ExecError(.file, GitAnswer.noSpace)
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
        if order.app.releases.hasLargeFiles {
            try await LargeFiles(mirrors: mirrors, order: order, log: log).write(git, index: index, mirror)
        }
        if order.app.releases.hasSubmodules {
            links = try await GitModules(mirrors: mirrors, order: order, log: log).checkout(index: index)
        }
        if !order.app.releases.allowsExternalLinks, let link = try await externalLink(git, mirror, and: links) {
            return .failed(
                reason:
                    "the symbolic link \(SafeText.shown(link, limit: 200)) leaves the release; take it out, or write external_links: allow")
        }
        return Task.isCancelled ? .stopped : .succeeded
    }

    // MARK: Links

    /// The first symbolic link of the commit, or of its submodules, that leads out of the release.
    private func externalLink(_ git: GitCommand, _ mirror: String, and others: [String]) async throws -> String? {
        let own = try await GitModules.entries(git.entries(of: order.job.commit.hex, mode: "120000", mirror: mirror)).map(\.path)
        return (own + others).first { order.release.isLeft(byLink: $0) }
    }
}
