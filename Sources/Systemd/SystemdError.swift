import Glibc

/// A call of libsystemd that failed.
package struct SystemdError: Error, Equatable, CustomStringConvertible {
    /// The C function, such as `sd_listen_fds_with_names`.
    package let call: String
    /// What it returned, made positive: an `errno` value.
    package let number: CInt

    package var description: String {
        let meaning = strerror(number).map { String(cString: $0) } ?? "error \(number)"
        return "\(call): \(meaning)"
    }
}
