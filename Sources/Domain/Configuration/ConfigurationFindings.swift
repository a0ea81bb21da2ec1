/// Where everything that is found while the files are read comes together. It lives for one reading and never leaves it.
final class ConfigurationFindings {
    let surroundings: ConfigurationSurroundings
    /// Who runs the steps, as soon as that is read.
    var runner = Configuration.RunnerKind.child
    /// Whether nobody listens for hooks, as soon as that is read.
    var hooksAreOff = false
    /// Whether missed pushes are never looked for, as soon as that is read.
    var catchUpIsOff = false
    private let uncheckedCredentials: UncheckedCredentials
    private(set) var problems: [ConfigurationProblem]
    private var notChecked: Set<String> = []
    private var credentials: Set<String> = []

    init(_ surroundings: ConfigurationSurroundings, uncheckedCredentials: UncheckedCredentials, alreadyFound: [ConfigurationProblem]) {
        self.surroundings = surroundings
        self.uncheckedCredentials = uncheckedCredentials
        problems = alreadyFound
    }

    /// Whether the secrets of apps are for another process to read: then nobody looks for them here, and their values are empty.
    var leavesSecretsToRunner: Bool { runner == .systemd && !surroundings.runsUnits }

    var hasErrors: Bool { problems.contains { $0.severity == .error } }

    func error(at position: SourcePosition, _ message: String) {
        problems.append(ConfigurationProblem(.error, at: position, message))
    }

    func warning(at position: SourcePosition, _ message: String) {
        problems.append(ConfigurationProblem(.warning, at: position, message))
    }

    func uses(credential name: String) {
        credentials.insert(name)
    }

    /// A credential that cannot be looked at here. Whether that is wrong depends on who asks.
    func couldNotCheck(credential name: String, at position: SourcePosition) {
        switch uncheckedCredentials {
        case .listed:
            notChecked.insert(name)
        case .refused:
            error(
                at: position,
                "credential:\(name) cannot be read, because $CREDENTIALS_DIRECTORY is not set "
                    + "(start with systemd and LoadCredential=, or use file: or env:)"
            )
        }
    }

    /// The end of the reading: `configuration` counts only when nothing is wrong.
    func reading(_ configuration: Configuration?) -> ConfigurationReading {
        // The same thing may be found twice through an alias; a reader wants it once.
        ConfigurationReading(
            configuration: hasErrors ? nil : configuration, problems: Set(problems).sorted(), notChecked: notChecked.sorted(),
            credentials: credentials.sorted()
        )
    }
}
