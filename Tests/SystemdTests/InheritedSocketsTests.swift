import Glibc
import Testing

@testable import Systemd

@Suite("Sockets from the service manager")
struct InheritedSocketsTests {
    @Test("listeners are sorted by name, several of one name in their order")
    func sorted() {
        let sockets = InheritedSockets(
            [("hooks", 3), ("control", 4), ("hooks", 5)], isListening: { _ in true })
        #expect(sockets.hooks == [3, 5])
        #expect(sockets.control == [4])
        #expect(sockets.unusable.isEmpty)
    }

    @Test("another name, or something that does not listen, is reported in one line")
    func unusable() {
        let sockets = InheritedSockets(
            [("unknown", 3), ("hooks", 4), ("a\nb", 5)], isListening: { $0 != 4 })
        #expect(sockets.hooks.isEmpty && sockets.control.isEmpty)
        #expect(
            sockets.unusable == [
                .init(name: "unknown", descriptor: 3, reason: .unknownName),
                .init(name: "hooks", descriptor: 4, reason: .notListening),
                .init(name: "a\nb", descriptor: 5, reason: .unknownName),
            ])
        #expect(
            sockets.unusable.map(\.description) == [
                #"inherited descriptor 3, named "unknown", is not used: FileDescriptorName= must be "hooks" or "control""#,
                #"inherited descriptor 4, named "hooks", is not used: it is not a listening stream socket"#,
                #"inherited descriptor 5, named "a\x0ab", is not used: FileDescriptorName= must be "hooks" or "control""#,
            ])
    }

    @Test("only a stream socket after listen(2) is a listener")
    func listening() {
        let stream = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        let datagram = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue), 0)
        defer {
            close(stream)
            close(datagram)
        }
        #expect(!InheritedSockets.isListeningStreamSocket(stream))
        #expect(!InheritedSockets.isListeningStreamSocket(datagram))
        #expect(!InheritedSockets.isListeningStreamSocket(-1))
        listen(stream, 1)
        #expect(InheritedSockets.isListeningStreamSocket(stream))
    }

    // The rest set environment variables, so each runs in a process of its own.

    @Test("nothing handed over is nothing, also when it was meant for another process")
    func nothing() async {
        await #expect(processExitsWith: .success) {
            unsetenv("LISTEN_PID")
            let withoutVariables = try InheritedSockets.receive()
            setenv("LISTEN_PID", "1", 1)
            setenv("LISTEN_FDS", "1", 1)
            let ofAnother = try InheritedSockets.receive()
            let none = InheritedSockets([], isListening: { _ in true })
            #expect(withoutVariables == none && ofAnother == none)
        }
    }

    @Test("a handed over listener is found by its name, is close-on-exec, and the variables are gone")
    func handedOver() async {
        await #expect(processExitsWith: .success) {
            // Behind standard error, whichever of the standard three this process was given.
            let listener = fcntl(socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0), F_DUPFD, 3)
            listen(listener, 1)
            var received: InheritedSockets?
            // The test library closes a file on another thread now and then, and a gap is an error: then it is done again.
            for _ in 0..<100 where received == nil {
                // The kernel gives the lowest free number, so all from 3 up to the listener are open: they come along as "other".
                let names = (3..<listener).map { _ in "other" } + ["hooks"]
                setenv("LISTEN_PID", "\(getpid())", 1)
                setenv("LISTEN_FDS", "\(names.count)", 1)
                setenv("LISTEN_FDNAMES", names.joined(separator: ":"), 1)
                for number in 3..<listener where fcntl(number, F_GETFD) == -1 { dup2(listener, number) }
                received = try? InheritedSockets.receive()
            }
            let sockets = try #require(received)
            #expect(sockets.hooks == [listener])
            #expect(sockets.unusable.map(\.descriptor) == Array(3..<listener))
            #expect(fcntl(listener, F_GETFD) & FD_CLOEXEC != 0)
            for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { #expect(getenv(name) == nil) }
            let again = try InheritedSockets.receive()
            #expect(again.hooks.isEmpty)
        }
    }

    @Test("a malformed $LISTEN_FDS is an error that names the call")
    func malformed() async {
        await #expect(processExitsWith: .success) {
            setenv("LISTEN_PID", "\(getpid())", 1)
            setenv("LISTEN_FDS", "many", 1)
            let error = #expect(throws: SystemdError.self) { try InheritedSockets.receive() }
            #expect(error?.description == "sd_listen_fds_with_names: Invalid argument")
        }
    }
}
