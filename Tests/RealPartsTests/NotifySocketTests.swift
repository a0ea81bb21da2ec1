import RealParts
import Testing

@Suite struct NotifySocketTests {
    @Test("what systemd-notify sends is received")
    func systemdNotify() async throws {
        try await withNotifySocket { socket in
            try await Shell.check(["systemd-notify", "--ready", "--status=up and running"], environment: ["NOTIFY_SOCKET": socket.path])
            let message = try await socket.wait(for: "READY=1")
            #expect(message.contains("STATUS=up and running"))
            #expect(socket.lines.contains("READY=1"))
        }
    }

    @Test("a wait that began before the message came gets it, and one for an older one skips it")
    func waits() async throws {
        try await withNotifySocket { socket in
            async let first = socket.wait("a count", within: .seconds(10)) { $0.hasPrefix("STATUS=") }
            try await notify("STATUS=1", socket)
            let message = try await first
            #expect(message.hasPrefix("STATUS=1"))
            try await notify("READY=1", socket)
            try await socket.wait(for: "READY=1")
            let count = socket.messages.count
            await #expect(throws: TimeLimitExceeded.self) {
                try await socket.wait(for: "READY=1", skipping: count, within: .milliseconds(50))
            }
            try await notify("READY=1", socket)
            try await socket.wait(for: "READY=1", skipping: count)
        }
    }

    private func notify(_ line: String, _ socket: NotifySocket) async throws {
        try await Shell.check(["systemd-notify", line], environment: ["NOTIFY_SOCKET": socket.path])
    }

    private func withNotifySocket(_ body: (NotifySocket) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            try await body(NotifySocket(path: directory.path("notify.sock")))
        }
    }
}
