package import Subprocess

/// How a process ended. `status == 0` reads as "exited with 0".
package enum ExitStatus: Sendable, Equatable, ExpressibleByIntegerLiteral, CustomStringConvertible {
    /// The process called `exit` with this code.
    case exited(Int32)
    /// A signal of this number ended the process.
    case signaled(Int32)

    package init(integerLiteral code: Int32) {
        self = .exited(code)
    }

    package init(_ status: TerminationStatus) {
        self =
            switch status {
            case .exited(let code): .exited(code)
            case .signaled(let number): .signaled(number)
            }
    }

    package var description: String {
        switch self {
        case .exited(let code): "exited with \(code)"
        case .signaled(let number): "was ended by signal \(number)"
        }
    }
}
