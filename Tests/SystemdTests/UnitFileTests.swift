import Foundation
import Testing

@Suite("Units")
struct UnitFileTests {
    private static let analyze = "/usr/bin/systemd-analyze"
    private static let names = [
        "bittern.service", "bittern.socket", "bittern-control.socket", "bittern-runner.service", "bittern-runner.socket",
        "bittern-build.slice",
    ]
    private static let dropIn = "runner-child.conf"

    private static func text(_ name: String) throws -> String {
        let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return try String(contentsOf: repository.appending(path: "systemd/\(name)"), encoding: .utf8)
    }

    private static func lines(_ name: String) throws -> Set<String> {
        Set(try text(name).split(separator: "\n").map(String.init))
    }

    /// Copies of the units in a directory of their own; the daemon need not be installed where the tests run.
    private static func withUnits(dropIn isThere: Bool, _ body: (_ directory: URL) throws -> Void) throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "bittern-unit-\(UUID())")
        try FileManager.default.createDirectory(at: directory.appending(path: "bittern.service.d"), withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }  // a leftover in /tmp harms nobody
        for name in names + (isThere ? [dropIn] : []) {
            let text = try text(name).replacing("=/usr/bin/bittern", with: "=/bin/true")
            let place = name == dropIn ? "bittern.service.d/" + name : name
            try text.write(to: directory.appending(path: place), atomically: true, encoding: .utf8)
        }
        try body(directory)
    }

    @Test(
        "systemd-analyze verify has nothing to say about them",
        .enabled("there is no systemd-analyze on this machine") { access(analyze, X_OK) == 0 }, arguments: [true, false])
    func verify(dropIn: Bool) throws {
        try Self.withUnits(dropIn: dropIn) { directory in
            for name in Self.names {
                let result = try output(of: Self.analyze, "verify", "--man=no", directory.appending(path: name).path)
                // An unknown key is only said, not counted in the exit status.
                #expect(result.text.isEmpty)
                #expect(result.status == 0)
            }
        }
    }

    @Test(
        "systemd-analyze security finds the daemon exposed by 1.5 at most, where the builds are not its children",
        .enabled("there is no systemd-analyze on this machine") { access(analyze, X_OK) == 0 })
    func exposure() throws {
        try Self.withUnits(dropIn: false) { directory in
            // The threshold is in tenths; above it the exit status is 1.
            let result = try output(
                of: Self.analyze, "security", "--offline=yes", "--threshold=15", "--no-pager",
                directory.appending(path: "bittern.service").path)
            #expect(result.status == 0, "\(result.text)")
        }
    }

    @Test("the service holds what the contract says")
    func service() throws {
        let lines = try Self.lines("bittern.service")
        for line in [
            "Type=notify", "NotifyAccess=main", "ExecStart=/usr/bin/bittern serve --config /etc/bittern/bittern.yaml", "User=bittern",
            "Sockets=bittern.socket bittern-control.socket", "ExecReload=/usr/bin/bittern reload", "WatchdogSec=30s",
            "StateDirectory=bittern", "StateDirectoryMode=0700", "CacheDirectory=bittern", "KillMode=mixed",
            "LoadCredential=cred:/etc/bittern/credentials", "Restart=on-failure", "RestartSec=1", "RestartPreventExitStatus=2",
            "StartLimitIntervalSec=0", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict",
            "MemoryDenyWriteExecute=yes", "LogRateLimitIntervalSec=1s", "LogRateLimitBurst=100000000",
        ] {
            #expect(lines.contains(line), "\(line)")
        }
        // The control socket would no longer see who calls.
        #expect(!lines.contains { $0.hasPrefix("PrivateUsers=") })
        // It would take the control socket's node away with it.
        #expect(!lines.contains("RuntimeDirectory=bittern"))
    }

    @Test("builds that are its children may compile at run time, and write below /srv")
    func childRunner() throws {
        let lines = try Self.lines(Self.dropIn)
        for line in ["MemoryDenyWriteExecute=no", "RestrictNamespaces=no", "ReadWritePaths=-/srv", "UMask=0022", "SystemCallFilter="] {
            #expect(lines.contains(line), "\(line)")
        }
    }

    @Test("the sockets have the names by which the daemon knows them, and stay open whatever becomes of it")
    func sockets() throws {
        for (name, descriptor) in [("bittern.socket", "hooks"), ("bittern-control.socket", "control")] {
            let lines = try Self.lines(name)
            for line in ["FileDescriptorName=\(descriptor)", "Service=bittern.service", "TriggerLimitIntervalSec=0"] {
                #expect(lines.contains(line), "\(line)")
            }
        }
        #expect(try Self.lines("bittern.socket").contains("ListenStream=127.0.0.1:8470"))
        let control = try Self.lines("bittern-control.socket")
        for line in ["ListenStream=/run/bittern/control.sock", "SocketUser=root", "SocketGroup=bittern", "SocketMode=0660"] {
            #expect(control.contains(line), "\(line)")
        }
    }
}

/// What a program prints on both its outputs, and how it exits.
func output(of program: String, _ arguments: String...) throws -> (text: String, status: Int32) {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(filePath: program)
    process.arguments = arguments
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return (String(decoding: data, as: UTF8.self), process.terminationStatus)
}
