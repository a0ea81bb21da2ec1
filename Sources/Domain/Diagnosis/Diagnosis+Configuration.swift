extension Diagnosis {
    /// More problems of one reading are counted and not listed; `bittern check` has them all.
    static let listedProblems = 20

    /// What the files on disk say now.
    ///
    /// - Parameters:
    ///   - file: the main file, as it was named.
    ///   - loaded: what the daemon runs with; nil: no daemon runs.
    package static func configuration(file: String, _ reading: ConfigurationReading, loaded: Configuration?) -> [Finding] {
        let subject = "configuration"
        var findings = reading.problems.prefix(listedProblems).map { problem in
            Finding(
                problem.severity == .error ? .problem : .warning, subject, problem.line, remedy: "correct it, then: bittern check \(file)")
        }
        let more = reading.problems.count - findings.count
        if more > 0 {
            let level: Finding.Level = reading.configuration == nil ? .problem : .warning
            findings.append(Finding(level, subject, "\(more) more of the same kind", remedy: "bittern check \(file) lists them all"))
        }
        guard let configuration = reading.configuration else {
            if loaded != nil {
                let sentence = "the daemon goes on with what it read before, and would not start again"
                findings.append(Finding(.warning, subject, sentence, remedy: "correct the files before the next reload or restart"))
            }
            return findings
        }
        if !reading.notChecked.isEmpty {
            let names = reading.notChecked.joined(separator: ", ")
            findings.append(
                Finding(
                    .warning, subject, "not checked: credential \(names)",
                    remedy: "only the daemon is given them; ask again while it runs"))
        }
        if let loaded, loaded != configuration {
            findings.append(
                Finding(
                    .warning, subject, "the files on disk say something else than what the daemon runs with",
                    remedy: "bittern reload; credentials, sockets and state_directory want: systemctl restart bittern"))
        }
        let counts = "\(count(configuration.accounts.count, "account")), \(count(configuration.apps.count, "app"))"
        return [Finding(.ok, subject, "\(file) can be read: \(counts)")] + findings
    }

    /// Nobody answers on the control socket.
    package static func noDaemon(socket: String) -> Finding {
        Finding(
            .problem, "daemon", "the daemon does not run (nobody answers on \(socket))",
            remedy: "systemctl start bittern; journalctl --unit=bittern says why it ended")
    }

    package static func daemon(version: String, startedAt: Timestamp) -> Finding {
        Finding(.ok, "daemon", "bittern \(version) runs since \(startedAt.rfc3339)")
    }

    static func count(_ number: Int, _ thing: String) -> String {
        "\(number) \(thing)\(number == 1 ? "" : "s")"
    }
}
