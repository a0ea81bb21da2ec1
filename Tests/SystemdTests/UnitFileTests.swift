import Foundation
import Testing

@Suite("bittern.service")
struct UnitFileTests {
    private static let analyze = "/usr/bin/systemd-analyze"

    private func unit() throws -> String {
        let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return try String(contentsOf: repository.appending(path: "systemd/bittern.service"), encoding: .utf8)
    }

    @Test(
        "systemd-analyze verify has nothing to say about it",
        .enabled("there is no systemd-analyze on this machine") { access(analyze, X_OK) == 0 })
    func verify() throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "bittern-unit-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }  // a leftover in /tmp harms nobody
        let copy = directory.appending(path: "bittern.service")
        // The daemon need not be installed where the tests run.
        try unit().replacing("ExecStart=/usr/bin/bittern", with: "ExecStart=/bin/true").write(to: copy, atomically: true, encoding: .utf8)

        let result = try output(of: Self.analyze, "verify", "--man=no", copy.path)
        // An unknown key is only said, not counted in the exit status.
        #expect(result.text.isEmpty)
        #expect(result.status == 0)
    }

    @Test("holds what the contract says")
    func contract() throws {
        let lines = Set(try unit().split(separator: "\n").map(String.init))
        for line in [
            "Type=notify", "NotifyAccess=main", "ExecStart=/usr/bin/bittern serve --config /etc/bittern/bittern.yaml", "User=bittern",
            "StateDirectory=bittern", "StateDirectoryMode=0700", "RuntimeDirectory=bittern", "UMask=0022", "KillMode=mixed",
            "Restart=on-failure", "RestartSec=1", "StartLimitIntervalSec=0", "NoNewPrivileges=yes", "LogRateLimitIntervalSec=1s",
            "LogRateLimitBurst=100000000",
        ] {
            #expect(lines.contains(line))
        }
        // Builds run in it.
        #expect(!lines.contains { $0.hasPrefix("MemoryDenyWriteExecute=") || $0.hasPrefix("PrivateUsers=") })
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
