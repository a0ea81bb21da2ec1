package import Domain

/// What a reload changed.
package struct ReloadReply: Codable, Sendable, Equatable {
    package struct Names: Codable, Sendable, Equatable {
        package var added: [String]
        package var changed: [String]
        package var removed: [String]

        init(_ names: ConfigurationDifference.Names) {
            added = names.added
            changed = names.changed
            removed = names.removed
        }
    }

    package var apps: Names
    package var accounts: Names
    /// What is doubtful about the new configuration, and what of it needs a restart.
    package var warnings: [String]

    package init(_ difference: ConfigurationDifference, warnings: [String]) {
        apps = Names(difference.apps)
        accounts = Names(difference.accounts)
        self.warnings = warnings
    }
}
