import Domain
import Exec
import FoundationEssentials
import Glibc
import RunnerAPI

/// What the runner keeps of one step, in a directory for its job where only root may look: nothing else knows of it once its unit is gone.
///
/// - `STEP.start`: when the start of the job began, which tells the step from one of the same number in another ledger.
/// - `STEP.told`: what the supervisor said of the end. The file is there before the unit is.
/// - `STEP.begun`: the unit was there, so one that is not there is one that was.
/// - `STEP.ended`: how it ended, as the runner found it; written before the unit is removed.
struct StepFiles {
    private let directory: String
    private let step: String

    /// - Parameter state: holds a directory for each job.
    init(_ name: StepUnits.Name, in state: String) {
        directory = "\(state)/\(name.job)"
        step = name.step
    }

    private func path(_ kind: String) -> String { "\(directory)/\(step).\(kind)" }

    var result: StepResult? { line(path("ended")) }
    var told: StepResult? { line(path("told")) }

    private func line(_ path: String) -> StepResult? {
        guard let file = try? SmallFile.read(path, limit: RunnerReply.longestLine) else { return nil }  // nobody wrote it
        return StepResult(line: file.bytes)
    }

    /// Whether what is here is of the start that began then.
    func isOfStart(begun: Timestamp) -> Bool {
        guard let file = try? SmallFile.read(path("start"), limit: 64) else { return false }  // nothing is here
        return file.bytes == Array(Self.line(begun).utf8)
    }

    /// Forgets all that is known, and notes the start.
    func beginAnew(_ begun: Timestamp) throws {
        try FileSystem.makeDirectory(directory, mode: 0o700)
        for kind in ["told", "begun", "ended"] { unlink(path(kind)) }
        try write(Self.line(begun), as: "start")
        try FileSystem.syncDirectory(directory + "/..")
    }

    private static func line(_ begun: Timestamp) -> String { "\(begun.milliseconds)\n" }

    /// The file for what the supervisor will say, on the disk before there is a unit: so what was begun is known also after a power cut.
    ///
    /// - Returns: a descriptor that is the caller's to close; nil when the step was begun before, and what became of it is to be waited for.
    func openTold() throws -> Int32? {
        var descriptor = open(path("told"), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o600)
        if descriptor < 0, errno == EEXIST {
            // A runner that was killed between the file and the unit has begun nothing, as long as this is still the same boot.
            guard told == nil, FileSystem.isMissing(path("begun")), Self.isOfThisBoot(path("told")) else { return nil }
            descriptor = open(path("told"), O_WRONLY | O_APPEND | O_CLOEXEC)
        }
        guard descriptor >= 0 else {
            throw StepUnits.Refusal(sentence: "the result cannot be written to \(directory): \(systemMessage(errno))")
        }
        do {
            try FileSystem.syncDirectory(directory)
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// The unit could not be started: nothing runs, and nothing shall say so.
    func forgetTold() { unlink(path("told")) }

    func noteBegun() throws { try write("", as: "begun") }

    func note(_ result: StepResult) throws { try write(String(decoding: try result.line(), as: UTF8.self), as: "ended") }

    private func write(_ text: String, as kind: String) throws {
        try FileSystem.writeFile(text, named: "\(step).\(kind)", in: directory, mode: 0o600)
    }

    private static func isOfThisBoot(_ path: String) -> Bool {
        var (status, uptime) = (stat(), timespec())
        guard lstat(path, &status) == 0, clock_gettime(CLOCK_BOOTTIME, &uptime) == 0 else { return false }
        return status.st_mtim.tv_sec > time(nil) - uptime.tv_sec
    }

    /// Forgets the jobs that nobody can ask for any more: none takes a month.
    static func forgetOldJobs(in state: String, now: Int) {
        for name in FileSystem.names(in: state) {
            var status = stat()
            let path = state + "/" + name
            guard lstat(path, &status) == 0, now - status.st_mtim.tv_sec > 30 * 24 * 3600 else { continue }
            // What stays is tried again by the next runner.
            try? FileSystem.removeTree(path)
        }
    }
}
