import CLinux
package import Domain
import FoundationEssentials
import Glibc

/// Everything that the process of one step must know, as `bittern step` reads it: with the command, its secrets and its limits.
///
/// It travels in a sealed file without a name (memfd_create(2)), so nothing of it stands in an argument list, in the environment of a
/// process or in a unit, and who holds the descriptor knows that nobody can change it any more.
package struct StepSpecification: Sendable, Equatable, Codable {
    package var order: StepOrder
    /// What is to be done in the place of the order's step.
    package var chore: Chore?
    /// Where the mirrors lie.
    package var state: String
    /// The app's HOME.
    package var home: String
    /// The fields of every line that goes to the journal; nil: none goes there.
    package var journal: [String: String]?

    package init(order: StepOrder, chore: Chore? = nil, state: String, home: String, journal: [String: String]? = nil) {
        self.order = order
        self.chore = chore
        self.state = state
        self.home = home
        self.journal = journal
    }

    /// Does it in this process.
    package func perform(log: StepLog, probe: any HealthProbe, systemctl: Systemctl) async -> StepOutcome {
        // The unit has a /tmp of its own, so a key is gone with it.
        let mirrors = GitMirrors(state: StateDirectory(path: state), keys: "/tmp/keys")
        let performer = StepPerformer(mirrors: mirrors, probe: probe, systemctl: systemctl, home: home, isConfined: true)
        guard let chore else { return await performer.perform(order, log: log) }
        do {
            try await performer.perform(chore, after: order, log: log)
            return .succeeded
        } catch {
            return Task.isCancelled ? .stopped : .failed(reason: "\(error)")
        }
    }

    /// No specification is longer: the environment of a process is not, nor is what an app may be told to hide.
    private static let limit = 16 << 20

    // MARK: The sealed file

    /// Puts it into a sealed file, which is the caller's to close.
    package func sealed() throws(ExecError) -> Int32 {
        let encoder = JSONEncoder()
        if let key = Secret.mayBeCoded { encoder.userInfo[key] = true }
        guard let data = try? encoder.encode(self), data.count <= Self.limit else {
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
        let decoder = JSONDecoder()
        if let key = Secret.mayBeCoded { decoder.userInfo[key] = true }
        guard let specification = try? decoder.decode(Self.self, from: Data(bytes)) else {
            throw ExecError(.file, "the specification is of another version of bittern")
        }
        self = specification
    }
}
