import CLinux
import Glibc

/// What this process does about itself before it does something for others.
package enum OwnProcess {
    /// Keeps other processes of the same user from looking into it, and the kernel from writing it to a core file (prctl(2),
    /// PR_SET_DUMPABLE). A program that this process starts is not hidden by that.
    /// - Returns: false when the kernel refuses.
    package static func hideMemory() -> Bool { bittern_hide_memory() == 0 }

    /// A second descriptor for one of the standard three, which no child gets; -1 when there is none.
    package static func kept(_ descriptor: Int32) -> Int32 { fcntl(descriptor, F_DUPFD_CLOEXEC, 3) }

    /// Leads the standard three nowhere, so that nothing is written by accident to what they stood for.
    package static func closeStandardThree() throws(ExecError) {
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        guard null >= 0 else { throw ExecError.file("/dev/null cannot be opened") }
        defer { close(null) }
        for number in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] {
            guard dup2(null, number) == number else { throw ExecError.file("/dev/null cannot be used") }
        }
    }
}
