import ArgumentParser
import Daemon
import Domain
import FoundationEssentials
import Glibc

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check the configuration and say everything that is wrong with it.",
        discussion: "Prints each problem as FILE:LINE:COLUMN and exits with 2, or says what it read and exits with 0.")

    @Argument(help: "The configuration file.")
    var file = "/etc/bittern/bittern.yaml"

    @Option(help: .hidden)
    var replay: String?

    func run() throws {
        if replay != nil { throw Failure(.failed, "bittern check --replay is not supported yet") }
        let reading = loadConfiguration(
            at: file, environment: ProcessInfo.processInfo.environment, hostName: ProcessInfo.processInfo.hostName,
            uncheckedCredentials: .listed, secretsGroup: Self.daemonGroup)
        reading.problems.forEach { Terminal.tell($0.line) }
        reading.notChecked.forEach { Terminal.print("not checked: credential \($0)") }
        guard let configuration = reading.configuration else { throw Failure(.usage, nil) }
        Terminal.print(Self.summary(of: configuration, file: file))
    }

    /// Root checks for the packaged daemon, whose group may read its secrets; anybody else for themselves.
    private static var daemonGroup: UInt32? {
        geteuid() == 0 ? getgrnam("bittern")?.pointee.gr_gid : nil
    }

    static func summary(of configuration: Configuration, file: String) -> String {
        let accounts = configuration.accounts.keys.sorted().joined(separator: ", ")
        let apps = configuration.apps.map { "\($0.name) (\($0.repository) to \($0.root))" }.joined(separator: ", ")
        return SafeText.shown("\(file) is fine; accounts: \(accounts); apps: \(apps.isEmpty ? "none" : apps)", limit: 4096)
    }
}
