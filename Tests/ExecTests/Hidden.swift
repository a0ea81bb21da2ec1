import Foundation
import RealParts

/// Processes that hid: double-forked, in a session of their own, their environment cleared. A test finds them by their command line,
/// which holds the path of a script in its directory.
struct Hidden: Sendable {
    /// Says that it was asked to end, and ends.
    static let polite = "trap 'echo asked >>asked; exit' TERM; echo polite >>up; while :; do sleep 0.05; done"
    /// Is asked in vain.
    static let deaf = "trap '' TERM; echo deaf >>up; while :; do sleep 0.05; done"

    let directory: TemporaryDirectory

    /// A command that starts such a process, which runs `script` in the test's directory, and does not wait for it.
    func start(_ script: String, named name: String, launcher: String = "") throws -> String {
        let file = try directory.write("cd '\(directory.path)'\n\(script)\n", to: "\(name).sh")
        return "\(launcher) env -i setsid sh -c 'sh \(file) >/dev/null 2>&1 &'"
    }

    /// A command that ends when so many have said that they are up.
    func wait(for number: Int) -> String {
        "until [ \"$(cat '\(directory.path)/up' 2>/dev/null | wc -l)\" -ge \(number) ]; do sleep 0.02; done"
    }

    /// How often one of them was asked to end.
    var timesAsked: Int {
        ((try? directory.read("asked")) ?? "").split(separator: "\n").count  // the first makes it
    }

    /// Those that live, children that are not yet another program included; a zombie has no command line.
    var left: [Int32] { get throws { try left(of: "") } }

    /// Those of one name that live.
    func left(of name: String) throws -> [Int32] {
        let wanted = Data("\(directory.path)/\(name)".utf8)
        return try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }.filter { process in
            guard process != getpid(), let file = FileHandle(forReadingAtPath: "/proc/\(process)/cmdline") else { return false }
            defer { try? file.close() }  // read-only: nothing can be lost
            return (try? file.readToEnd())?.range(of: wanted) != nil  // processes end at any time
        }
    }

    /// Ends those that a failing test left, also such as begin another and end at once: they look for this file.
    func endAll() throws {
        try directory.write("", to: "stop")
        for process in try left { kill(process, SIGKILL) }
    }
}

/// A directory with hidden processes in it, which are ended with it.
func withHidden(in directory: TemporaryDirectory, _ body: (Hidden) async throws -> Void) async throws {
    let hidden = Hidden(directory: directory)
    try await withCleanup {
        try await body(hidden)
    } cleanup: {
        try hidden.endAll()
    }
}
