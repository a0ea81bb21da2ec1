import Domain
import Foundation
import Glibc
import Settings

/// A configuration on disk, for one test. The words of the tests about it are below.
final class ConfigurationFolder {
    let path: String

    init() throws {
        var template = Array("/tmp/bittern-configuration-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw Failure(errno) }
        path = String(cString: made)
        try directory("apps.d")
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)  // it lies in /tmp, which is emptied anyway
    }

    struct Failure: Error {
        let code: Int32
        init(_ code: Int32) { self.code = code }
    }

    func write(_ name: String, _ text: String, mode: mode_t = 0o600) throws {
        try write(name, Array(text.utf8), mode: mode)
    }

    func write(_ name: String, _ bytes: [UInt8], mode: mode_t = 0o600) throws {
        let descriptor = open(path + "/" + name, O_WRONLY | O_CREAT | O_TRUNC, mode)
        guard descriptor >= 0 else { throw Failure(errno) }
        defer { close(descriptor) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw Failure(errno) }
            rest = rest.dropFirst(count)
        }
        guard fchmod(descriptor, mode) == 0 else { throw Failure(errno) }
    }

    func directory(_ name: String) throws {
        guard mkdir(path + "/" + name, 0o700) == 0 else { throw Failure(errno) }
    }

    func load(
        _ environment: [String: String] = [:], _ uncheckedCredentials: UncheckedCredentials = .refused, group: UInt32? = nil
    ) -> ConfigurationReading {
        loadConfiguration(
            at: path + "/bittern.yaml", environment: environment, hostName: "web1",
            uncheckedCredentials: uncheckedCredentials, secretsGroup: group
        )
    }

    /// The lines that `bittern check` prints, without the folder's own name.
    func lines(_ reading: ConfigurationReading) -> [String] {
        reading.problems.map { problem in
            var rest = problem.line[...]
            var line = ""
            while let start = rest.firstRange(of: path + "/") {
                line += rest[..<start.lowerBound]
                rest = rest[start.upperBound...]
            }
            return line + rest
        }
    }
}

/// An environment in which the secrets of ``account`` and of most tests are.
let secrets = ["HOOK": "0123456789abcdef", "OLD_HOOK": "fedcba9876543210", "TOKEN": "secret-token", "SHORT": "abc"]

/// A main file that is in order, but for what `text` says instead; `text` comes first, so that its lines keep their numbers.
func mainFile(_ text: String = "") -> String {
    joined(text, ["accounts": "accounts: {acme: {kind: bitbucket-cloud, hook_secret: env:HOOK}}"])
}

/// An app file that is in order, but for what `text` says instead.
func appFile(_ text: String = "") -> String {
    joined(text, ["account": "account: acme", "repository": "repository: acme/shop", "branch": "branch: main", "root": "root: /srv/shop"])
}

private func joined(_ text: String, _ standard: [String: String]) -> String {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let isThere = { (key: String) in lines.contains { $0.hasPrefix(key + ":") } }
    let missing = standard.filter { key, _ in !isThere(key) && !(key == "branch" && isThere("branches")) }
    return ([text] + missing.sorted { $0.key < $1.key }.map(\.value)).joined(separator: "\n") + "\n"
}

/// Loads a main file and app files, by their names without .yaml.
func read(
    main: String = mainFile(), apps: [String: String] = ["shop": appFile()]
) throws -> (reading: ConfigurationReading, lines: [String]) {
    let folder = try ConfigurationFolder()
    try folder.write("bittern.yaml", main)
    for (name, text) in apps { try folder.write("apps.d/\(name).yaml", text) }
    let reading = folder.load(secrets)
    return (reading, folder.lines(reading))
}

/// What is wrong with a main file that says this.
func problems(inMain text: String) throws -> [String] { try read(main: mainFile(text)).lines }

/// What is wrong with an app that says this.
func problems(inApp text: String) throws -> [String] { try read(apps: ["shop": appFile(text)]).lines }

/// What is wrong with an account of which this is all, one `key: value` a line; the account's name stands in line 2.
func problems(inAccount text: String) throws -> [String] {
    let lines = text.split(separator: "\n").map { "    " + $0 }.joined(separator: "\n")
    return try read(main: "accounts:\n  acme:\n\(lines)\n", apps: ["shop": appFile()]).lines
}

/// The app that comes of this text, with this account.
func app(_ text: String = "", account: String = "kind: bitbucket-cloud, hook_secret: env:HOOK") throws -> App? {
    try read(main: "accounts: {acme: {\(account)}}", apps: ["shop": appFile(text)]).reading.configuration?.apps.first
}
