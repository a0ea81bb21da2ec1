import Domain
import Glibc

/// Processes of a job that outlived the daemon that started them.
package enum Leftovers {
    /// Ends every process of this user that carries the job in its environment, and waits until they are gone, for at most 5 s.
    ///
    /// Both the job's number and its release directory must be there: the number alone may be another daemon's.
    /// - Returns: how many there were.
    package static func end(job: Int64, releaseDirectory: String) async -> Int {
        let signs = ["BITTERN_JOB=\(job)", "BITTERN_RELEASE=\(releaseDirectory)"].map { Array($0.utf8) }
        var found: Set<pid_t> = []
        // More than once: what was starting another process as it was ended is found the next time.
        for _ in 0..<250 {
            let left = processes(carrying: signs)
            guard !left.isEmpty else { break }
            for process in left { kill(process, SIGKILL) }
            found.formUnion(left)
            try? await Task.sleep(for: .milliseconds(20))  // cancelled: look again at once
        }
        return found.count
    }

    /// Whether a process group has a member that is more than a zombie.
    static func isAlive(group: pid_t) -> Bool {
        guard kill(-group, 0) == 0 else { return false }
        return FileSystem.names(in: "/proc").contains { name in
            guard pid_t(name) != nil, let stat = contents(of: "/proc/\(name)/stat") else { return false }
            // proc(5): PID (COMMAND) STATE PPID PGRP …; the command may hold anything, so what counts stands behind the last bracket.
            let fields = String(decoding: stat, as: UTF8.self).split(separator: ")").last?.split(separator: " ") ?? []
            return fields.count > 2 && fields[0] != "Z" && fields[0] != "X" && pid_t(fields[2]) == group
        }
    }

    private static func processes(carrying signs: [[UInt8]]) -> [pid_t] {
        FileSystem.names(in: "/proc").compactMap { pid_t($0) }.filter { process in
            guard process != getpid() else { return false }
            let variables = environment(of: process).split(separator: 0)
            return signs.allSatisfy { sign in variables.contains { $0.elementsEqual(sign) } }
        }
    }

    /// Empty for processes of other users, which are none of ours.
    private static func environment(of process: pid_t) -> [UInt8] {
        contents(of: "/proc/\(process)/environ") ?? []
    }

    /// At most 2 MB; nil when it cannot be read.
    private static func contents(of path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while all.count < 1 << 21 {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { break }
            all += buffer.prefix(count)
        }
        return all
    }
}
