/// Where something stands in a configuration file; lines and columns count from 1.
package struct SourcePosition: Sendable, Hashable, Comparable {
    /// The path as the user named it.
    package let file: String
    package let line: Int
    package let column: Int

    package init(file: String, line: Int, column: Int) {
        self.file = file
        self.line = line
        self.column = column
    }

    package static func < (left: SourcePosition, right: SourcePosition) -> Bool {
        (left.file, left.line, left.column) < (right.file, right.line, right.column)
    }
}

/// A parsed configuration file before anybody has asked what it means: every scalar is the text as written, every key is kept,
/// also one that is given twice.
package struct ConfigurationTree: Sendable, Equatable {
    package indirect enum Value: Sendable, Equatable {
        /// A plain empty scalar (`branch:` with nothing behind it) has `written` false; `""` has it true.
        case scalar(String, written: Bool)
        case sequence([ConfigurationTree])
        case mapping([Entry])
    }

    package struct Entry: Sendable, Equatable {
        package let key: String
        package let keyPosition: SourcePosition
        package let value: ConfigurationTree

        package init(key: String, keyPosition: SourcePosition, value: ConfigurationTree) {
            self.key = key
            self.keyPosition = keyPosition
            self.value = value
        }
    }

    package let value: Value
    package let position: SourcePosition

    package init(_ value: Value, at position: SourcePosition) {
        self.value = value
        self.position = position
    }
}

/// One thing that is wrong, or doubtful, in the configuration.
package struct ConfigurationProblem: Sendable, Hashable, Comparable {
    package enum Severity: String, Sendable, Comparable {
        case error
        case warning

        package static func < (left: Severity, right: Severity) -> Bool {
            left == .error && right == .warning
        }
    }

    package let position: SourcePosition
    package let severity: Severity
    /// What is wrong and, in parentheses, what would be right. No full stop.
    package let message: String

    package init(_ severity: Severity = .error, at position: SourcePosition, _ message: String) {
        self.position = position
        self.severity = severity
        self.message = message
    }

    package static func < (left: ConfigurationProblem, right: ConfigurationProblem) -> Bool {
        (left.position, left.severity, left.message) < (right.position, right.severity, right.message)
    }

    /// `FILE:LINE:COLUMN: error: MESSAGE`
    package var line: String {
        "\(position.file):\(position.line):\(position.column): \(severity.rawValue): \(SafeText.shown(message))"
    }
}

/// What the reader must ask of the world while it checks; a test answers from a dictionary.
package struct ConfigurationSurroundings: Sendable {
    package enum FileKind: Sendable, Equatable { case file, directory, symbolicLink, other }

    /// One answer about a secret's source.
    package enum SecretAnswer: Sendable, Equatable {
        case value(Secret, path: String?)
        /// `$CREDENTIALS_DIRECTORY` is unset, so a `credential:` cannot be read here.
        case notChecked
        /// One phrase that says what is wrong and what would be right.
        case problem(String)
    }

    /// Reads `credential:NAME`, `file:PATH` (absolute here) or `env:NAME`; one trailing newline already removed.
    package var secret: @Sendable (SecretReference) -> SecretAnswer
    /// What is at an absolute path, without following a final link; nil: nothing.
    package var fileKind: @Sendable (String) -> FileKind?
    package var hostName: String
    /// `$STATE_DIRECTORY`, when the service manager gave one.
    package var stateDirectory: String?
    /// Whether whoever reads it runs steps in units of their own.
    package var runsUnits = false

    package init(
        secret: @escaping @Sendable (SecretReference) -> SecretAnswer,
        fileKind: @escaping @Sendable (String) -> FileKind?,
        hostName: String,
        stateDirectory: String?
    ) {
        self.secret = secret
        self.fileKind = fileKind
        self.hostName = hostName
        self.stateDirectory = stateDirectory
    }
}

/// Where a secret comes from.
package enum SecretReference: Sendable, Hashable {
    case credential(String)
    /// An absolute path.
    case file(String)
    case environment(String)
}
