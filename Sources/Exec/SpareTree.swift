import Domain
import Glibc

/// A tree beside the releases, made after a deploy for the next one: what differs is then written into it, and it becomes the release by
/// a rename. It shares no file with any release.
///
/// `ROOT/.spare` is the tree, `ROOT/.spare-index` is git's index of it, `ROOT/.spare-mark` says that both are whole and under which umask
/// they were written. The mark goes before anything else is touched, so a tree that was begun to be used, or not finished, is none.
struct SpareTree: Sendable {
    private let root: String
    private let umask: UInt16

    init(_ order: StepOrder) {
        root = order.app.root
        umask = order.app.umask
    }

    /// Where it is made.
    var building: String { root + "/.spare-new" }
    private var tree: String { root + "/.spare" }
    private var index: String { root + "/.spare-index" }
    private var mark: String { root + "/.spare-mark" }
    private var sign: String { "umask \(umask)\n" }

    /// Makes a release directory of it; false when there is none that fits.
    func take(index target: String, into release: ReleaseDirectory) throws -> Bool {
        guard let found = try? SmallFile.read(mark, limit: 256), found.bytes == Array(sign.utf8) else {  // not there: nor is the tree
            return false
        }
        guard unlink(mark) == 0 else { throw ExecError.file("cannot remove \(mark)") }
        try FileSystem.makeDirectory(root + "/releases", mode: 0o755)
        try FileSystem.removeTree(release.path)
        // Whatever goes wrong here, there is still the other way.
        guard (try? FileSystem.copyFile(index, to: target)) == true else { return false }
        return rename(tree, release.path) == 0
    }

    /// Makes room for a new one.
    ///
    /// - Returns: the index to make it with.
    func begin() throws -> String {
        guard unlink(mark) == 0 || errno == ENOENT else { throw ExecError.file("cannot remove \(mark)") }
        try discard()
        // Of a git that was killed.
        unlink(index + ".lock")
        try FileSystem.makeDirectory(building, mode: 0o755)
        guard chmod(building, 0o777 & ~UInt32(umask)) == 0 else { throw ExecError.file("cannot set the mode of \(building)") }
        return index
    }

    func finish() throws {
        guard rename(building, tree) == 0 else { throw ExecError.file("cannot rename \(building)") }
        // Both on the disk before the word for them.
        try FileSystem.syncFileSystem(of: tree)
        try FileSystem.writeFile(sign, named: ".spare-mark", in: root, mode: 0o644)
    }

    func discard() throws {
        for path in [building, tree] { try FileSystem.removeTree(path) }
        guard unlink(index) == 0 || errno == ENOENT else { throw ExecError.file("cannot remove \(index)") }
    }
}
