/// The host itself: its clock, its disks, the programs the daemon needs, its service manager.
extension Diagnosis {
    /// Nobody's clock is right before this: 2026-01-01T00:00:00Z, in milliseconds.
    private static let earliest = Timestamp(milliseconds: 1_767_225_600_000)

    /// - Parameter isSynchronised: what the kernel says; nil: it may not be asked here, as in some containers.
    package static func clock(now: Timestamp, isSynchronised: Bool?) -> Finding {
        let subject = "clock"
        guard now >= earliest else {
            return Finding(
                .problem, subject, "the clock says \(now.rfc3339), so no certificate is valid and no token accepted",
                remedy: "set the clock: timedatectl set-ntp true")
        }
        return switch isSynchronised {
        case true?: Finding(.ok, subject, "\(now.rfc3339), kept right by the network")
        case false?:
            Finding(
                .warning, subject, "\(now.rfc3339), and nothing keeps it right",
                remedy: "timedatectl set-ntp true, or install chrony; in a container see to the host's clock")
        case nil:
            Finding(
                .warning, subject, "\(now.rfc3339); whether something keeps it right cannot be known from in here",
                remedy: "timedatectl says whether the clock is synchronised")
        }
    }

    /// What is free on a file system.
    package struct Space: Sendable, Equatable {
        /// For an ordinary user.
        package var bytes: Int
        /// How many files can still be made, of how many; 0 of 0 where the file system knows no such limit.
        package var files: Int
        package var allFiles: Int

        package init(bytes: Int, files: Int, allFiles: Int) {
            self.bytes = bytes
            self.files = files
            self.allFiles = allFiles
        }
    }

    /// - Parameters:
    ///   - path: a directory on the file system.
    ///   - least: the configuration's `min_free` in bytes.
    package static func disk(at path: String, _ space: Space?, least: Int) -> Finding {
        let subject = "disk"
        guard let space else {
            return Finding(.warning, subject, "how much is free at \(path) cannot be known", remedy: "look with: df \(path)")
        }
        let free = "\(size(space.bytes)) are free at \(path)"
        if space.bytes < least {
            return Finding(
                .problem, subject, "only \(free), and min_free wants \(size(least)): jobs wait",
                remedy: "free some, keep fewer releases (keep_releases), or lower min_free")
        }
        // A node application is some 50,000 files.
        if space.allFiles > 0, space.files < space.allFiles / 100 {
            return Finding(
                .problem, subject, "only \(space.files) more files can be made at \(path)",
                remedy: "remove files nobody needs (df -i \(path)), or make a file system with more inodes")
        }
        if space.bytes / 2 < least {
            return Finding(
                .warning, subject, "\(free); below \(size(least)) (min_free) jobs will wait", remedy: "free some, or keep fewer releases")
        }
        if space.allFiles > 0, space.files < space.allFiles / 20 {
            return Finding(
                .warning, subject, "only \(space.files) more files can be made at \(path)", remedy: "see what has so many: df -i \(path)")
        }
        return Finding(.ok, subject, free)
    }

    /// `12 MB`, whole numbers; K is 1,024.
    static func size(_ bytes: Int) -> String {
        for (unit, shift) in [("GB", 30), ("MB", 20)] where bytes >= 10 << shift { return "\(bytes >> shift) \(unit)" }
        return bytes >= 1 << 20 ? "\(bytes >> 20) MB" : "\(bytes >> 10) KB"
    }

    /// - Parameter answer: what `git --version` printed; nil: it could not be run.
    ///
    /// The credential is given to git by `GIT_CONFIG_COUNT`, which came with 2.31 (git's release notes), so an older one would ask
    /// without any. 2.39 is the oldest Bittern is tested with: Debian 12's.
    package static func git(_ answer: String?) -> Finding {
        let subject = "git"
        guard let answer, let version = ToolVersion(answer) else {
            return Finding(.problem, subject, "git cannot be run", remedy: "install git as /usr/bin/git: apt-get install git")
        }
        if version < ToolVersion(2, 31) {
            return Finding(.problem, subject, "\(version) is too old to be given credentials safely", remedy: "install git 2.39 or newer")
        }
        if version < ToolVersion(2, 39) {
            return Finding(.warning, subject, "\(version) is older than what Bittern is tested with", remedy: "install git 2.39 or newer")
        }
        return Finding(.ok, subject, "\(version)")
    }

