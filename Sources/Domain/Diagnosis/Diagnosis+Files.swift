/// What a file system says of a file or directory, links followed.
package struct FileFacts: Sendable, Equatable {
    /// Permission bits, at most 0o7777.
    package var mode: UInt32
    /// User and group by number.
    package var owner: UInt32
    package var group: UInt32

    package init(mode: UInt32, owner: UInt32, group: UInt32) {
        self.mode = mode & 0o7777
        self.owner = owner
        self.group = group
    }

    /// Whether a user may write there, as far as it can be told without knowing their groups; nil: it cannot.
    package func mayBeWritten(by user: UInt32) -> Bool? {
        if user == 0 { return true }
        if owner == user { return mode & 0o200 != 0 }
        return letsOthersWrite ? true : nil
    }

    var letsOthersRead: Bool { mode & 0o005 != 0 }
    var letsOthersWrite: Bool { mode & 0o002 != 0 }
    package var letsGroupWrite: Bool { mode & 0o020 != 0 }
    /// As chmod(1) takes it.
    var octal: String {
        let digits = String(mode, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}

/// Who may do what with the daemon's files. A file that is not there is nil.
extension Diagnosis {
    private static let permissions = "permissions"

    /// Logs and mirrors lie in it; the daemon makes it for itself alone.
    package static func stateDirectory(_ path: String, _ facts: FileFacts?) -> Finding {
        guard let facts else {
            return Finding(.warning, permissions, "\(path) is not there yet", remedy: "the daemon makes it when it starts")
        }
        if facts.letsOthersWrite || facts.letsGroupWrite {
            return Finding(.problem, permissions, "others may write in \(path) (\(facts.octal))", remedy: "chmod 0700 \(path)")
        }
        if facts.letsOthersRead {
            return Finding(.warning, permissions, "everybody may look into \(path) (\(facts.octal))", remedy: "chmod 0700 \(path)")
        }
        return Finding(.ok, permissions, "\(path) is the daemon's (\(facts.octal))")
    }

    /// nil where there is none yet.
    package static func ledgerFile(_ path: String, _ facts: FileFacts?) -> Finding? {
        guard let facts else { return nil }
        guard facts.mode & 0o077 == 0 else {
            return Finding(.problem, permissions, "others may open the ledger \(path) (\(facts.octal))", remedy: "chmod 0600 \(path)")
        }
        return Finding(.ok, permissions, "\(path) is the daemon's (\(facts.octal))")
    }

    /// The files of the configuration and the directories they lie in: whoever may write there decides what is run.
    package static func configurationFiles(_ files: [(path: String, facts: FileFacts?)]) -> [Finding] {
        guard files.contains(where: { $0.facts != nil }) else { return [] }
        let found = files.compactMap { path, facts -> Finding? in
            guard let facts else { return nil }
            // In a directory such as /tmp nobody can replace what belongs to somebody else.
            if facts.letsOthersWrite, facts.mode & 0o1000 == 0 {
                return Finding(
                    .problem, permissions, "everybody may change \(path) (\(facts.octal)), and with it what is run",
                    remedy: "chmod o-w \(path)")
            }
            if facts.letsGroupWrite {
                return Finding(
                    .warning, permissions, "group \(facts.group) may change \(path) (\(facts.octal)), and with it what is run",
                    remedy: "chmod g-w \(path), unless that is meant")
            }
            return nil
        }
        return found.isEmpty ? [Finding(.ok, permissions, "only its owner may change the configuration")] : found
    }

    /// nil where there is none: the service manager may have handed the daemon another one.
    package static func controlSocket(_ path: String, _ facts: FileFacts?) -> Finding? {
        guard let facts else { return nil }
        // Connecting to a socket takes the right to write to it (unix(7)).
        guard !facts.letsOthersWrite else {
            return Finding(
                .problem, permissions, "everybody may give the daemon orders on \(path) (\(facts.octal))", remedy: "chmod 0660 \(path)")
        }
        return Finding(.ok, permissions, "\(path) is for its owner and group (\(facts.octal))")
    }

    /// What is live, by the ledger and by the link that says so to everybody else.
    ///
    /// - Parameter link: where `ROOT/current` leads; nil: it is not there.
    package static func live(_ release: Release, isThere: Bool, link: String?) -> Finding {
        let subject = "live release of \(release.app)"
        guard isThere else {
            return Finding(
                .problem, subject, "release \(release.id) is not on the disk: \(release.path)",
                remedy: "bittern deploy \(release.app) --commit \(release.commit.hex), or bittern deploy --all for every app")
        }
        guard let link, release.path.hasSuffix("/" + link) else {
            return Finding(
                .problem, subject, "current leads to \(link ?? "nothing"), and release \(release.id) should be live",
                remedy: "bittern rollback \(release.app) \(release.id)")
        }
        return Finding(.ok, subject, "current leads to release \(release.id)")
    }

    /// - Parameters:
    ///   - facts: of the root, or where it is not there yet of the nearest directory above it.
    ///   - user: whom the steps run as, where that is not the daemon.
    ///   - isWritable: whether whoever runs the steps may write there; nil: whoever asks cannot tell.
    package static func root(_ path: String, of app: String, user: String? = nil, _ facts: FileFacts?, isWritable: Bool?) -> Finding {
        let subject = "root of \(app)"
        let who = user.map { "user \($0)" } ?? "the daemon"
        guard let facts, isWritable != false else {
            let remedy = user.map { "chown \($0) \(path)" } ?? "give \(path) to the daemon's user: chown bittern \(path)"
            return Finding(.problem, subject, "\(who) may not write in \(path)", remedy: remedy)
        }
        if facts.letsOthersWrite, facts.mode & 0o1000 == 0 {
            return Finding(
                .problem, subject, "everybody may change what is live in \(path) (\(facts.octal))", remedy: "chmod o-w \(path)")
        }
        guard isWritable != nil else {
            return Finding(
                .warning, subject, "whether \(who) may write in \(path) cannot be told",
                remedy: user.map { "see that \($0) may, such as by its groups: ls -ld \(path)" }
                    ?? "ask while the daemon runs, or as the daemon's user")
        }
        return Finding(.ok, subject, "\(path) can be written\(user.map { " by \($0)" } ?? "")")
    }

    /// An app whose user is not there.
    package static func missingUser(_ user: String, of app: String) -> Finding {
        Finding(
            .problem, "root of \(app)", "there is no user \(user), as whom its steps are to run",
            remedy: "useradd --system --shell /usr/sbin/nologin \(user)")
    }

    /// - Parameter trouble: why the privileged runner does not answer; nil: it does.
    package static func runner(_ trouble: String?) -> Finding {
        guard let trouble else { return Finding(.ok, "runner", "it answers") }
        return Finding(
            .problem, "runner", "the runner of steps does not answer: \(trouble)",
            remedy: "systemctl start bittern-runner.socket; journalctl -u bittern-runner says more")
    }
}
