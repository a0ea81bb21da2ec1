import Glibc
import Subprocess
import Synchronization
import SystemPackage

/// A long-lived child process: a server under test. It dies with the test process, however that ends.
package final class RunningProcess: Sendable {
    /// Its process number.
    package let processID: Int32
    /// The command, for error messages.
    package let name: String
    private let record: ExitRecord

    private init(processID: Int32, name: String, record: ExitRecord) {
        self.processID = processID
        self.name = name
        self.record = record
    }

    /// Starts a command in a session of its own, its output and errors appended to files.
    /// `environment` is laid over ``Shell/environment``.
    package static func start(
        _ arguments: [String],
        in directory: String? = nil,
        environment: [String: String] = [:],
        output: String,
        error: String
    ) async throws -> RunningProcess {
        // swift-subprocess starts children from a thread that lives as long as the process, which is what
        // the parent-death signal goes by. setpriv becomes the command, so the number stays the same.
        let configuration = Shell.configuration(
            ["setpriv", "--pdeathsig", "KILL", "--"] + arguments,
            in: directory,
            environment: environment
        )
        let record = ExitRecord()
        let (numbers, announce) = AsyncThrowingStream.makeStream(of: Int32.self)
        let outputFile = try appending(to: output)
        let errorFile = try appending(to: error)
        let task = Task {
            do {
                let result = try await Subprocess.run(configuration, input: .none, output: outputFile, error: errorFile) { execution in
                    announce.yield(execution.processIdentifier.value)
                }
                record.status.withLock { $0 = ExitStatus(result.terminationStatus) }
                announce.finish()
            } catch {
                record.status.withLock { $0 = 127 }
                announce.finish(throwing: error)
            }
        }
        for try await number in numbers {
            return RunningProcess(processID: number, name: arguments.joined(separator: " "), record: record)
        }
        task.cancel()
        throw CancellationError()
    }

    /// How it ended, or nil while it runs.
    package var exitStatus: ExitStatus? { record.status.withLock { $0 } }

    /// Sends it a signal; nothing happens when it has ended.
    package func send(signal: Int32) {
        record.status.withLock { status in
            guard status == nil else { return }
            kill(processID, signal)
        }
    }

    /// Waits for its end.
    @discardableResult
    package func waitForExit(within limit: Duration = .seconds(15)) async throws -> ExitStatus {
        try await eventualValue("the end of \(name)", within: limit) { exitStatus }
    }

    /// Asks it to end, kills it where it has not after `grace`, and waits for its end.
    @discardableResult
    package func end(grace: Duration = .seconds(5)) async throws -> ExitStatus {
        send(signal: SIGTERM)
        // Running out of patience is what the next line is for.
        if let status = try? await waitForExit(within: grace) { return status }
        send(signal: SIGKILL)
        return try await waitForExit()
    }

    private static func appending(to path: String) throws -> FileDescriptorOutput {
        let file = try FileDescriptor.open(
            FilePath(path),
            .writeOnly,
            options: [.append, .create, .closeOnExec],
            permissions: [.ownerReadWrite]
        )
        return .fileDescriptor(file, closeAfterSpawningProcess: true)
    }
}

/// Where the task that awaits a process writes down how it ended.
private final class ExitRecord: Sendable {
    let status = Mutex<ExitStatus?>(nil)
}
