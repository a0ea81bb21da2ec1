import Dispatch
import Glibc
import Synchronization
import Testing

@testable import Systemd

@Suite("What the service manager is told")
struct NotifierTests {
    /// What a notifier sends while `body` runs.
    private func messages(_ body: (Notifier) -> Void) -> [String] {
        let sent = Messages()
        body(Notifier { message in sent.all.withLock { $0.append(message) } })
        return sent.all.withLock { $0 }
    }

    private final class Messages: Sendable {
        let all = Mutex<[String]>([])
    }

    @Test("every verb is one message in the words of sd_notify(3)")
    func verbs() {
        let sent = messages {
            $0.ready(status: "0 running, 0 queued")
            $0.status("1 running, 0 queued: shop building 1a2b3c4 (38 s)")
            $0.stopping()
            $0.watchdog()
            $0.extendTimeout(microseconds: 300_000_000)
        }
        #expect(
            sent == [
                "READY=1\nSTATUS=0 running, 0 queued",
                "STATUS=1 running, 0 queued: shop building 1a2b3c4 (38 s)",
                "STOPPING=1",
                "WATCHDOG=1",
                "EXTEND_TIMEOUT_USEC=300000000",
            ])
    }

    @Test("a reload carries the monotonic time it began")
    func reload() throws {
        // Dispatch's uptime is CLOCK_MONOTONIC, too.
        let before = DispatchTime.now().uptimeNanoseconds / 1000
        let sent = messages { $0.reloading() }
        let after = DispatchTime.now().uptimeNanoseconds / 1000
        #expect(sent.count == 1)
        let lines = try #require(sent.first).split(separator: "\n")
        try #require(lines.count == 2)
        #expect(lines[0] == "RELOADING=1")
        let moment = try #require(UInt64(lines[1].replacing("MONOTONIC_USEC=", with: "")))
        #expect((before...after).contains(moment))
    }

    @Test("a status from outside stays one line and adds no assignment")
    func hostileStatus() {
        let sent = messages {
            $0.status("shop\nMAINPID=1\r\u{1b}[2J\0 \u{202e}cod\u{2028}")
            $0.ready(status: "a\nb")
        }
        #expect(
            sent == [
                #"STATUS=shop\x0aMAINPID=1\x0d\x1b[2J\x00 \u202ecod\u2028"#,
                #"READY=1"# + "\n" + #"STATUS=a\x0ab"#,
            ])
    }

    @Test("a status is at most 1 KB long and cut between characters")
    func longStatus() throws {
        let sent = messages { $0.status(String(repeating: "ü", count: 5000)) }
        let sentence = try #require(sent.first).dropFirst("STATUS=".count)
        #expect(sentence.utf8.count == 1023)
        #expect(sentence == String(repeating: "ü", count: 510) + "…")
    }

    // The next two set environment variables, so each runs in a process of its own.

    @Test("a real datagram socket named by $NOTIFY_SOCKET gets each message, and the variable stays")
    func realSocket() async {
        await #expect(processExitsWith: .success) {
            let receiver = try NotifySocket()
            setenv("NOTIFY_SOCKET", receiver.address, 1)
            Notifier().ready(status: "listening")
            Notifier().stopping()
            #expect(receiver.next() == "READY=1\nSTATUS=listening")
            #expect(receiver.next() == "STOPPING=1")
            #expect(getenv("NOTIFY_SOCKET") != nil)
        }
    }

    @Test("without $NOTIFY_SOCKET, or with nobody behind it, nothing happens")
    func silence() async {
        await #expect(processExitsWith: .success) {
            unsetenv("NOTIFY_SOCKET")
            Notifier().ready(status: "listening")
            setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1)
            Notifier().watchdog()
        }
    }
}

/// The service manager's end: an abstract datagram socket, which leaves no file behind.
private struct NotifySocket {
    private let descriptor: CInt
    /// As systemd writes it: `@` stands for the leading zero of an abstract address.
    let address: String

    init() throws {
        address = "@bittern-test-\(getpid())"
        descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue), 0)
        let length = socklen_t(MemoryLayout<sa_family_t>.size + address.utf8.count)
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &name.sun_path) { path in
            path.copyBytes(from: [0] + address.utf8.dropFirst())
        }
        let result = withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        try #require(result == 0)
    }

    /// The oldest message not yet read; nil when there is none.
    func next() -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &buffer, buffer.count, CInt(MSG_DONTWAIT))
        return count < 0 ? nil : String(decoding: buffer.prefix(count), as: UTF8.self)
    }
}
