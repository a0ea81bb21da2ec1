import Glibc

/// A regular file of bounded size, read whole. What it says about the file is of the very file that was read.
package struct SmallFile {
    package let bytes: [UInt8]
    package let mode: UInt32
    package let group: UInt32

    package enum Failure: Error, Equatable {
        case system(Int32)
        case notRegular(isDirectory: Bool)
        case tooLarge(limit: Int)
    }

    /// Never waits, also not on a pipe that somebody put in the file's place.
    package static func read(_ path: String, limit: Int) throws(Failure) -> SmallFile {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { throw .system(errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system(errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notRegular(isDirectory: status.st_mode & S_IFMT == S_IFDIR) }
        return SmallFile(bytes: try contents(of: descriptor, limit: limit), mode: status.st_mode, group: status.st_gid)
    }

    private static func contents(of descriptor: Int32, limit: Int) throws(Failure) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        while bytes.count <= limit {
            let count = chunk.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count == 0 { return bytes }
            if count > 0 {
                bytes += chunk.prefix(count)
            } else if errno != EINTR {
                throw .system(errno)
            }
        }
        throw .tooLarge(limit: limit)
    }
}

extension SmallFile.Failure {
    /// What is wrong and what to do, for people.
    package func phrase(for file: String) -> String {
        switch self {
        case .system(ENOENT): "\(file) does not exist (create it, or correct its name)"
        case .system(EACCES): "\(file) may not be read by this user (change its owner or mode)"
        case .system(let code): "\(file) cannot be read: \(systemMessage(code))"
        case .notRegular(isDirectory: true): "\(file) is a directory (name a file)"
        case .notRegular: "\(file) is no regular file (name one that is)"
        case .tooLarge(let limit): "\(file) is larger than \(limit >> 10) KB (is it the right one?)"
        }
    }
}

/// The system's own words for an error number.
package func systemMessage(_ code: Int32) -> String {
    strerror(code).map { String(cString: $0) } ?? "error \(code)"
}
