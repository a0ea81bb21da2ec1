import CLinux
package import Domain
import FoundationEssentials
import Glibc

/// Everything that the process of one step must know, as `bittern step` reads it: with the command, its secrets and its limits.
///
/// It travels in a sealed file without a name (memfd_create(2)), so nothing of it stands in an argument list, in the environment of a
/// process or in a unit, and who holds the descriptor knows that nobody can change it any more.
package struct StepSpecification: Sendable, Equatable {
    package var work: StepWork
    /// Where a command must run; nil: anywhere.
    package var release: ReleaseDirectory?
    /// What must not be seen in the log.
    package var masked: [Secret]
    /// Bytes of the log.
    package var logLimit: Int
    /// The fields of every line that goes to the journal; nil: none goes there.
    package var journal: [String: String]?

    package init(
        work: StepWork, in release: ReleaseDirectory? = nil, masked: [Secret], logLimit: Int, journal: [String: String]? = nil
    ) {
        self.work = work
        self.release = release
        self.masked = masked
        self.logLimit = logLimit
        self.journal = journal
    }

    /// Does the work, if it is where it should be: a link may have been put in the place of a release.
    package func perform(log: StepLog, probe: any HealthProbe, systemctl: Systemctl) async -> StepOutcome {
        if let release, let directory = work.directory, !release.holds(directory) {
            let sentence = "\(directory) does not lie in the release \(release.path); is a link in its place?"
            log.append(line: "bittern: \(sentence)")
            return .failed(reason: sentence)
        }
        return await work.perform(log: log, probe: probe, systemctl: systemctl)
    }

    /// No specification is longer: the environment of a process is not, nor is what an app may be told to hide.
    private static let limit = 16 << 20

    // MARK: The sealed file

    /// Puts it into a sealed file, which is the caller's to close.
    package func sealed() throws(ExecError) -> Int32 {
        guard let data = try? JSONEncoder().encode(Coded(self)), data.count <= Self.limit else {
            throw ExecError(.file, "the step's environment and secrets are too long")
        }
        let descriptor = data.withUnsafeBytes { bittern_sealed_file("bittern-step", $0.baseAddress, $0.count) }
        guard descriptor >= 0 else { throw ExecError.file("a file in memory cannot be made") }
        return descriptor
    }

    /// Reads what ``sealed()`` wrote.
    ///
    /// - Throws: ``ExecError`` when the file is not sealed, or is none of this version's.
    package init(sealed descriptor: Int32) throws(ExecError) {
        guard bittern_is_sealed(descriptor) == 1 else {
            throw ExecError(.file, "standard input is no sealed specification; bittern step is started by the runner alone")
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_size <= Self.limit else {
            throw ExecError.file("the specification cannot be read")
        }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        // One call: the file lies in memory, and nobody can make it shorter.
        guard pread(descriptor, &bytes, bytes.count, 0) == bytes.count else { throw ExecError.file("the specification cannot be read") }
        guard let coded = try? JSONDecoder().decode(Coded.self, from: Data(bytes)) else {
            throw ExecError(.file, "the specification is of another version of bittern")
        }
        self = coded.specification
    }

    /// Its JSON. Secrets are no `Codable`, so this is one of the places where they come out.
    private struct Coded: Codable {
        enum Work: Codable {
            case command(Program, step_ms: Int64?, silence_ms: Int64?)
            case activate(root: String, path: String)
            case units([String], reload: Bool)
            case health(Program, within_ms: Int64, interval_ms: Int64)
        }

        struct Program: Codable {
            var executable: String
            var arguments: [String]
            var environment: [String: String]
            var directory: String?
            var job: Int64?
            var release_directory: String?

            init(_ command: Command) {
                (executable, arguments, environment) = (command.executable, command.arguments, command.environment)
                directory = command.directory
                (job, release_directory) = (command.mark?.job, command.mark?.releaseDirectory)
            }

            var command: Command {
                var mark: JobMark?
                if let job, let release_directory { mark = JobMark(job: job, releaseDirectory: release_directory) }
                return Command(executable, arguments, environment: environment, directory: directory, mark: mark)
            }
        }

        var work: Work
        var root: String?
        var release: String?
        var masked: [Data]
        var log_limit: Int
        var journal: [String: String]?

        init(_ specification: StepSpecification) {
            work =
                switch specification.work {
                case .command(let command, let limits):
                    .command(Program(command), step_ms: limits.step?.wholeMilliseconds, silence_ms: limits.silence?.wholeMilliseconds)
                case .activate(let release): .activate(root: release.root, path: release.path)
                case .units(let units, let reload): .units(units, reload: reload)
                case .health(let health, let command):
                    .health(Program(command), within_ms: health.within.wholeMilliseconds, interval_ms: health.interval.wholeMilliseconds)
                }
            (root, release) = (specification.release?.root, specification.release?.path)
            masked = specification.masked.map { $0.withBytes { Data($0) } }
            log_limit = specification.logLimit
            journal = specification.journal
        }

        var specification: StepSpecification {
            let work: StepWork =
                switch self.work {
                case .command(let program, let step, let silence):
                    .command(program.command, .init(step: step.map { .milliseconds($0) }, silence: silence.map { .milliseconds($0) }))
                case .activate(let root, let path): .activate(ReleaseDirectory(root: root, path: path))
                case .units(let units, let reload): .units(units, reload: reload)
                // A step asks by its command only: addresses are asked by the daemon, which has a network.
                case .health(let program, let within, let interval):
                    .health(Health(.run(""), within: .milliseconds(within), interval: .milliseconds(interval)), program.command)
                }
            var place: ReleaseDirectory?
            if let root, let release { place = ReleaseDirectory(root: root, path: release) }
            return StepSpecification(work: work, in: place, masked: masked.map { Secret($0) }, logLimit: log_limit, journal: journal)
        }
    }
}
