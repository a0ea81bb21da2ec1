import ArgumentParser
import Daemon
import FoundationEssentials
import Glibc
import Runner

/// For the service manager alone.
struct RunnerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "runner", abstract: "Start steps as units, with root's rights; started by bittern-runner.socket.", shouldDisplay: false
    )

    @Option(help: ArgumentHelp("The configuration file.", valueName: "file"))
    var config = "/etc/bittern/bittern.yaml"

    @Option(help: ArgumentHelp("Who may ask for steps, besides root.", valueName: "name"))
    var user = "bittern"

    @Flag(help: "List what would be run, and end: app, user, root and the hash of its configuration.")
    var list = false

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        if list {
            let host = ProcessInfo.processInfo.hostName
            do {
                return try RunnerService.list(configuration: config, environment: environment, hostName: host).forEach {
                    Terminal.print($0)
                }
            } catch {
                throw Failure(.usage, "\(error)")
            }
        }
        signal(SIGPIPE, SIG_IGN)
        umask(0o022)
        do {
            try RunnerService(
                configuration: config, daemonUser: user, environment: environment, hostName: ProcessInfo.processInfo.hostName,
                logger: Assembly.bootstrapLogging(environment: environment, verbose: false)
            ).run()
        } catch {
            throw Failure(.failed, "\(error)")
        }
    }
}
