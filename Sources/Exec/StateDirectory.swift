import Domain
import Glibc

/// Where Bittern keeps its own things: `bittern.db`, `logs/`, `mirrors/`, `home/`.
package struct StateDirectory: Sendable {
    /// Absolute.
    package let path: String

    package init(path: String) {
        self.path = path
    }

    package var ledger: String { path + "/bittern.db" }

    /// Makes what is missing, for the daemon's user alone.
    package func prepare() throws {
        try FileSystem.makeDirectory(path, mode: 0o700)
        for name in ["logs", "mirrors", "home"] { try FileSystem.makeDirectory(path + "/" + name, mode: 0o700) }
    }

    /// A place for a copy of the ledger, for as long as it takes to make and open it.
    package func copy(_ name: String) -> String { "\(path)/\(Self.copyPrefix)\(name)" }

    /// Removes the copies over which a daemon was killed. There must be no other daemon.
    package func removeUnfinishedCopies() {
        // One that stays takes space and does no other harm.
        for name in FileSystem.names(in: path) where name.hasPrefix(Self.copyPrefix) { unlink("\(path)/\(name)") }
    }

    // No name that somebody would give to a backup of his own.
    private static let copyPrefix = ".unfinished-copy-"

    /// The log of one step in one start of its job; neither file nor directory need be there yet.
    package func log(_ id: StepID, step: String) -> String {
        let number = id.position < 10 ? "0\(id.position)" : "\(id.position)"
        return "\(path)/logs/\(id.job)/\(id.start)-\(number)-\(step).log"
    }

    func prepareLog(_ id: StepID, step: String) throws -> String {
        try FileSystem.makeDirectory("\(path)/logs/\(id.job)", mode: 0o700)
        return log(id, step: step)
    }

    /// Opens the log of a step for appending, for somebody else to write.
    ///
    /// - Parameters:
    ///   - line: written first, where the step runs again.
    ///   - goesOn: whether what is there is the step's; otherwise it is of another ledger.
    /// - Returns: a descriptor that is the caller's to close.
    package func openLog(_ id: StepID, step: String, saying line: String?, goesOn: Bool) throws -> Int32 {
        let descriptor = try Self.openLog(prepareLog(id, step: step), goesOn: goesOn)
        if let line {
            let bytes = Array((SafeText.shown(line) + "\n").utf8)
            // A log that cannot be written fails the step, which says so.
            _ = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        }
        return descriptor
    }

    /// The same of a notice.
    package func openNoticeLog(job: Int64, name: String) throws -> Int32 {
        try Self.openLog(prepareNoticeLog(job: job, name: name), goesOn: true)
    }

    private static func openLog(_ path: String, goesOn: Bool) throws -> Int32 {
        let descriptor = open(path, O_WRONLY | O_CREAT | (goesOn ? 0 : O_TRUNC) | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw ExecError.file("cannot write the log \(path)") }
        return descriptor
    }

    func prepareNoticeLog(job: Int64, name: String) throws -> String {
        try FileSystem.makeDirectory("\(path)/logs/\(job)", mode: 0o700)
        return "\(path)/logs/\(job)/\(name).log"
    }

    /// The jobs that have logs: directories below `logs/` that are named by a number as Bittern writes it. Anything else is not ours.
    package func jobsWithLogs() -> [Int64] {
        FileSystem.names(in: path + "/logs").compactMap { name in
            guard let job = Int64(name), job > 0, String(job) == name, FileSystem.isDirectory("\(path)/logs/\(name)") else { return nil }
            return job
        }
    }

    /// Removes all logs of a job.
    package func removeLogs(of job: Int64) throws {
        try FileSystem.removeTree("\(path)/logs/\(job)")
    }

    /// An app's HOME, kept between jobs.
    package func home(app: String) -> String { "\(path)/home/\(app)" }

    func prepareHome(app: String) throws {
        try FileSystem.makeDirectory(home(app: app), mode: 0o700)
    }
}
