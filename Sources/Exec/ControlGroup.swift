package import Domain

/// What the kernel counts for all processes of a unit together (cgroups(7), version 2).
package enum ControlGroup {
    /// Of the group that this process is in; nothing is known where there is no such tree of groups.
    package static func ownUsage() -> StepUsage {
        guard let lines = text("/proc/self/cgroup"), let own = lines.split(separator: "\n").first(where: { $0.hasPrefix("0::/") }) else {
            return StepUsage()
        }
        let directory = "/sys/fs/cgroup" + own.dropFirst(3)
        let time = text(directory + "/cpu.stat")?.split(separator: "\n").first { $0.hasPrefix("usage_usec ") }
        return StepUsage(
            processorTime: time.flatMap { Int64($0.dropFirst(11)) }.map { .microseconds($0) },
            // Since Linux 5.19.
            memory: text(directory + "/memory.peak").flatMap { Int($0.prefix { $0 != "\n" }) })
    }

    private static func text(_ path: String) -> String? {
        guard let file = try? SmallFile.read(path, limit: 65536) else { return nil }  // not there: not known
        return String(decoding: file.bytes, as: UTF8.self)
    }
}
