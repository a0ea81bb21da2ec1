import Glibc
import Subprocess
import SystemPackage

/// What a command that has ended left behind.
package struct ShellResult: Sendable, CustomStringConvertible {
    /// How it ended.
    package let status: ExitStatus
    /// Its standard output.
    package let output: String
    /// Its standard error.
    package let error: String

    package var description: String { "\(status)\n\(output)\(error)" }
}

/// A command that was expected to exit with 0 did not.
package struct ShellFailure: Error, CustomStringConvertible {
    /// The command and its arguments.
    package let arguments: [String]
    /// What it left behind.
    package let result: ShellResult

    package var description: String { "\(arguments.joined(separator: " ")) \(result)" }
}

/// Runs one command to its end.
package enum Shell {
    /// The whole environment of a command, but for what the caller adds: nothing of the user's own.
    package static let environment = [
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/nonexistent",
    ]

    /// Runs a command, found on `PATH` where its name has no slash. `environment` is laid over ``environment``.
    /// It has a session of its own, which is killed when the command has not ended within `limit`.
    package static func run(
        _ arguments: [String],
        in directory: String? = nil,
        environment: [String: String] = [:],
        input: String? = nil,
        within limit: Duration = .seconds(30)
    ) async throws -> ShellResult {
        let configuration = configuration(arguments, in: directory, environment: environment)
        return try await withTimeLimit(limit, waitingFor: arguments.joined(separator: " ")) {
            guard let input else { return try await collect(configuration, input: .none) }
            return try await collect(configuration, input: .fileDescriptor(file(holding: input), closeAfterSpawningProcess: true))
        }
    }

    /// Runs a command as ``run(_:in:environment:input:within:)`` does, and throws ``ShellFailure`` when it did not exit with 0.
    @discardableResult
    package static func check(
        _ arguments: [String],
        in directory: String? = nil,
        environment: [String: String] = [:],
        input: String? = nil,
        within limit: Duration = .seconds(30)
    ) async throws -> ShellResult {
        let result = try await run(arguments, in: directory, environment: environment, input: input, within: limit)
        guard result.status == 0 else { throw ShellFailure(arguments: arguments, result: result) }
        return result
    }

    /// The command as a value, in a session of its own.
    static func configuration(_ arguments: [String], in directory: String?, environment: [String: String]) -> Configuration {
        let name = arguments.first ?? ""
        var options = PlatformOptions()
        options.createSession = true
        options.teardownSequence = [.send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .seconds(1))]
        let variables = Self.environment.merging(environment) { _, given in given }
        return Configuration(
            executable: name.contains("/") ? .path(FilePath(name)) : .name(name),
            arguments: Arguments(Array(arguments.dropFirst())),
            environment: .custom(variables.reduce(into: [:]) { $0[Environment.Key(stringLiteral: $1.key)] = $1.value }),
            workingDirectory: directory.map { FilePath($0) },
            platformOptions: options
        )
    }

    /// A file without a name to read from. (Where a command does not read its input, a pipe would end the tests with SIGPIPE.)
    private static func file(holding text: String) throws -> FileDescriptor {
        var template = Array("/tmp/bittern-input-XXXXXX".utf8CString)
        let number = mkstemp(&template)
        guard number >= 0 else { throw SystemFailure("mkstemp") }
        unlink(template)
        let file = FileDescriptor(rawValue: number)
        try file.writeAll(text.utf8)
        try file.seek(offset: 0, from: .start)
        return file
    }

    private static func collect(_ configuration: Configuration, input: some InputProtocol) async throws -> ShellResult {
        let limit = 64 << 20
        let result = try await Subprocess.run(configuration, input: input, output: .bytes(limit: limit), error: .bytes(limit: limit))
        return ShellResult(
            status: ExitStatus(result.terminationStatus),
            output: String(decoding: result.standardOutput, as: UTF8.self),
            error: String(decoding: result.standardError, as: UTF8.self)
        )
    }
}
