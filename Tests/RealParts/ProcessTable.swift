import Foundation

/// The processes of this machine, as /proc shows them.
package enum ProcessTable {
    /// The numbers of all living processes whose environment contains `text`, but for this one.
    /// With a temporary directory's path as the text these are the processes that one test brought about.
    package static func processes(withEnvironmentContaining text: String) throws -> [Int32] {
        let wanted = Data(text.utf8)
        return try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { name in
            guard let number = Int32(name), number != getpid() else { return nil }
            // Processes end at any time, and those of other users cannot be read: neither is ours.
            guard let environment = try? readAll("/proc/\(name)/environ") else { return nil }
            return environment.range(of: wanted) == nil ? nil : number
        }
    }

    /// How many bytes of memory a process has that no file stands for (proc_pid_status(5), RssAnon).
    package static func anonymousMemory(of process: Int32) throws -> Int {
        let text = String(decoding: try readAll("/proc/\(process)/status"), as: UTF8.self)
        let line = text.split(separator: "\n").first { $0.hasPrefix("RssAnon:") }
        guard let number = line?.split(whereSeparator: \.isWhitespace).dropFirst().first, let kilobytes = Int(number) else {
            throw SystemFailure("RssAnon")
        }
        return kilobytes << 10
    }

    /// The whole of a file that says its size is 0, as those in /proc do.
    private static func readAll(_ path: String) throws -> Data {
        let file = try FileHandle(forReadingFrom: URL(filePath: path))
        defer { try? file.close() }  // read-only: nothing can be lost
        return try file.readToEnd() ?? Data()
    }
}
