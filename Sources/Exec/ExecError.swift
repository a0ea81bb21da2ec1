import Glibc

/// Why something outside could not be done.
package struct ExecError: Error, CustomStringConvertible {
    package enum Code: Sendable, Equatable {
        /// A directory, file or link could not be made, read or replaced.
        case file
        /// A process could not be started or watched.
        case process
        /// git said no.
        case git
    }

    package let code: Code
    /// One phrase with the cause, fit for a job's reason.
    package let phrase: String

    package var description: String { phrase }

    init(_ code: Code, _ phrase: String) {
        self.code = code
        self.phrase = phrase
    }

    /// The cause is `errno` as it stands: make it before anything else is called.
    static func file(_ what: String) -> ExecError {
        file(what, errno)
    }

    static func file(_ what: String, _ number: Int32) -> ExecError {
        ExecError(.file, "\(what): \(String(cString: strerror(number)))")
    }
}
