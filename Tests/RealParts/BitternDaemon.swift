import Foundation
import Synchronization

/// The real daemon, `bittern serve`, in a process and a directory of its own.
package final class BitternDaemon: Sendable {
    /// Its files; write to them and `send(signal: SIGHUP)` to test a reload.
    package let setup: BitternSetup
    /// What it tells the service manager.
    package let notify: NotifySocket

    private let binary: String
    private let environment: [String: String]
    private let process = Mutex<RunningProcess?>(nil)

    init(setup: BitternSetup, environment: [String: String]) throws {
        self.setup = setup
        binary = try BitternBinary.path()
        notify = try NotifySocket(path: setup.notifySocket)
        let own = [
            "HOME": setup.path("home"),
            "NOTIFY_SOCKET": setup.notifySocket,
            "BITTERN_SOCKET": setup.controlSocket,
            "CREDENTIALS_DIRECTORY": setup.credentialsDirectory,
        ]
        self.environment = own.merging(environment) { _, given in given }
    }

    /// Its process number, or nil before its first start.
    package var processID: Int32? { process.withLock { $0?.processID } }

    /// How it ended, or nil while it runs.
    package var exitStatus: ExitStatus? { process.withLock { $0?.exitStatus } }

    /// All it has written to standard error since its first start.
    package var standardError: String { (try? String(contentsOfFile: setup.errorFile, encoding: .utf8)) ?? "" }  // not yet made

    /// The sentences of its `STATUS=` messages, oldest first.
    package var statusLines: [String] {
        notify.lines.filter { $0.hasPrefix("STATUS=") }.map { String($0.dropFirst("STATUS=".count)) }
    }

    /// The numbers of all processes that it and its steps left or run, itself included.
    package func processes() throws -> [Int32] {
        try ProcessTable.processes(withEnvironmentContaining: setup.directory)
    }

    /// Starts it, also again after an end, and waits for `READY=1`.
    /// - Throws: ``ServerDidNotStart`` with its standard error, where it ends before that;
    ///   ``DaemonCrashed``, where the process before was ended by a signal other than SIGKILL, which only tests send.
    /// - Parameter more: laid over its environment, this time.
    package func start(_ more: [String: String] = [:], within limit: Duration = .seconds(20)) async throws {
        try throwIfCrashed()
        let before = notify.messages.count
        let started = try await launch(more)
        do {
            try await eventually("READY=1", within: limit) {
                if let status = started.exitStatus { throw ServerDidNotStart(name: "bittern serve, which \(status),", log: standardError) }
                return notify.messages.dropFirst(before).contains { $0.split(separator: "\n").contains("READY=1") }
            }
        } catch let error as TimeLimitExceeded {
            throw ServerDidNotStart(name: "bittern serve (\(error))", log: standardError)
        }
    }

    /// Starts it, also again after an end however it came, and waits for nothing.
    /// - Parameter more: laid over its environment, this time.
    @discardableResult
    package func launch(_ more: [String: String] = [:]) async throws -> RunningProcess {
        let started = try await RunningProcess.start(
            [binary, "serve", "--config", setup.configurationFile],
            in: setup.directory,
            environment: environment.merging(more) { _, given in given },
            output: setup.outputFile,
            error: setup.errorFile
        )
        process.withLock { $0 = started }
        return started
    }

    /// Sends it a signal; nothing happens when it does not run.
    package func send(signal: Int32) {
        process.withLock { $0 }?.send(signal: signal)
    }

    /// Kills it, as a crash would, and waits until it is gone. Its steps are not touched.
    package func kill9() async throws {
        send(signal: SIGKILL)
        try await waitForExit()
    }

    /// Asks it to end with SIGTERM and waits until it has.
    @discardableResult
    package func terminate(within limit: Duration = .seconds(20)) async throws -> ExitStatus {
        send(signal: SIGTERM)
        return try await waitForExit(within: limit)
    }

    /// Ends it in order and starts it again on the same files.
    package func restart() async throws {
        try await terminate()
        try await start()
    }

    /// Waits for its end.
    @discardableResult
    package func waitForExit(within limit: Duration = .seconds(20)) async throws -> ExitStatus {
        guard let running = process.withLock({ $0 }) else { throw NeverStarted() }
        return try await running.waitForExit(within: limit)
    }

    /// Runs `bittern ARGUMENTS` against its control socket.
    package func run(
        _ arguments: String...,
        environment: [String: String] = [:],
        input: String? = nil,
        within limit: Duration = .seconds(30)
    ) async throws -> ShellResult {
        try await run(arguments, environment: environment, input: input, within: limit)
    }

    /// Runs `bittern ARGUMENTS --json` and gives what it printed; throws where it does not exit with 0.
    package func json(_ arguments: String...) async throws -> JSONValue {
        let arguments = arguments + ["--json"]
        let result = try await run(arguments, environment: [:], input: nil, within: .seconds(30))
        guard result.status == 0 else { throw ShellFailure(arguments: ["bittern"] + arguments, result: result) }
        return try JSONValue(parsing: result.output)
    }

    /// The same with arguments that come as a list.
    package func run(
        _ arguments: [String],
        environment: [String: String] = [:],
        input: String? = nil,
        within limit: Duration = .seconds(30)
    ) async throws -> ShellResult {
        let variables = ["BITTERN_SOCKET": setup.controlSocket, "HOME": setup.path("home")].merging(environment) { _, given in given }
        return try await Shell.run([binary] + arguments, in: setup.directory, environment: variables, input: input, within: limit)
    }

    /// The end of a test: whatever still runs is ended, first in order and then at once.
    /// - Throws: ``DaemonCrashed``, as ``start(within:)`` does.
    func cleanUp() async throws {
        let running = process.withLock { $0 }
        if let running, running.exitStatus == nil {
            running.send(signal: SIGTERM)
            // The second SIGTERM is for steps that take their time; what it does not end is killed.
            if (try? await running.waitForExit(within: .seconds(2))) == nil { try await running.end() }
        }
        notify.close()
        for number in try processes() { kill(number, SIGKILL) }
        try await eventually("the end of the daemon's processes") { try processes().isEmpty }
        try throwIfCrashed()
    }

    private func throwIfCrashed() throws {
        if case .signaled(let number) = exitStatus, number != SIGKILL { throw DaemonCrashed(signal: number, log: standardError) }
    }
}

/// There is no daemon whose end could be waited for.
package struct NeverStarted: Error {}

/// The daemon was ended by a signal, and not by SIGKILL.
package struct DaemonCrashed: Error, CustomStringConvertible {
    /// As 4, illegal instruction, which is Swift's trap.
    package let signal: Int32
    /// Its standard error.
    package let log: String

    package var description: String { "the daemon was ended by signal \(signal): \(log)" }
}
