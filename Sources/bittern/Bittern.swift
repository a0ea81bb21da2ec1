import ArgumentParser
import Glibc

/// `bittern`: the daemon and everything people say to it.
@main
struct Bittern: AsyncParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "bittern",
        abstract: "Puts a push to Bitbucket live on your own server.",
        discussion: """
            The daemon is bittern serve, usually run by systemd; the other commands talk to it over its control socket.

            Exit status: 0 done, or the awaited job succeeded or was skipped; 1 refused or failed; 2 usage or configuration; \
            3 the awaited job failed, was cancelled or superseded; 4 the daemon does not answer; 5 no such app, job, release, \
            delivery or account.
            """,
        version: version,
        subcommands: [
            Serve.self, Check.self, Status.self, Apps.self, Accounts.self, Jobs.self, Show.self, Log.self, Cancel.self, Retry.self,
            Hold.self, Resume.self,
            Deploy.self, Releases.self, Rollback.self, Cache.self, Deliveries.self, Delivery.self, Replay.self, Explain.self, Simulate.self,
            AccountCommand.self, Hooks.self, Reload.self, Metrics.self, Doctor.self, Backup.self, RunnerCommand.self, Step.self,
        ])

    /// As ArgumentParser's own `main`, but with the exit statuses of the manual.
    static func main() async {
        do {
            try CommandName.check(Array(CommandLine.arguments.dropFirst()), of: Bittern.self)
            // Completions ask the daemon, so even parsing may wait.
            var command = try await asyncParseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let failure as Failure {
            failure.tell()
            Glibc.exit(failure.status.rawValue)
        } catch {
            if exitCode(for: error) == .success {
                print(fullMessage(for: error))
                Glibc.exit(0)
            }
            let message = fullMessage(for: error)
            if !message.isEmpty { Terminal.tell(message) }
            Glibc.exit(exitCode(for: error) == .validationFailure ? ExitStatus.usage.rawValue : ExitStatus.failed.rawValue)
        }
    }
}

/// What the exit status says to scripts.
enum ExitStatus: Int32 {
    case failed = 1
    case usage = 2
    case jobFailed = 3
    case noDaemon = 4
    case notFound = 5
}

/// Why a command did not do what it was asked: a sentence for people, a status for scripts.
struct Failure: Error {
    let status: ExitStatus
    /// nil: everything was said already.
    let sentence: String?

    init(_ status: ExitStatus, _ sentence: String?) {
        self.status = status
        self.sentence = sentence
    }

    func tell() {
        if let sentence { Terminal.tell("bittern: \(sentence)") }
    }
}
