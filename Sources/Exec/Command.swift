/// A program to run: a value until somebody runs it.
package struct Command: Sendable, Equatable {
    /// Absolute path.
    package var executable: String
    package var arguments: [String]
    /// The whole environment; nothing of the daemon's own is added.
    package var environment: [String: String]
    package var directory: String?

    package init(_ executable: String, _ arguments: [String], environment: [String: String], directory: String? = nil) {
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
        self.directory = directory
    }
}
