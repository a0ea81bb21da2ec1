import Foundation

/// Keys, configuration and forced command for a ``GitSSHHost``.
struct GitSSHSetup {
    let directory: TemporaryDirectory
    let port: Int
    let repositories: String

    var configurationFile: String { directory.path("sshd_config") }
    var deployKey: String { directory.path("deploy_key") }
    var knownHosts: String { directory.path("known_hosts") }
    var commandLog: String { directory.path("commands.log") }
    var log: String { directory.path("sshd.log") }

    /// Makes the keys and writes all files.
    func write() async throws {
        for key in [directory.path("host_key"), deployKey] {
            try await Shell.check(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bittern-test", "-f", key])
        }
        let serve = try directory.write(forcedCommand, to: "serve", mode: 0o755)
        let deployKeyLine = try directory.read("deploy_key.pub")
        try directory.write("restrict,command=\"\(serve)\" \(deployKeyLine)", to: "authorized_keys", mode: 0o600)
        try directory.write("[127.0.0.1]:\(port) \(try directory.read("host_key.pub"))", to: "known_hosts")
        try directory.write(configuration, to: "sshd_config")
        // Debian's sshd, started as root, refuses to run without this directory, which its unit would make.
        if geteuid() == 0 { try await Shell.check(["mkdir", "-p", "-m", "0755", "/run/sshd"]) }
    }

    private var configuration: String {
        """
        Port \(port)
        ListenAddress 127.0.0.1
        HostKey \(directory.path("host_key"))
        PidFile none
        AuthorizedKeysFile \(directory.path("authorized_keys"))
        StrictModes no
        UsePAM no
        PubkeyAuthentication yes
        PasswordAuthentication no
        KbdInteractiveAuthentication no
        PermitRootLogin prohibit-password
        PermitUserRC no
        PrintMotd no
        MaxStartups 200
        LogLevel VERBOSE

        """
    }

    /// Reads what the client asked for as data, never as a command line.
    private var forcedCommand: String {
        """
        #!/bin/sh
        printf '%s\\n' "$SSH_ORIGINAL_COMMAND" >>'\(commandLog)'
        path=${SSH_ORIGINAL_COMMAND#"git-upload-pack '/"}
        path=${path%"'"}
        if [ "$SSH_ORIGINAL_COMMAND" != "git-upload-pack '/$path'" ]; then
            echo 'a deploy key may only read' >&2
            exit 1
        fi
        case $path in
        *..* | *\\'*)
            echo 'no such repository' >&2
            exit 1
            ;;
        esac
        GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 exec git upload-pack --strict '\(repositories)'/"$path"

        """
    }
}
