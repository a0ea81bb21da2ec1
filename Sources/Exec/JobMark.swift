import CLinux
import Domain
import Glibc

/// By what the processes of one job are known, wherever they went.
///
/// The sign is a resource limit. fork(2) and execve(2) hand limits on, so whatever a step starts has it: after a double fork, in a
/// session of its own, with its environment cleared, as another user, and also when the daemon that began the step is no more.
/// /proc/PID/limits shows it to everybody. A process is rid of it only when it sets this very limit. Of the limits, RLIMIT_LOCKS
/// is the one Linux itself has not looked at since 2.4.25 (getrlimit(2)) and a shell can set; runuser, su and sudo leave it alone (tried).
/// Its value is the job's: a huge one, made of a hash.
///
/// A subreaper (PR_SET_CHILD_SUBREAPER(2const)) would tell a step's orphans, but not whose they are where several steps run, dies with
/// the daemon, and has to wait for processes it did not start. A cgroup needs one that is ours to divide.
///
/// The second sign is `BITTERN_JOB` and `BITTERN_RELEASE` in the environment, both, because the number alone may be another daemon's.
/// git has no other, nor has a step where the limit cannot be set: in a service with LimitLOCKS=, or without root within another
/// Bittern's step.
package struct JobMark: Sendable, Equatable {
    /// From 2^62 to below 2^62 + 2^60.
    package let limit: UInt64
    let job: Int64
    let releaseDirectory: String
    private let variables: [[UInt8]]

    package init(job: Int64, releaseDirectory: String) {
        self.job = job
        self.releaseDirectory = releaseDirectory
        let hash = Signature.hash(of: Array("\(job) \(releaseDirectory)".utf8)).prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        limit = 1 << 62 | hash >> 4
        variables = ["BITTERN_JOB=\(job)", "BITTERN_RELEASE=\(releaseDirectory)"].map { Array($0.utf8) }
    }

    /// Has a shell take the mark; dash and busybox call the limit `-w`, bash `-x`.
    package var script: String {
        "ulimit -w \(limit) 2>/dev/null || ulimit -x \(limit) 2>/dev/null || :"
    }

    /// Sends a signal to all processes that live and carry the mark, but for those who are `spared` or in `group`. A limit takes less than
    /// a microsecond to see, an environment 20, so for that only those numbered after `first` are looked at; should numbers have
    /// come round since, there is still the limit.
    /// - Returns: all that lived, also those who were spared, but not those in the group. A process this user may not signal is none.
    func send(_ signal: Int32, sparing spared: Set<pid_t>, outside group: pid_t?, since first: pid_t) -> Set<pid_t> {
        var living: Set<pid_t> = []
        var dead: Set<pid_t> = []
        var others: [pid_t] = []
        // What begins another process and ends at once can slip through: listed, and gone when it is looked at. So a list of which
        // something is gone is not the last word; but on a busy machine it may always be so, and 200 lists take a tenth of a second.
        for _ in 0..<200 {
            var isWhole = true
            others = []
            for process in ProcessFiles.all() {
                switch sign(on: process) {
                case .limit:
                    switch send(signal, to: process, sparing: spared, outside: group) {
                    case .living: living.insert(process)
                    case .notOurs: break
                    case .gone: isWhole = false
                    // A zombie that stays begins nothing more.
                    case .dead: if dead.insert(process).inserted { isWhole = false }
                    }
                case .none: others.append(process)
                case .gone: isWhole = false
                }
            }
            if isWhole || !living.isEmpty { break }
        }
        for process in others where process > first && isInEnvironment(of: process) {
            if send(signal, to: process, sparing: spared, outside: group) == .living { living.insert(process) }
        }
        return living
    }

    private enum Found {
        case living, dead, gone
        /// In the group, or not to be signalled by this user.
        case notOurs
    }

    private func send(_ signal: Int32, to process: pid_t, sparing spared: Set<pid_t>, outside group: pid_t?) -> Found {
        // The descriptor holds the process that is then looked at once more: should the number come to be another's, the signal reaches
        // nobody (pidfd_open(2)).
        let descriptor = bittern_pidfd_open(process)
        guard descriptor >= 0 else { return .gone }
        defer { close(descriptor) }
        guard sign(on: process) == .limit || isInEnvironment(of: process), let status = ProcessFiles.status(of: process) else {
            return .gone
        }
        guard status.isAlive else { return .dead }
        guard status.group != group else { return .notOurs }
        guard bittern_pidfd_send_signal(descriptor, spared.contains(process) ? 0 : signal) == 0 else {
            return errno == ESRCH ? .gone : .notOurs
        }
        return .living
    }

    private enum Sign { case limit, none, gone }

    private func sign(on process: pid_t) -> Sign {
        var value: UInt64 = 0
        if bittern_locks_limit(process, &value) == 0 { return value == limit ? .limit : .none }
        guard errno == EPERM else { return .gone }
        // Another user's. The file takes its time, so only where something could be done about it: root may have lost
        // CAP_SYS_RESOURCE and still have CAP_KILL.
        guard kill(process, 0) == 0 else { return .none }
        return ProcessFiles.locksLimit(of: process) == limit ? .limit : .none
    }

    private func isInEnvironment(of process: pid_t) -> Bool {
        let environment = ProcessFiles.environment(of: process)
        guard !environment.isEmpty else { return false }
        let all = environment.split(separator: 0)
        return variables.allSatisfy { variable in all.contains { $0.elementsEqual(variable) } }
    }
}
