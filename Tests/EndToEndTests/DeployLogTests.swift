import Foundation
import RealParts
import Testing

@Suite(.fewAtOnce) struct DeployLogTests {
    @Test("log makes output harmless, and --raw gives its bytes")
    func rawAndNot() async throws {
        let said: [UInt8] = Array("a\u{1B}[31mred\u{1B}[0m\u{1B}]0;title\u{7}b\r\u{202E}c\t\u{1B}[2Jd\n".utf8) + [0xFF, 0xFE, 0x80, 0x0A]
        try await withSite(app: "build: [cat said]\n") { site in
            try Data(said).write(to: URL(filePath: site.origin.work + "/said"))
            let job = try await site.push().job
            _ = try await site.runToEnd(job)
            let binary = try BitternBinary.path()
            let raw = site.daemon.setup.path("raw")
            let command = "\(binary) log \(job) --raw --step build-1 --socket \(site.daemon.setup.controlSocket) > \(raw)"
            try await Shell.check(["sh", "-c", command])
            #expect(Array(try Data(contentsOf: URL(filePath: raw))) == said)
            let shown = try await site.daemon.run("log", "\(job)", "--step", "build-1").output
            let harmful = shown.unicodeScalars.filter { [0x07, 0x1B, 0x202E].contains($0.value) }
            #expect(harmful.isEmpty, "\(shown)")
            #expect(shown.contains("red") && shown.contains("d\n"))
        }
    }

    @Test("log -f follows a running job and exits as it does", arguments: ["true", "exit 5"])
    func follow(end: String) async throws {
        try await withSite(app: "build: ['echo first; \(Site.gate("g")); echo second; \(end)']\n") { site in
            let job = try await site.push(["a": "1"]).job
            let output = site.daemon.setup.path("followed")
            let following = try await RunningProcess.start(
                [try BitternBinary.path(), "log", "\(job)", "--follow", "--socket", site.daemon.setup.controlSocket],
                output: output,
                error: output
            )
            try await eventually("the first line") { site.lines("followed").contains("first") }
            #expect(following.exitStatus == nil && !site.lines("followed").contains("second"))
            try site.open("g")
            #expect(try await following.waitForExit() == (end == "true" ? 0 : 3))
            let text = try site.read("followed")
            #expect(text.contains("second") && text.contains(end == "true" ? "succeeded" : "exited with status 5"), "\(text)")
        }
    }

    @Test("log without -f shows what a running job has written so far")
    func soFar() async throws {
        try await withSite(app: "build: ['echo first; \(Site.gate("g"))']\n") { site in
            let job = try await site.push(["a": "1"]).job
            try await site.reached("g")
            try await eventually("the first line") { try await site.daemon.run("log", "\(job)").output.contains("first") }
            #expect(try await site.daemon.job(job).state == "running")
            try site.open("g")
            _ = try await site.runToEnd(job)
        }
    }
}
