import Domain
import Exec
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

    /// `LoadCredential=NAME:…` puts it at NAME, `LoadCredential=cred:DIRECTORY` at cred_NAME; those that only the runner has are at app_NAME.
    private func credential(_ name: String, in directory: String) -> ConfigurationSurroundings.SecretAnswer {
        for path in ["", "app_", "cred_"].map({ "\(directory)/\($0)\(name)" }) where access(path, F_OK) == 0 {
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
