package import Domain
import Glibc

/// One release under an app's root: `ROOT/releases/JOB-SHORTSHA`, and the link `ROOT/current` that makes one of them live.
package struct ReleaseDirectory: Sendable, Equatable {
    package let root: String
    /// The release itself.
    package let path: String

    package init(root: String, path: String) {
        self.root = root
        self.path = path
    }

    /// Makes the directory empty and new; what an interrupted start left of it goes first.
    package func create(umask: UInt16 = 0o022) throws {
        // The ledger would have known, unless what it knew was lost.
        guard !isLive else { throw ExecError(.file, "\(path) is live already and stays as it is; deploy once more") }
        try FileSystem.makeDirectory(root + "/releases", mode: 0o755)
        try FileSystem.removeTree(path)
        try FileSystem.makeDirectory(path, mode: 0o755)
        // The daemon's own umask had its say in the mode above.
        guard chmod(path, 0o777 & ~UInt32(umask)) == 0 else { throw ExecError.file("cannot set the mode of \(path)") }
    }

    /// Takes the directory away, unless it is the live one.
    package func discard() throws {
        guard !isLive else { throw ExecError(.file, "\(path) is live and stays") }
        try FileSystem.removeTree(path)
    }

    /// Whether a release of this commit lies beside this one, or here.
    func isSiblingKept(of commit: CommitID) -> Bool {
        let releases = root + "/releases"
        return FileSystem.names(in: releases).contains { name in
            name.hasSuffix("-" + commit.short) && ReleaseDirectory(root: root, path: "\(releases)/\(name)").hasRevision(commit)
        }
    }

    /// Whether it says of itself that it is whole, and of this commit.
    func hasRevision(_ commit: CommitID) -> Bool {
        guard let file = try? SmallFile.read(path + "/REVISION", limit: 256) else { return false }  // none, or not whole
        return String(decoding: file.bytes, as: UTF8.self) == commit.hex + "\n"
    }

    /// Writes the file by which people and tools see what is in the release.
    package func writeRevision(_ commit: CommitID, umask: UInt16 = 0o022) throws {
        try FileSystem.writeFile(commit.hex + "\n", named: "REVISION", in: path, mode: 0o666 & ~UInt32(umask))
    }

    /// Whether it lies below this root: one of another root is none of the app's any more.
    package var isOurs: Bool { path.hasPrefix(root + "/releases/") }

    /// Whether its directory is gone for certain, while others of its root are there to be seen: a disk that is not mounted, or does not
    /// answer, has lost nothing.
    package var isLost: Bool { isOurs && FileSystem.isDirectory(root + "/current/") && FileSystem.isMissing(path) }

    /// Whether `current` points here.
    package var isLive: Bool { FileSystem.target(ofLink: root + "/current") == linkTarget }

    /// Switches `current` to this release by one rename: whoever looks sees the old release or the new one, whole. The release
    /// is on the disk before, the link after.
    /// - Returns: what went wrong when it was switched already: a link that may not outlive a power cut.
    @discardableResult
    package func activate() throws -> (any Error)? {
        let link = root + "/current"
        // Where the link would lead, and not where the app's root was once.
        guard path == root + "/" + linkTarget, FileSystem.isDirectory(path) else {
            throw ExecError(.file, "\(path) is no release below \(root)")
        }
        guard !FileSystem.isDirectory(link) else {
            throw ExecError(.file, "\(link) is a directory, not a link; move it away")
        }
        try FileSystem.syncFileSystem(of: path)
        let new = root + "/.current-\(path.split(separator: "/").last ?? "new")"
        guard unlink(new) == 0 || errno == ENOENT else { throw ExecError.file("cannot replace \(new)") }
        guard symlink(linkTarget, new) == 0 else { throw ExecError.file("cannot make the link \(new)") }
        guard rename(new, link) == 0 else {
            let cause = errno
            unlink(new)
            throw ExecError.file("cannot switch \(link)", cause)
        }
        do {
            try FileSystem.syncDirectory(root)
            return nil
        } catch {
            return error
        }
    }

    /// Whether a directory lies in this release, wherever links on the way lead.
    func holds(_ directory: String) -> Bool {
        guard let root = Self.resolved(root), let directory = Self.resolved(directory) else { return false }
        let own = root + "/" + linkTarget
        return directory == own || directory.hasPrefix(own + "/")
    }

    private static func resolved(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Relative, so that the root can be moved or mounted elsewhere.
    private var linkTarget: String { "releases/" + (path.split(separator: "/").last ?? "") }
}
