import CLinux
package import Domain
import Glibc

/// What the host says of itself, for whoever looks for trouble; nothing is changed.
package enum HostFacts {
    /// How long a program that only says its version, or looks into a file, may take.
    private static let patience: Duration = .seconds(10)

    /// Whether something keeps the clock right; nil: the kernel does not tell.
    package static var clockIsSynchronised: Bool? {
        switch bittern_clock_is_synchronised() {
        case 1: true
        case 0: false
        // A sandbox may forbid the question; systemd-timesyncd leaves its word in a file (systemd-timesyncd.service(8)).
        default: access("/run/systemd/timesync/synchronized", F_OK) == 0 ? true : nil
        }
    }

    /// Of what is at `path`, links followed; nil: nothing, or nothing this user may see.
    package static func file(_ path: String) -> FileFacts? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return FileFacts(mode: status.st_mode, owner: status.st_uid, group: status.st_gid)
    }

    /// The number of a user; nil: there is none of the name.
    package static func user(_ name: String) -> UInt32? { SystemUser(name)?.user }

    /// `path`, or where it is not there the nearest directory above it that is.
    package static func nearest(_ path: String) -> String {
        var path = path
        while access(path, F_OK) != 0, errno == ENOENT, let slash = path.lastIndex(of: "/") {
            path = slash == path.startIndex ? "/" : String(path[..<slash])
        }
        return path
    }

    /// Whether this process would see what is in a directory; also where there is none.
    package static func mayLookInto(_ path: String) -> Bool {
        faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 || errno == ENOENT
    }

    /// Whether this process may make and remove files in a directory.
    package static func mayWrite(in path: String) -> Bool {
        faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) == 0
    }

    /// What tells one file system from another; nil when `path` cannot be seen.
    package static func device(of path: String) -> UInt64? {
        var status = stat()
        return stat(path, &status) == 0 ? UInt64(status.st_dev) : nil
    }

    /// nil when nobody can tell.
    package static func space(at path: String) -> Diagnosis.Space? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        return Diagnosis.Space(
            bytes: Int(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize)), files: Int(clamping: UInt64(status.f_favail)),
            allFiles: Int(clamping: UInt64(status.f_files)))
    }

    /// What `git --version` prints; nil: it cannot be run.
    package static func gitVersion() async -> String? {
        await answer(of: Command(GitCommand.executable, ["--version"], environment: environment))
    }

    /// What `ssh -V` prints, of the ssh that git would find; nil: it cannot be run.
    package static func sshVersion() async -> String? {
        await answer(of: Command("/usr/bin/env", ["ssh", "-V"], environment: environment))
    }

    /// Whether one of the files has a key of the server.
    package static func hostKey(_ host: Diagnosis.SSHHost, in files: [String]) async -> Diagnosis.HostKeyAnswer {
        let files = files.filter { access($0, R_OK) == 0 }
        for file in files {
            let command = Command("/usr/bin/env", ["ssh-keygen", "-F", host.name, "-f", file], environment: environment)
            if await answer(of: command) != nil { return .known }
        }
        return files.isEmpty ? .noFile : .unknown
    }

    /// Where ssh looks for the keys of servers on behalf of a user, when it is told of no other place (ssh_config(5)).
    package static func knownHostsFiles(ofUser user: UInt32) -> [String] {
        let home = getpwuid(user).map { String(cString: $0.pointee.pw_dir) }
        return (home.map { ["\($0)/.ssh/known_hosts"] } ?? []) + ["/etc/ssh/ssh_known_hosts"]
    }

    private static let environment = ["PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"]

    /// What it printed; nil when it could not be run, failed, or took too long.
    private static func answer(of command: Command) async -> String? {
        guard let run = try? await GitRun.run(command, within: patience), run.outcome == .succeeded else { return nil }
        return run.text
    }
}
