import ArgumentParser
import Daemon
import Domain
import FoundationEssentials
import Glibc

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Run the daemon.")

    @Option(help: ArgumentHelp("The configuration file.", valueName: "file"))
    var config = "/etc/bittern/bittern.yaml"

    @Flag(help: "Log more: what is only of interest while something is being looked for.")
    var verbose = false

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let source = ConfigurationSource(file: config, environment: environment, hostName: ProcessInfo.processInfo.hostName)
        let reading = source.read()
        reading.problems.forEach { Terminal.tell($0.line) }
        guard let configuration = reading.configuration else {
            throw Failure(.usage, "\(config) cannot be used; correct what is listed above and try again")
        }
        // Whoever closes a pipe or socket early is told so by the call that writes to it.
        signal(SIGPIPE, SIG_IGN)
        // Until somebody listens for it, it would end the process.
        signal(SIGHUP, SIG_IGN)
        umask(0o022)
        let logger = Assembly.bootstrapLogging(environment: environment, verbose: verbose)
        do {
            try await Assembly(configuration: configuration, source: source, version: Bittern.version, logger: logger).run()
        } catch {
            throw Failure(.failed, "\(error)")
        }
    }
}
