/// A program to run: a value until somebody runs it.
package struct Command: Sendable, Equatable {
    /// Absolute path.
    package var executable: String
    package var arguments: [String]
    /// The whole environment; nothing of the daemon's own is added.
    package var environment: [String: String]
    package var directory: String?
    /// What leaves the command's session carries this mark, and is ended with the command.
    package var mark: JobMark?

    package init(
        _ executable: String, _ arguments: [String], environment: [String: String], directory: String? = nil, mark: JobMark? = nil
    ) {
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
        self.directory = directory
        self.mark = mark
    }
}
