import Foundation
import Glibc
import RealParts
import Synchronization

/// Looks at the `current` link of every app, over and over on a thread of its own, and notes what a visitor must never see.
final class Watcher: Sendable {
    private struct State {
        var isOver = false
        var hasEnded = false
        var looks = 0
        var findings: [String] = []
        /// By app: the target seen last, and all that were left.
        var last: [String: String] = [:]
        var left: [String: Set<String>] = [:]
    }

    private let roots: [String: String]
    private let state = Mutex(State())

    /// - Parameter roots: by app.
    init(roots: [String: String]) { self.roots = roots }

    /// What it found until now.
    var findings: [String] { state.withLock { $0.findings } }

    /// Begins to look.
    func start() {
        Thread.detachNewThread { [self] in
            while !state.withLock({ $0.isOver }) {
                for (app, root) in roots { look(at: app, root) }
                usleep(1_000)  // a visitor's pace; nothing is waited for
            }
            state.withLock { $0.hasEnded = true }
        }
    }

    /// Ends it and gives what it found and how often it looked.
    func stop() async throws -> (findings: [String], looks: Int) {
        state.withLock { $0.isOver = true }
        try await eventually("the end of the watcher", within: .seconds(10)) { state.withLock { $0.hasEnded } }
        return state.withLock { ($0.findings, $0.looks) }
    }

    /// One look at one app.
    func look(at app: String, _ root: String) {
        let before = Self.target(of: root + "/current")
        let revision = Self.contents(of: root + "/current/REVISION")
        let isBuilt = before.map { access("\(root)/\($0)/built", F_OK) == 0 } ?? false
        // Switched between the looks: the next round tells.
        guard before == Self.target(of: root + "/current") else { return }
        state.withLock { state in
            state.looks += 1
            let problem = Self.problem(before, revision, isBuilt, state.last[app], state.left[app] ?? [])
            if let problem, state.findings.count < 20 { state.findings.append("\(app): \(problem)") }
            guard let before else { return }
            if let last = state.last[app], last != before { state.left[app, default: []].insert(last) }
            state.last[app] = before
        }
    }

    private static func problem(_ target: String?, _ revision: [UInt8]?, _ isBuilt: Bool, _ last: String?, _ left: Set<String>) -> String? {
        guard let target else { return last.map { "current was gone after it had been \($0)" } }
        guard !left.contains(target) else { return "current went back to \(target)" }
        let parts = target.split(separator: "/")
        guard parts.count == 2, parts[0] == "releases", let short = parts[1].split(separator: "-").last else {
            return "current is \(target), not releases/JOB-SHORTSHA"
        }
        guard let revision else { return "\(target)/REVISION could not be read" }
        let text = String(decoding: revision, as: UTF8.self)
        guard revision.count == 41, text.hasPrefix(short) else { return "\(target)/REVISION is \"\(text)\"" }
        return isBuilt ? nil : "\(target) was live without what its build makes"
    }

    /// Where a symbolic link points; nil where there is none.
    static func target(of link: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 512)
        let count = readlink(link, &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
    }

    /// At most 512 bytes of a file; nil where there is none.
    static func contents(of path: String) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var buffer = [UInt8](repeating: 0, count: 512)
        let count = read(file, &buffer, 512)
        return count >= 0 ? Array(buffer.prefix(count)) : nil
    }
}
