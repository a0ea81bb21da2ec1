import Foundation

/// Writes the files, starts the daemon, waits until it is ready, runs `body`, and ends everything the daemon brought about.
///
/// In all texts `@DIR@` stands for the daemon's directory and `@PORT@` for the port of its hooks listener.
/// - Parameters:
///   - config: bittern.yaml; `hooks`, `control` and `state_directory` are added where it has no such key.
///   - apps: the files of apps.d, by name without `.yaml`.
///   - secrets: files in the directory with mode 0600, for `file:NAME`.
///   - credentials: what `credential:NAME` gives.
///   - environment: laid over ``Shell/environment`` and what the daemon needs.
///   - directory: where all of it is put; a new directory under /tmp where it is nil.
package func withBittern<Value>(
    config: String,
    apps: [String: String] = [:],
    secrets: [String: String] = [:],
    credentials: [String: String] = [:],
    environment: [String: String] = [:],
    in directory: String? = nil,
    _ body: (BitternDaemon) async throws -> Value
) async throws -> Value {
    guard let directory else {
        return try await withTemporaryDirectory { temporary in
            try await withBittern(
                config: config,
                apps: apps,
                secrets: secrets,
                credentials: credentials,
                environment: environment,
                in: temporary.path,
                body
            )
        }
    }
    let setup = try BitternSetup(directory: directory)
    try setup.write(configuration: config)
    for (name, text) in apps { try setup.write(app: name, text) }
    for (name, text) in secrets { try setup.write(secret: name, text) }
    for (name, text) in credentials { try setup.write(credential: name, text) }
    let daemon = try BitternDaemon(setup: setup, environment: environment)
    return try await withCleanup {
        do {
            try await daemon.start()
            return try await body(daemon)
        } catch {
            FileHandle.standardError.write(Data("the daemon in \(directory) wrote:\n\(daemon.standardError)\n".utf8))
            throw error
        }
    } cleanup: {
        try await daemon.cleanUp()
    }
}
