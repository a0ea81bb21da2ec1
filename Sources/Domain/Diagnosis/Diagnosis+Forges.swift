/// The way to the forges, and theirs to the daemon.
extension Diagnosis {
    /// A repository as several apps may use it, and the branches they name one by one.
    package struct Repository: Sendable, Equatable {
        package var cloneURL: String
        /// At least one, by name.
        package var apps: [String]
        package var branches: [RefName]

        package init(cloneURL: String, apps: [String], branches: [RefName]) {
            self.cloneURL = cloneURL
            self.apps = apps
            self.branches = branches
        }

        var subject: String { "repository of \(apps.joined(separator: ", "))" }
    }

    /// What asking a repository came to.
    package enum RepositoryAnswer: Sendable, Equatable {
        /// It has these branches, out of those it was asked for.
        case heads([RefName: CommitID])
        /// A phrase with the cause and, behind a semicolon, what to do.
        case refused(String)
        /// Whoever asks has not the credentials the daemon has.
        case notAsked
    }

    package static func repository(_ repository: Repository, _ answer: RepositoryAnswer) -> Finding {
        let subject = repository.subject
        switch answer {
        case .heads(let heads):
            let missing = repository.branches.filter { heads[$0] == nil }.map(\.shortName)
            guard missing.isEmpty else {
                return Finding(
                    .warning, subject, "\(repository.cloneURL) answers, and has no branch \(missing.joined(separator: ", "))",
                    remedy: "push it, or correct branch in the app's file")
            }
            let found = repository.branches.compactMap { ref in heads[ref].map { ", \(ref.shortName) is at \($0.short)" } }
            return Finding(.ok, subject, "\(repository.cloneURL) answers" + found.joined())
        case .refused(let phrase):
            return Finding(
                problem: phrase, subject, remedy: "look at the address, the network and the account's auth, then ask again: bittern doctor")
        case .notAsked:
            return Finding(
                .warning, subject, "\(repository.cloneURL) was not asked: only the daemon is given the credentials",
                remedy: "ask again while the daemon runs")
        }
    }

    /// A host git reaches by ssh.
    package struct SSHHost: Sendable, Hashable {
        package let host: String
        package let port: Int

        /// nil where the address is none of ssh.
        package init?(cloneURL: String) {
            guard let address = WebAddress(cloneURL), address.scheme == "ssh", !address.host.isEmpty else { return nil }
            host = address.host
            port = address.port ?? 22
        }

        /// As known_hosts names it (sshd(8)).
        package var name: String { port == 22 ? host : "[\(host)]:\(port)" }
    }

    /// Whether ssh will know a server.
    package enum HostKeyAnswer: Sendable, Equatable { case known, unknown, noFile }

    /// - Parameter file: where keys of known servers are; the one of `known_hosts`, or the daemon's user's.
    package static func knownHosts(_ host: SSHHost, file: String, _ answer: HostKeyAnswer) -> Finding {
        let subject = "known_hosts"
        let scan = "ssh-keyscan" + (host.port == 22 ? "" : " -p \(host.port)") + " \(host.host) >> \(file)"
        let remedy = "\(scan), then compare its fingerprints (ssh-keygen -l -f \(file)) with those the forge publishes"
        return switch answer {
        case .known: Finding(.ok, subject, "\(file) has \(host.name)")
        case .unknown: Finding(.problem, subject, "\(file) has no key of \(host.name), so git will not talk to it", remedy: remedy)
        case .noFile:
            Finding(.problem, subject, "\(file) is not there, so git will not talk to \(host.name)", remedy: remedy)
        }
    }

    /// What the hooks listener says when it is asked whether all is well.
    package enum ListenerAnswer: Sendable, Equatable {
        /// An HTTP status.
        case status(Int)
        /// Why there was no answer.
        case none(String)
    }

    package static func hooks(_ address: String, _ answer: ListenerAnswer) -> Finding {
        let subject = "hooks"
        return switch answer {
        case .status(200): Finding(.ok, subject, "\(address) answers")
        case .status(503):
            Finding(
                .problem, subject, "\(address) answers 503: deliveries cannot be stored",
                remedy: "see the disk and the database in this list, and: journalctl --unit=bittern")
        case .status(let status):
            Finding(
                .problem, subject, "\(address) answers \(status), wanted 200",
                remedy: "see whether another program took the address: ss -ltnp")
        case .none(let why):
            Finding(.problem, subject, "\(address) does not answer: \(why)", remedy: "systemctl restart bittern")
        }
    }

    package static func publicURL(_ url: String?) -> Finding {
        guard let url else {
            return Finding(
                .warning, "hooks", "public_url is not set, so nobody can be told where the forge is to send its hooks",
                remedy: "set public_url to the address by which the forge reaches the listener")
        }
        return Finding(.ok, "hooks", "the forge is to send them to \(url)/hooks/ACCOUNT")
    }
}
