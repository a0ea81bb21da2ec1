import ArgumentParser
import ControlAPI
import Daemon
import Domain
import FoundationEssentials

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Find what is wrong on this host.",
        discussion: """
            Looks at the configuration, permissions, the clock, disks, git and ssh, asks each repository with its credentials, and looks \
            at the daemon itself. Where no daemon answers, this command looks at what can be seen without one. Exits with 1 when there \
            is a problem; a warning is none.
            """)

    @Option(help: ArgumentHelp("The configuration file to look at where no daemon runs.", valueName: "file"))
    var config = "/etc/bittern/bittern.yaml"

    @OptionGroup var options: ReadOptions

    func run() async throws {
        try Self.show(try await findings(), options)
    }

    /// - Throws: ``Failure`` where there is a problem among them.
    static func show(_ findings: [FindingReply], _ options: ReadOptions) throws {
        if options.json {
            Terminal.write(Array(try ReplyCoding.encode(findings)) + [0x0A])
        } else {
            Terminal.print(text(findings, coloured: Terminal.hasColours))
        }
        let problems = findings.count { $0.level == Finding.Level.problem.rawValue }
        guard problems == 0 else { throw Failure(.failed, "\(count(problems, "problem")); see what to do above") }
    }

    /// The daemon's own, or what can be seen in its stead.
    private func findings() async throws -> [FindingReply] {
        do {
            return try await ControlClient(options.connection, patience: nil).get(.doctor, as: [FindingReply].self)
        } catch let failure as Failure where failure.status == .noDaemon {
            let doctor = Daemon.Doctor(
                file: config, environment: ProcessInfo.processInfo.environment, hostName: ProcessInfo.processInfo.hostName,
                secretsGroup: LoadedConfiguration.daemonGroup)
            return await ([Diagnosis.noDaemon(socket: options.connection.path)] + doctor.findings()).map(FindingReply.init)
        }
    }

    /// The narrowest column of subjects that looks like one; a longer subject moves its own line.
    private static let subjectWidth = 14

    static func text(_ findings: [FindingReply], coloured: Bool) -> String {
        let lines = findings.flatMap { finding -> [String] in
            let level = padded(finding.level, 7)
            let head = (coloured ? colour(of: finding.level) + level + "\u{1B}[0m" : level) + "  "
            let subject = padded(SafeText.shown(finding.subject), subjectWidth) + "  "
            let lines = folded(SafeText.shown(finding.sentence), beside: 9 + subject.count)
            let remedy = finding.remedy.map { folded(SafeText.shown($0), beside: 11) } ?? []
            let arrow = String(repeating: " ", count: 9) + "→ "
            return [head + subject + lines[0]] + lines.dropFirst() + remedy.prefix(1).map { arrow + $0 } + remedy.dropFirst()
        }
        let counts = Finding.Level.allCases.map { level in findings.count { $0.level == level.rawValue } }
        let summary = "\(counts[0]) ok, \(count(counts[1], "warning")), \(count(counts[2], "problem"))"
        return (lines + ["", summary]).joined(separator: "\n")
    }

    /// What the window has room for in a line, and the rest below it.
    private static func folded(_ text: String, beside taken: Int) -> [String] {
        let lines = Terminal.folded(text, beside: taken)
        return lines.prefix(1) + lines.dropFirst().map { String(repeating: " ", count: taken) + $0 }
    }

    private static func colour(of level: String) -> String {
        switch Finding.Level(rawValue: level) {
        case .ok: "\u{1B}[32m"
        case .warning: "\u{1B}[33m"
        case .problem, nil: "\u{1B}[31m"
        }
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    private static func count(_ number: Int, _ thing: String) -> String {
        "\(number) \(thing)\(number == 1 ? "" : "s")"
    }
}
