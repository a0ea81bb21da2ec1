package import Domain
import Glibc

/// What a release gets beside its commit: links to what outlives it, directories that travel from job to job. No symbolic link of the
/// repository is followed on the way.
extension ReleaseDirectory {
    /// Puts a link to `ROOT/shared/NAME` in the place of each name.
    ///
    /// - Throws: ``ExecError`` when a file is neither there nor in the commit, or a link of the repository is in the way.
    package func link(_ shared: [ReleaseSettings.SharedPath]) throws {
        for entry in shared {
            let place = path + "/" + entry.path
            let target = root + "/shared/" + entry.path
            try makeParents(of: entry.path)
            try FileSystem.makeDirectory(Self.parent(of: target), mode: 0o755)
            if FileSystem.kind(of: target) == nil { try seed(entry, from: place, to: target) }
            try FileSystem.removeTree(place)
            // From the link's own directory: up to the release's top, then over releases/ to the root.
            let up = String(repeating: "../", count: entry.path.split(separator: "/").count + 1)
            guard symlink(up + "shared/" + entry.path, place) == 0 else { throw ExecError.file("cannot make the link \(place)") }
        }
    }

    /// The first of all is what the repository holds under that name.
    private func seed(_ entry: ReleaseSettings.SharedPath, from place: String, to target: String) throws {
        let kind = FileSystem.kind(of: place)
        if kind == (entry.isDirectory ? .directory : .file) {
            guard rename(place, target) == 0 else { throw ExecError.file("cannot move \(place) to \(target)") }
        } else if entry.isDirectory {
            try FileSystem.makeDirectory(target, mode: 0o755)
        } else {
            throw ExecError(.file, "the shared file \(entry.path) is missing; put it at \(target)")
        }
    }

    /// The directories above a name in the release, none of them a link.
    private func makeParents(of name: String) throws {
        var directory = path
        for part in name.split(separator: "/").dropLast() {
            directory += "/" + part
            switch FileSystem.kind(of: directory) {
            case .directory: continue
            case nil: try FileSystem.makeDirectory(directory, mode: 0o755)
            case .file, .symbolicLink, .other:
                throw ExecError(.file, "\(name) cannot be put into the release: \(directory) is no directory there")
            }
        }
    }

    // MARK: Caches

    /// Puts what the last job left of these directories into the release, by a rename.
    package func takeCaches(_ names: [String]) throws {
        for name in names {
            let kept = cachePath(name)
            guard FileSystem.kind(of: kept) == .directory else { continue }
            try makeParents(of: name)
            try FileSystem.removeTree(path + "/" + name)
            guard rename(kept, path + "/" + name) == 0 else { throw ExecError.file("cannot move \(kept) into the release") }
        }
    }

    /// Keeps these directories of a release that did not go live: nobody else needs them.
    package func giveCachesBack(_ names: [String]) throws {
        for name in names where FileSystem.kind(of: path + "/" + name) == .directory {
            try FileSystem.makeDirectory(Self.parent(of: cachePath(name)), mode: 0o755)
            try FileSystem.removeTree(cachePath(name))
            guard rename(path + "/" + name, cachePath(name)) == 0 else { throw ExecError.file("cannot keep \(path)/\(name)") }
        }
    }

    /// The command that copies such a directory of a live release, sharing blocks where the file system can (cp(1)), and never files: a
    /// build that writes into its cache must not write into what is live. nil when there is none.
    func copyCache(_ name: String) throws -> Command? {
        guard FileSystem.kind(of: path + "/" + name) == .directory else { return nil }
        try FileSystem.removeTree(root + "/.cache-new")
        return Command(
            "/bin/cp", ["--archive", "--reflink=auto", "--no-target-directory", "--", path + "/" + name, root + "/.cache-new"],
            environment: [:])
    }

    /// The copy is whole, and takes the place of what was kept before.
    func keepCopy(of name: String) throws {
        try FileSystem.makeDirectory(Self.parent(of: cachePath(name)), mode: 0o755)
        try FileSystem.removeTree(cachePath(name))
        guard rename(root + "/.cache-new", cachePath(name)) == 0 else { throw ExecError.file("cannot keep the cache \(name)") }
    }

    /// Forgets what jobs left of their caches; those of a job that runs are in its release.
    package static func clearCaches(root: String) throws {
        let gone = root + "/.cache-gone"
        try FileSystem.removeTree(gone)
        // At once, whoever is about to put something there.
        guard rename(root + "/.cache", gone) == 0 || errno == ENOENT else { throw ExecError.file("cannot remove \(root)/.cache") }
        try FileSystem.removeTree(gone)
    }

    private func cachePath(_ name: String) -> String { root + "/.cache/" + name }

    private static func parent(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "/"
    }

    // MARK: Links of the repository

    /// Whether a symbolic link of the commit leads out of the release, on whatever detours.
    func isLeft(byLink name: String) -> Bool {
        var place: [Substring] = name.split(separator: "/")[...].dropLast().map { $0 }
        // A name git shows otherwise than it is cannot be looked at, and what it names not trusted.
        guard let target = FileSystem.target(ofLink: path + "/" + name), !target.unicodeScalars.contains("\u{FFFD}") else { return true }
        guard !target.hasPrefix("/") else { return true }
        var rest = Array(target.split(separator: "/").reversed())
        // As many as Linux follows (path_resolution(7)).
        var links = 40
        while let part = rest.popLast() {
            switch part {
            case ".": continue
            case "..":
                guard !place.isEmpty else { return true }
                place.removeLast()
            default:
                place.append(part)
                guard let further = FileSystem.target(ofLink: path + "/" + place.joined(separator: "/")) else { continue }
                links -= 1
                guard links > 0 else { return false }
                guard !further.hasPrefix("/") else { return true }
                place.removeLast()
                rest += further.split(separator: "/").map { Substring($0) }.reversed()
            }
        }
        return false
    }
}
