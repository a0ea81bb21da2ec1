/// Makes a ``Configuration`` of parsed files, or says everything that speaks against it.
///
/// The main file says where the app files lie, so reading goes in two steps: ask for ``appsDirectory``, then hand over what was found
/// there. The reader opens nothing itself; what it must know of the world it asks of ``ConfigurationSurroundings``.
package struct ConfigurationReader: Sendable {
    /// Where the app files lie.
    package struct AppsDirectory: Sendable, Equatable {
        /// Absolute.
        package let path: String
        /// What to blame when it cannot be read.
        package let position: SourcePosition
    }

    private let main: ConfigurationFile
    private let surroundings: ConfigurationSurroundings
    private let uncheckedCredentials: UncheckedCredentials

    package init(
        main: ConfigurationFile, surroundings: ConfigurationSurroundings, uncheckedCredentials: UncheckedCredentials = .refused
    ) {
        self.main = main
        self.surroundings = surroundings
        self.uncheckedCredentials = uncheckedCredentials
    }

    /// `apps_directory` of the main file, or its default. nil when what is written there is no path: then there is nothing to look
    /// at, and ``read(apps:alreadyFound:)`` says why.
    package var appsDirectory: AppsDirectory? {
        guard case .mapping(let entries) = main.tree.value, let entry = entries.first(where: { $0.key == "apps_directory" }) else {
            return AppsDirectory(path: PathText.absolute("apps.d", in: main.directory), position: main.tree.position)
        }
        guard case .scalar(let text, _) = entry.value.value, !text.isEmpty, text.unicodeScalars.allSatisfy(SafeText.isHarmless) else {
            return nil
        }
        return AppsDirectory(path: PathText.absolute(text, in: main.directory), position: entry.value.position)
    }

    /// Reads everything at once and reports all problems, not only the first.
    ///
    /// - parameter apps: Those files of ``appsDirectory`` that could be parsed, in an order that stays the same.
    /// - parameter alreadyFound: What was wrong with the others. It joins the result, and any error in it is one of the result.
    package func read(apps: [ConfigurationFile], alreadyFound: [ConfigurationProblem] = []) -> ConfigurationReading {
        let findings = ConfigurationFindings(surroundings, uncheckedCredentials: uncheckedCredentials, alreadyFound: alreadyFound)
        guard let reader = MappingReader(.main, file: main, wanted: "`accounts` is missing", findings: findings) else {
            return findings.reading(nil)
        }
        let reading = reader.mainReading()
        let defaults = reader.defaults
        let apps = apps.compactMap { file in
            MappingReader(.app, file: file, wanted: "an app needs account, repository, branch and root", findings: findings)?
                .with(defaults).appReading(defaultName: file.defaultAppName, accounts: reading.accounts)
        }
        CrossChecks(
            apps: apps, stateDirectory: reading.stateDirectory, runnerRoots: reading.runner == .systemd ? reading.runnerRoots : nil,
            findings: findings
        ).run()
        if apps.isEmpty, !findings.hasErrors {
            let position = appsDirectory?.position ?? main.tree.position
            findings.warning(at: position, "no apps are configured (put APP.yaml into the apps directory)")
        }
        return findings.reading(reading.configuration(apps: apps.compactMap(\.app)))
    }
}
