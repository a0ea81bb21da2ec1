package import Domain
import Glibc

/// What a step does, as far as git has no part in it: by a child process of the daemon's or in a unit of its own, the same.
package enum StepWork: Sendable, Equatable {
    case command(Command, StepSupervisor.Limits)
    /// Switch `current` to the release.
    case activate(ReleaseDirectory)
    /// Have the service manager restart these units, or reload them.
    case units([String], reload: Bool)
    /// Wait until the release answers as it should; the command is for a check that is one.
    case health(Health, Command)

    /// - Returns: nil for what git does.
    package init?(_ step: PlannedStep, of app: App, mark: JobMark) {
        switch step.work {
        case .fetch, .checkout: return nil
        case .activate: self = .activate(ReleaseDirectory(root: app.root, path: step.release.path))
        case .command(let command):
            self = .command(
                command.shell(umask: app.umask, mark: mark), StepSupervisor.Limits(step: step.timeout, silence: app.noOutputTimeout))
        case .units(let units, let reload): self = .units(units, reload: reload)
        case .health(let health, let command): self = .health(health, command.shell(umask: app.umask, mark: mark))
        }
    }

    /// Does it to the end, or until the task is cancelled. What goes wrong stands in the log, too.
    package func perform(log: StepLog, probe: any HealthProbe, systemctl: Systemctl) async -> StepOutcome {
        await log.noting(isActivation: isActivation) { try await perform(log, probe, systemctl) }
    }

    /// Where its command runs; nil: it has none.
    var directory: String? {
        switch self {
        case .command(let command, _), .health(_, let command): command.directory
        case .activate, .units: nil
        }
    }

    private var isActivation: Bool { if case .activate = self { true } else { false } }

    private func perform(_ log: StepLog, _ probe: any HealthProbe, _ systemctl: Systemctl) async throws -> StepOutcome {
        switch self {
        case .command(let command, let limits):
            return await StepSupervisor(command, limits: limits, log: log).run()
        case .activate(let release):
            if let trouble = try release.activate() { log.append(line: "\(trouble)") }
            let target = FileSystem.target(ofLink: release.root + "/current") ?? ""
            log.append(line: "\(release.root)/current -> \(target)")
            return .succeeded
        case .units(let units, let reload):
            return try await systemctl.run(reload ? .reload : .restart, units, log: log)
        case .health(let health, let command):
            return await HealthWatch(health: health, probe: probe, log: log).run { limit in
                await StepSupervisor(command, limits: .init(step: limit, silence: nil), log: log).run()
            }
        }
    }
}

extension StepLog {
    /// Turns what is thrown into an outcome, and says it in the log; a log that could not be written is a failure of its own.
    ///
    /// - Parameter isActivation: what is live is live, whether or not a line about it could be written.
    func noting(isActivation: Bool, _ work: () async throws -> StepOutcome) async -> StepOutcome {
        do {
            let outcome = try await work()
            if let failure, !isActivation { return .failed(reason: failure) }
            return outcome
        } catch let error as ExecError {
            append(line: "bittern: \(error.phrase)")
            return .failed(reason: error.phrase)
        } catch {
            return Task.isCancelled ? .stopped : .failed(reason: "\(error)")
        }
    }
}