    /// - Parameter answer: what `ssh -V` printed; nil: it could not be run.
    ///
    /// From 7.2 on an RSA key signs with SHA-2 (OpenSSH's release notes); SHA-1 is what forges no longer take.
    package static func ssh(_ answer: String?) -> Finding {
        let subject = "ssh"
        guard let answer, let version = ToolVersion(answer) else {
            return Finding(
                .problem, subject, "ssh cannot be run, and an account has an ssh_key",
                remedy: "install it: apt-get install openssh-client")
        }
        if version < ToolVersion(7, 2) {
            return Finding(
                .warning, subject, "\(version) signs with RSA keys as forges no longer accept",
                remedy: "install OpenSSH 7.2 or newer, or use an ed25519 key")
        }
        return Finding(.ok, subject, "\(version)")
    }

    /// What the service manager gave the daemon.
    ///
    /// - Parameters:
    ///   - isNotified: whether somebody waits to be told that the daemon is ready (`$NOTIFY_SOCKET`).
    ///   - hasJournal: whether its log goes to the journal.
    ///   - watchdog: within which time it must say that it is alive; nil: nobody asks.
    package static func serviceManager(isNotified: Bool, hasJournal: Bool, watchdog: Duration?) -> [Finding] {
        let subject = "systemd"
        guard isNotified || hasJournal else {
            return [
                Finding(
                    .warning, subject, "the daemon is not run by systemd: nothing starts it again, and it logs to standard error",
                    remedy: "systemctl enable --now bittern")
            ]
        }
        var findings: [Finding] = []
        if !isNotified {
            findings.append(
                Finding(
                    .warning, subject, "systemd is not told when the daemon is ready",
                    remedy: "set Type=notify and NotifyAccess=main in its unit"))
        }
        if !hasJournal {
            findings.append(
                Finding(
                    .warning, subject, "the log does not go to the journal",
                    remedy: "leave StandardError=journal in the unit; journalctl BITTERN_APP=APP then tells an app's story"))
        }
        if let watchdog {
            findings.append(Finding(.ok, subject, "a daemon that hangs is started again after \(watchdog.inWords)"))
        } else {
            findings.append(
                Finding(.warning, subject, "nobody notices a daemon that hangs", remedy: "set WatchdogSec=30s in its unit"))
        }
        return findings
    }

    /// - Parameters:
    ///   - trouble: what SQLite says is wrong with the ledger; empty: nothing.
    ///   - bytes: of the file.
    ///   - unused: bytes in the file that hold nothing any more and are used again.
    package static func database(_ path: String, trouble: [String], bytes: Int, unused: Int) -> Finding {
        let subject = "database"
        guard trouble.isEmpty else {
            return Finding(
                .problem, subject, "\(path) is damaged: \(trouble.joined(separator: "; "))",
                remedy: "stop the daemon, move it away, and put a backup in its place (bittern backup made it)")
        }
        return Finding(.ok, subject, "\(path) is whole; \(size(bytes)), of which \(size(unused)) wait to be used again")
    }

    /// - Parameter phrase: why the ledger could not even be read through and, behind a semicolon, what to do.
    package static func unreadableDatabase(_ phrase: String) -> Finding {
        Finding(problem: phrase, "database", remedy: "look at the disk (dmesg), and have a backup at hand")
    }
}

/// The first number with dots in what a program says of itself: `git version 2.39.5`, `OpenSSH_9.2p1 Debian-2`.
struct ToolVersion: Comparable, CustomStringConvertible {
    private let numbers: [Int]

    init(_ numbers: Int...) {
        self.numbers = numbers
    }

    /// nil where there is none.
    init?(_ text: String) {
        let version = text.utf8.drop { !Self.isDigit($0) }.prefix { Self.isDigit($0) || $0 == UInt8(ascii: ".") }
        let numbers = version.split(separator: UInt8(ascii: ".")).compactMap { Int(String(decoding: $0, as: UTF8.self)) }
        guard numbers.count > 1 else { return nil }
        self.numbers = numbers
    }

    static func < (left: ToolVersion, right: ToolVersion) -> Bool {
        left.numbers.lexicographicallyPrecedes(right.numbers)
    }

    var description: String { numbers.map(String.init).joined(separator: ".") }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}
