import Domain
import Glibc

/// systemctl, as the daemon may use it: for the system, or for its user when it runs under that user's manager.
package struct Systemctl: Sendable, Equatable {
    enum Verb: String { case restart, reload = "reload-or-restart" }

    private let program: String
    private let journalctl: String
    private let isOfUser: Bool
    private let environment: [String: String]

    /// - Parameters:
    ///   - environment: the daemon's own; `PATH` says where systemctl is, and a user's manager is found through the rest.
    ///   - cgroup: what /proc/self/cgroup says. Below a user's manager a unit lies in `user@1000.service`.
    package init(environment: [String: String], cgroup: String) {
        let path = (environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
        func find(_ name: String) -> String {
            path.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 } ?? "/usr/bin/" + name
        }
        program = find("systemctl")
        journalctl = find("journalctl")
        isOfUser = cgroup.contains("/user@")
        self.environment = environment.filter { ["PATH", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"].contains($0.key) }
    }

    /// The daemon's own.
    package static func current(environment: [String: String]) -> Systemctl {
        let cgroup = (try? SmallFile.read("/proc/self/cgroup", limit: 65536)).map { String(decoding: $0.bytes, as: UTF8.self) }
        return Systemctl(environment: environment, cgroup: cgroup ?? "")  // no cgroups, no user's manager
    }

    /// One unit after the other; of one that fails the log shows what it said last.
    func run(_ verb: Verb, _ units: [String], log: StepLog) async throws -> StepOutcome {
        for unit in units {
            log.append(line: "systemctl \(isOfUser ? "--user " : "")\(verb.rawValue) \(unit)")
            let outcome = try await run(program, ["--no-ask-password", verb.rawValue, "--", unit], log)
            guard outcome == .succeeded else {
                if !Task.isCancelled { _ = try await run(journalctl, ["--no-pager", "--lines=20", "--unit=" + unit], log) }
                return Task.isCancelled ? .stopped : outcome
            }
        }
        return .succeeded
    }

    private func run(_ program: String, _ arguments: [String], _ log: StepLog) async throws -> StepOutcome {
        let command = Command(program, (isOfUser ? ["--user"] : []) + arguments, environment: environment)
        return try await ChildProcess.run(command) { log.append($0) }
    }
}
