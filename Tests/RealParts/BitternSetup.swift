import Foundation

/// The files one daemon lives on: configuration, secrets, state, sockets. All of them are below one directory.
package struct BitternSetup: Sendable {
    /// The directory that holds it all.
    package let directory: String
    /// The port of 127.0.0.1 on which hooks are heard, unless the configuration says something else.
    package let port: Int

    package var configurationFile: String { path("bittern.yaml") }
    package var stateDirectory: String { path("state") }
    package var controlSocket: String { path("control.sock") }
    package var credentialsDirectory: String { path("credentials") }
    var notifySocket: String { path("notify.sock") }
    var outputFile: String { path("serve.out") }
    var errorFile: String { path("serve.err") }

    init(directory: String) throws {
        self.directory = directory
        port = try FreePort.next()
        for name in ["apps.d", "credentials", "home", "srv", "state"] {
            try FileManager.default.createDirectory(atPath: path(name), withIntermediateDirectories: true)
        }
        for name in ["credentials", "state"] {
            try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: path(name))
        }
    }

    /// The absolute path of `name` in the directory.
    package func path(_ name: String) -> String { "\(directory)/\(name)" }

    /// Writes bittern.yaml. `@DIR@` and `@PORT@` in it stand for ``directory`` and ``port``; `hooks`, `control` and
    /// `state_directory` are added where the text has no such key.
    package func write(configuration text: String) throws {
        let defaults = [
            ("hooks", "hooks:\n  listen: 127.0.0.1:@PORT@\n"),
            ("control", "control:\n  socket: @DIR@/control.sock\n"),
            ("state_directory", "state_directory: @DIR@/state\n"),
        ]
        let lines = text.split(separator: "\n")
        let missing = defaults.filter { key, _ in !lines.contains { $0.hasPrefix("\(key):") } }
        try write(missing.map { $0.1 }.joined() + text, to: "bittern.yaml", mode: 0o644)
    }

    /// Writes `apps.d/NAME.yaml`, where the same two words stand for the same.
    package func write(app name: String, _ text: String) throws {
        try write(text, to: "apps.d/\(name).yaml", mode: 0o644)
    }

    /// Writes a file for `file:NAME` secrets, readable by its owner alone.
    package func write(secret name: String, _ text: String) throws {
        try write(text, to: name, mode: 0o600)
    }

    /// Writes a file for `credential:NAME` secrets.
    package func write(credential name: String, _ text: String) throws {
        try write(text, to: "credentials/\(name)", mode: 0o600)
    }

    private func write(_ text: String, to name: String, mode: Int) throws {
        let filled = text.replacingOccurrences(of: "@DIR@", with: directory).replacingOccurrences(of: "@PORT@", with: String(port))
        let file = URL(filePath: path(name))
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        // The file is there with its mode before it has the text, and takes its name whole.
        let temporary = path(".\(UUID().uuidString)")
        let made = FileManager.default.createFile(atPath: temporary, contents: Data(filled.utf8), attributes: [.posixPermissions: mode])
        guard made, rename(temporary, file.path) == 0 else { throw SystemFailure("rename") }
    }
}
