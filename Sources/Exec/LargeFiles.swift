import Domain
import Glibc

/// The large files of a commit (git-lfs(1)): brought into the mirror with the commit, written into the release from there.
struct LargeFiles: Sendable {
    let mirrors: GitMirrors
    let order: StepOrder
    let log: StepLog

    /// Brings them into the mirror.
    func fetch(_ commit: CommitID, _ git: GitCommand, _ mirror: String) async throws {
        guard Self.hasGitLFS else {
            throw ExecError(.git, "git-lfs is not installed, and lfs: true needs it; install it with: apt-get install git-lfs")
        }
        let stores = try await stores(commit, git, mirror)
        if let address = stores.first(where: { !GitModules.isAllowed($0.value) })?.value {
            throw ExecError(
                .git, "the address of large files in .lfsconfig is neither https nor ssh: \(SafeText.shown(address, limit: 200))")
        }
        var order = order
        // Another host is not shown the account's credential, nor its key.
        let isForeign = stores.contains { GitMirrors.host(of: $0.value) != GitMirrors.host(of: order.app.cloneURL) }
        if isForeign { order.account = order.account.showing(Credentials()) }
        let git = try mirrors.command(for: order)
        try await run(git.fetchLargeFiles(commit.hex, stores: stores, mirror: mirror))
    }

    /// Puts them in the place of their pointers.
    func write(_ git: GitCommand, index: String, _ mirror: String) async throws {
        try await run(git.writeLargeFiles(tree: order.release.path, index: index, mirror: mirror, umask: order.app.umask))
    }

    private func run(_ command: Command) async throws {
        let run = try await GitRun.run(command, log: log)
        try Task.checkCancellation()
        guard run.outcome == .succeeded else {
            let last = run.masked(order.secrets).split(separator: "\n").last.map { SafeText.shown(String($0), limit: 200) } ?? ""
            throw ExecError(.git, "the large files could not be brought: \(last)")
        }
    }

    /// All that the repository says of where its large files are; none: beside the repository itself.
    private func stores(_ commit: CommitID, _ git: GitCommand, _ mirror: String) async throws -> [(key: String, value: String)] {
        let run = try await GitRun.run(git.settings(in: ".lfsconfig", of: commit.hex, mirror: mirror), log: nil)
        guard run.outcome == .succeeded else { return [] }  // the commit has no such file
        return GitModules.settings(run.text).filter { $0.key.hasSuffix("url") }
    }

    private static var hasGitLFS: Bool {
        ["/usr/local/bin/git-lfs", "/usr/bin/git-lfs", "/usr/lib/git-core/git-lfs"].contains { (path: String) in access(path, X_OK) == 0 }
    }
}
