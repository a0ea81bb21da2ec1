import Glibc

/// A system call that failed, with the reason the kernel gave.
package struct SystemFailure: Error, CustomStringConvertible {
    /// The call, as `bind`.
    package let call: String
    /// `errno` as the call left it.
    package let code: Int32

    /// Takes `errno`, so make it directly after the call that failed.
    init(_ call: String) {
        code = errno
        self.call = call
    }

    /// The other end of the connection has gone.
    var isClosedByPeer: Bool { code == EPIPE || code == ECONNRESET }

    package var description: String { "\(call): \(String(cString: strerror(code)))" }
}
