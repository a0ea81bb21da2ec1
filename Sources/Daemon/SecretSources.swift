import CoreFoundation
import Domain
import Glibc

/// Where secrets are: systemd's credentials, files, and the environment the process was started with.
struct SecretSources: Sendable {
    let environment: [String: String]
    /// The one group that may read a secret's file.
    let group: UInt32

    /// No token, key or password is longer.
    private static let limit = 64 << 10

    func answer(to reference: SecretReference) -> ConfigurationSurroundings.SecretAnswer {
        switch reference {
        case .credential(let name):
            guard let directory = environment["CREDENTIALS_DIRECTORY"], !directory.isEmpty else { return .notChecked }
            return credential(name, in: directory)
        case .file(let path):
            return file(path, isOwn: false)
        case .environment(let name):
            guard let value = environment[name] else { return .problem("$\(name) is not set (set it, or use credential: or file:)") }
            return answer(Array(value.utf8), path: nil, source: "$\(name)")
        }
    }

    /// `LoadCredential=NAME:…` puts it at NAME, `LoadCredential=cred:DIRECTORY` at cred_NAME.
    private func credential(_ name: String, in directory: String) -> ConfigurationSurroundings.SecretAnswer {
        for path in ["\(directory)/\(name)", "\(directory)/cred_\(name)"] where access(path, F_OK) == 0 {
            return file(path, isOwn: true)
        }
        return .problem("there is no credential \(name) in \(directory) (add it to LoadCredential= of the unit, then restart)")
    }

    /// `isOwn`: systemd made the file for this service and keeps others out of its directory.
    private func file(_ path: String, isOwn: Bool) -> ConfigurationSurroundings.SecretAnswer {
        let file: SmallFile
        do {
            file = try SmallFile.read(path, limit: Self.limit)
        } catch {
            return .problem(error.phrase(for: path))
        }
        if !isOwn {
            guard file.mode & S_IROTH == 0 else {
                return .problem("everybody may read \(path) (chmod 0600, or 0640 with the daemon's group)")
            }
            guard file.mode & S_IRGRP == 0 || file.group == group else {
                return .problem("group \(file.group) may read \(path), and the daemon's is \(group) (chmod 0600, or chgrp)")
            }
        }
        return answer(file.bytes, path: path, source: path)
    }

    private func answer(_ bytes: [UInt8], path: String?, source: String) -> ConfigurationSurroundings.SecretAnswer {
        var value = bytes[...]
        if value.last == UInt8(ascii: "\n") {
            value.removeLast()
            if value.last == UInt8(ascii: "\r") { value.removeLast() }
        }
        guard !value.isEmpty else { return .problem("\(source) is empty (write the secret into it)") }
        guard value.count <= Self.limit else { return .problem("\(source) holds more than 64 KB (is it the right one?)") }
        return .value(Secret(value), path: path)
    }
}

/// A regular file of bounded size, read whole. What it says about the file is of the very file that was read.
struct SmallFile {
    let bytes: [UInt8]
    let mode: mode_t
    let group: gid_t

    enum Failure: Error, Equatable {
        case system(Int32)
        case notRegular(isDirectory: Bool)
        case tooLarge(limit: Int)
    }

    /// Never waits, also not on a pipe that somebody put in the file's place.
    static func read(_ path: String, limit: Int) throws(Failure) -> SmallFile {
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
    func phrase(for file: String) -> String {
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
func systemMessage(_ code: Int32) -> String {
    strerror(code).map { String(cString: $0) } ?? "error \(code)"
}
