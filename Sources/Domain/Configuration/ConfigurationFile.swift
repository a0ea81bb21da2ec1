/// One configuration file, parsed, and where it lies.
package struct ConfigurationFile: Sendable, Equatable {
    package let tree: ConfigurationTree
    /// Absolute, without needless parts; what a relative path in the file is relative to.
    package let directory: String

    package init(tree: ConfigurationTree, directory: String) {
        self.tree = tree
        self.directory = PathText.absolute(directory, in: "/")
    }

    /// What the app of this file is called when the file does not say: `shop` for `apps.d/shop.yaml`. Not yet known to be a valid name.
    package var defaultAppName: String {
        let name = tree.position.file.split(separator: "/").last ?? ""
        return String(name.hasSuffix(".yaml") ? name.dropLast(".yaml".count) : name)
    }
}

/// What came of reading the configuration.
package struct ConfigurationReading: Sendable, Equatable {
    /// nil when there is an error. Where ``notChecked`` is not empty, the secrets it names are empty here: good for showing what was
    /// read, never for serving.
    package let configuration: Configuration?
    /// Everything that is wrong or doubtful, by file, line and column.
    package let problems: [ConfigurationProblem]
    /// Names of the credentials that could not be looked at, sorted; always empty unless the caller asked for
    /// ``UncheckedCredentials/listed``.
    package let notChecked: [String]
    /// Names of the credentials that secrets come from, sorted: systemd reads them at the start of a service, and never again.
    package let credentials: [String]

    package init(
        configuration: Configuration?, problems: [ConfigurationProblem], notChecked: [String] = [], credentials: [String] = []
    ) {
        self.credentials = credentials
        self.configuration = configuration
        self.problems = problems
        self.notChecked = notChecked
    }
}

/// What becomes of a `credential:NAME` when there is no `$CREDENTIALS_DIRECTORY` to read it from.
package enum UncheckedCredentials: Sendable {
    /// It is an error: whoever serves needs the value.
    case refused
    /// It is listed in ``ConfigurationReading/notChecked``: `bittern check` runs outside the unit.
    case listed
}
