import Foundation
import Testing

@testable import Systemd

/// `systemd/bittern.catalog`, which `journalctl -x` shows, against the events of the code.
@Suite("Message catalog")
struct CatalogTests {
    /// What the catalog says of one event.
    private struct Entry {
        let id: String
        let head: [String]
        let body: [String]

        func header(_ name: String) -> String? {
            head.first { $0.hasPrefix(name + ": ") }.map { String($0.dropFirst(name.count + 2)) }
        }

        /// The lines that are to be typed: those that are set in.
        var commands: [String] { body.filter { $0.hasPrefix("    ") }.map { String($0.dropFirst(4)) } }

        /// `@BITTERN_APP@` as `BITTERN_APP`.
        var fields: Set<String> {
            Set((head + body).joined(separator: "\n").matches(of: /@([A-Z_]+)@/).map { String($0.output.1) })
        }
    }

    private static func entries() throws -> [Entry] {
        let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let text = try String(contentsOf: repository.appending(path: "systemd/bittern.catalog"), encoding: .utf8)
        // What stands before the first entry is for whoever writes the catalog.
        return ("\n" + text).components(separatedBy: "\n-- ").dropFirst().map { part in
            let lines = part.components(separatedBy: "\n")
            let head = lines.dropFirst().prefix { !$0.isEmpty }
            return Entry(id: lines[0], head: Array(head), body: Array(lines.dropFirst(1 + head.count)))
        }
    }

    @Test("explains every event of the code once, and no other")
    func ids() throws {
        let ids = try Self.entries().map(\.id)
        #expect(Set(ids).count == ids.count)
        #expect(Set(ids) == Set(EventID.allCases.map(\.rawValue)))
    }

    @Test("says of each event what happened, what it means and which command comes next", arguments: EventID.allCases)
    func entry(event: EventID) throws {
        let entry = try #require(try Self.entries().first { $0.id == event.rawValue })
        #expect(entry.header("Subject")?.isEmpty == false)
        #expect(entry.header("Defined-By") == "Bittern")
        #expect(entry.header("Documentation")?.hasPrefix("man:") == true)
        #expect(entry.body.contains { !$0.isEmpty && !$0.hasPrefix(" ") }, "it does not say what that means")
        #expect(entry.commands.contains { $0.hasPrefix("bittern ") || $0.hasPrefix("journalctl ") })
        for command in entry.commands {
            #expect(["bittern", "journalctl", "systemctl"].contains(command.split(separator: " ").first), "\(command)")
        }
        for line in entry.head + entry.body { #expect(line.utf8.count <= 90, "too long below a line of the journal: \(line)") }
    }

    /// journalctl leaves a field that an entry lacks as it is written, so only those may stand there that Reporter always gives.
    @Test("speaks only of fields that every entry of the event has", arguments: EventID.allCases)
    func fields(event: EventID) throws {
        let entry = try #require(try Self.entries().first { $0.id == event.rawValue })
        let known: Set<String> =
            switch event {
            case .deliveryRefused: ["BITTERN_REMOTE"]
            case .jobQueued, .jobSuperseded: ["BITTERN_APP", "BITTERN_JOB"]
            case .jobStarted, .jobSucceeded, .jobFailed, .jobSkipped, .jobCancelled, .releaseActivated, .rolledBack, .missedPushFound:
                ["BITTERN_APP", "BITTERN_JOB", "BITTERN_COMMIT"]
            case .configurationReloaded, .configurationRefused: []
            }
        #expect(entry.fields.isSubset(of: known), "\(entry.fields.subtracting(known))")
    }

    @Test("is a catalog as journalctl reads it", .enabled("there is no journalctl on this machine") { access(journalctl, X_OK) == 0 })
    func compiled() throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "bittern-catalog-\(UUID())")
        defer { try? FileManager.default.removeItem(at: root) }  // a leftover in /tmp harms nobody
        let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let directory = root.appending(path: "usr/lib/systemd/catalog")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try FileManager.default.createDirectory(at: root.appending(path: "var/lib/systemd/catalog"), withIntermediateDirectories: true)
        try FileManager.default.copyItem(
            at: repository.appending(path: "systemd/bittern.catalog"), to: directory.appending(path: "bittern.catalog"))

        let result = try output(of: Self.journalctl, "--root=\(root.path)", "--update-catalog")
        #expect(result.text.isEmpty)
        #expect(result.status == 0)
        let database = try Data(contentsOf: root.appending(path: "var/lib/systemd/catalog/database"))
        #expect(database.range(of: Data("Subject: Job @BITTERN_JOB@ of @BITTERN_APP@ was queued".utf8)) != nil)
    }

    private static let journalctl = "/usr/bin/journalctl"
}
