import CLinux
import Glibc

/// The few things a release and its logs need of a file system, each with the error that says which path and why.
package enum FileSystem {
    /// Makes `path` and what is missing above it; a directory that is there is left as it is.
    package static func makeDirectory(_ path: String, mode: UInt32) throws {
        if mkdir(path, mode) == 0 { return }
        switch errno {
        case EEXIST where isDirectory(path):
            return
        case ENOENT:
            guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
                throw ExecError.file("cannot make the directory \(path)", ENOENT)
            }
            try makeDirectory(String(path[..<slash]), mode: mode)
            guard mkdir(path, mode) == 0 || errno == EEXIST else { throw ExecError.file("cannot make the directory \(path)") }
        default:
            throw ExecError.file("cannot make the directory \(path)")
        }
    }

    package enum Kind: Sendable, Equatable { case file, directory, symbolicLink, other }

    /// What is at `path`, not following a final link; nil: nothing, or nothing this user may see.
    package static func kind(of path: String) -> Kind? {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return .file
        case S_IFDIR: return .directory
        case S_IFLNK: return .symbolicLink
        default: return .other
        }
    }

    /// Whether nothing is at `path` for certain, and not only for want of an answer.
    package static func isMissing(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) != 0 && (errno == ENOENT || errno == ENOTDIR)
    }

    /// Whether `path` is a directory, a link to one not counted.
    package static func isDirectory(_ path: String) -> Bool { kind(of: path) == .directory }

    /// The names in a directory but `.` and `..`; none when it cannot be read.
    package static func names(in path: String) -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let found = name(of: entry)
            if found != ".", found != ".." { names.append(found) }
        }
        return names
    }

    private static func name(of entry: UnsafeMutablePointer<dirent>) -> String {
        withUnsafeBytes(of: &entry.pointee.d_name) { bytes in String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// Removes a directory with all that is in it, without ever following a link; nothing there is no error.
    ///
    /// Names are handed on as the bytes they are: a repository may hold some that are no UTF-8.
    package static func removeTree(_ path: String) throws {
        try path.withCString { try removeEntry(named: $0, in: AT_FDCWD, shown: path, depth: 0) }
    }

    private static func removeEntry(named entry: UnsafePointer<CChar>, in directory: Int32, shown: String, depth: Int) throws {
        if unlinkat(directory, entry, 0) == 0 || errno == ENOENT { return }
        // Linux answers EISDIR for a directory, POSIX allows EPERM.
        guard errno == EISDIR || errno == EPERM, depth < 1000 else { throw ExecError.file("cannot remove \(shown)") }
        try emptyDirectory(named: entry, in: directory, shown: shown, depth: depth)
        guard unlinkat(directory, entry, AT_REMOVEDIR) == 0 || errno == ENOENT else { throw ExecError.file("cannot remove \(shown)") }
    }

    private static func emptyDirectory(named entry: UnsafePointer<CChar>, in directory: Int32, shown: String, depth: Int) throws {
        let descriptor = openat(directory, entry, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { throw ExecError.file("cannot remove \(shown)") }
        guard let stream = fdopendir(descriptor) else {
            let cause = errno
            close(descriptor)
            throw ExecError.file("cannot remove \(shown)", cause)
        }
        defer { closedir(stream) }
        // A build may have left directories without write permission; removing is the owner's right.
        fchmod(descriptor, 0o700)
        while let child = readdir(stream) {
            let text = name(of: child)
            guard text != ".", text != ".." else { continue }
            try withUnsafeBytes(of: &child.pointee.d_name) { bytes in
                guard let start = bytes.assumingMemoryBound(to: CChar.self).baseAddress else { return }
                try removeEntry(named: start, in: descriptor, shown: shown + "/" + text, depth: depth + 1)
            }
        }
    }

    /// Writes a new file beneath a directory, in the place of whatever has that name there; a link is replaced, not followed.
    package static func writeFile(_ text: String, named name: String, in directory: String, mode: UInt32) throws {
        let path = directory + "/" + name
        if FileSystem.isDirectory(path) { try removeTree(path) }
        guard unlink(path) == 0 || errno == ENOENT else { throw ExecError.file("cannot replace \(path)") }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw ExecError.file("cannot write \(path)") }
        defer { close(descriptor) }
        // The daemon's own umask had its say in the mode above.
        guard fchmod(descriptor, mode) == 0 else { throw ExecError.file("cannot set the mode of \(path)") }
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let written = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard written > 0 || errno == EINTR else { throw ExecError.file("cannot write \(path)") }
            bytes = bytes.dropFirst(max(0, written))
        }
    }

    /// The same, but whoever looks, also after the host died, finds the file before or the new one, whole.
    package static func replaceFile(_ text: String, named name: String, in directory: String, mode: UInt32) throws {
        let new = ".\(name).new"
        try writeFile(text, named: new, in: directory, mode: mode)
        let descriptor = open(directory + "/" + new, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw ExecError.file("cannot open \(directory)/\(new)") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0, rename(directory + "/" + new, directory + "/" + name) == 0 else {
            throw ExecError.file("cannot write \(directory)/\(name)")
        }
        try syncDirectory(directory)
    }

    /// Copies a regular file to a new one; false when there is none.
    static func copyFile(_ path: String, to target: String) throws -> Bool {
        let source = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        guard source >= 0 else {
            if errno == ENOENT { return false }
            throw ExecError.file("cannot read \(path)")
        }
        defer { close(source) }
        guard unlink(target) == 0 || errno == ENOENT else { throw ExecError.file("cannot replace \(target)") }
        let copy = open(target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard copy >= 0 else { throw ExecError.file("cannot write \(target)") }
        defer { close(copy) }
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(source, &buffer, buffer.count)
            if count == 0 { return true }
            guard count > 0 else {
                if errno == EINTR { continue }
                throw ExecError.file("cannot read \(path)")
            }
            var rest = buffer[..<count]
            while !rest.isEmpty {
                let written = rest.withUnsafeBytes { write(copy, $0.baseAddress, $0.count) }
                guard written > 0 || errno == EINTR else { throw ExecError.file("cannot write \(target)") }
                rest = rest.dropFirst(max(0, written))
            }
        }
    }

    /// Bytes that an ordinary user may still write where `path` is, or where its nearest directory is; nil when nobody can tell.
    package static func free(at path: String) -> Int? {
        var status = statvfs()
        var path = path
        while statvfs(path, &status) != 0 {
            guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return nil }
            path = String(path[..<slash])
        }
        return Int(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize))
    }

    /// What a symbolic link names; nil when there is no link.
    package static func target(ofLink path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink(path, &buffer, buffer.count)
        return count < 0 ? nil : String(decoding: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// Whether less than 1 MB is free where `path` is.
    package static func isFull(_ path: String) -> Bool {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return false }
        return UInt64(status.f_bavail) * UInt64(status.f_frsize) < 1 << 20
    }

    /// Brings a directory's entries to the disk.
    package static func syncDirectory(_ path: String) throws {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw ExecError.file("cannot open \(path)") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw ExecError.file("cannot sync \(path)") }
    }

    /// Brings everything on the file system that holds `path` to the disk.
    package static func syncFileSystem(of path: String) throws {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw ExecError.file("cannot open \(path)") }
        defer { close(descriptor) }
        guard bittern_syncfs(descriptor) == 0 else { throw ExecError.file("cannot sync the file system of \(path)") }
    }
}
