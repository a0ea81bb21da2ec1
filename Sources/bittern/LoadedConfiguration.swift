import Daemon
import Domain
import FoundationEssentials
import Glibc
import Settings

/// A configuration that is read by the CLI itself, not by the daemon.
enum LoadedConfiguration {
    /// - Throws: ``Failure`` when it has problems, which are printed then.
    static func read(_ file: String) throws -> Configuration {
        let reading = reading(of: file)
        reading.problems.forEach { Terminal.tell($0.line) }
        guard let configuration = reading.configuration else {
            throw Failure(.usage, "\(SafeText.shown(file)) cannot be used; correct what is listed above")
        }
        return configuration
    }

    static func reading(of file: String) -> ConfigurationReading {
        loadConfiguration(
            at: file, environment: ProcessInfo.processInfo.environment, hostName: ProcessInfo.processInfo.hostName,
            uncheckedCredentials: .listed, secretsGroup: daemonGroup)
    }

    /// Root checks for the packaged daemon, whose group may read its secrets; anybody else for themselves.
    static var daemonGroup: UInt32? {
        geteuid() == 0 ? getgrnam("bittern")?.pointee.gr_gid : nil
    }
}
