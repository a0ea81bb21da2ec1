import Glibc

/// What /proc tells of the processes of this machine (proc(5)).
enum ProcessFiles {
    struct Status {
        let group: pid_t
        /// Whether it is more than a zombie. Where the first thread has ended and others run, its state is a zombie's too.
        let isAlive: Bool
    }

    /// All processes but this one, those that began last first: they are the ones that may not be there for long.
    static func all() -> [pid_t] {
        let own = getpid()
        return FileSystem.names(in: "/proc").compactMap { pid_t($0) }.filter { $0 != own }.reversed()
    }

    /// Nil when there is no such process any more.
    static func status(of process: pid_t) -> Status? {
        guard let stat = contents(of: "/proc/\(process)/stat") else { return nil }
        // PID (COMMAND) STATE PPID PGRP …; the command may hold anything, so what counts stands behind the last bracket. The number of
        // threads is 17 fields after the state.
        let fields = String(decoding: stat, as: UTF8.self).split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 17, let group = pid_t(fields[2]), let threads = Int(fields[17]) else { return nil }
        return Status(group: group, isAlive: threads > 1 || (fields[0] != "Z" && fields[0] != "X"))
    }

    /// The hard limit on file locks, of any user's process; nil: unlimited, or gone.
    static func locksLimit(of process: pid_t) -> UInt64? {
        guard let limits = contents(of: "/proc/\(process)/limits") else { return nil }
        let line = String(decoding: limits, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("Max file locks ") }
        // Max file locks SOFT HARD locks
        let words = line?.split(separator: " ") ?? []
        return words.count > 4 ? UInt64(words[4]) : nil
    }

    /// As the process was given it; empty when this user may not see it.
    static func environment(of process: pid_t) -> [UInt8] {
        contents(of: "/proc/\(process)/environ") ?? []
    }

    /// At most 2 MB; nil when it cannot be read.
    private static func contents(of path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var all: [UInt8] = []
        while all.count < 1 << 21 {
            var count = 0
            all += [UInt8](unsafeUninitializedCapacity: 65536) { buffer, filled in
                count = read(descriptor, buffer.baseAddress, buffer.count)
                filled = max(0, count)
            }
            guard count > 0 else { break }
        }
        return all
    }
}
