import Foundation
import Testing

/// What each room may import, the whole list: a build alone would let anything in the transitive closure pass.
private let allowedImports: [String: Set<String>] = [
    "Domain": ["Crypto", "FoundationEssentials"],
    "Providers": ["Domain", "FoundationEssentials"],
    "ControlAPI": ["Domain", "FoundationEssentials"],
    "Storage": ["CSQLite", "Domain", "FoundationEssentials", "GRDB", "GRDBSQLite", "Glibc", "Synchronization"],
    "RunnerAPI": ["Domain", "FoundationEssentials"],
    "Exec": ["CLinux", "Dispatch", "Domain", "FoundationEssentials", "Glibc", "Subprocess", "Synchronization", "SystemPackage"],
    "Systemd": ["CSystemd", "Dispatch", "FoundationEssentials", "Glibc", "Logging", "Synchronization"],
    "Settings": ["Domain", "Exec", "Glibc", "Yams"],
    "Runner": [
        "CLinux", "Dispatch", "Domain", "Exec", "FoundationEssentials", "Glibc", "Logging", "RunnerAPI", "Settings", "Synchronization",
        "Systemd",
    ],
    "Daemon": [
        "ControlAPI", "Domain", "Exec", "Providers", "RunnerAPI", "Settings", "Storage", "Synchronization", "Systemd",
        "FoundationEssentials", "Glibc",
        "Synchronization",
        "AsyncHTTPClient", "CoreMetrics", "HTTPTypes", "Hummingbird", "HummingbirdCore", "Logging", "NIOCore",
        "NIOExtras", "NIOHTTP1", "NIOPosix", "NIOSSL", "ServiceLifecycle", "UnixSignals",
    ],
    "bittern": [
        "ControlAPI", "Daemon", "Dispatch", "Domain", "Exec", "Runner", "Settings", "ArgumentParser", "AsyncHTTPClient",
        "FoundationEssentials",
        "Glibc",
        "NIOCore",
        "NIOHTTP1",
    ],
]

@Suite("The walls between the rooms")
struct ImportTests {
    @Test("a room imports only what its list allows", arguments: allowedImports.keys.sorted())
    func onlyAllowedImports(room: String) throws {
        let allowed = try #require(allowedImports[room])
        let files = Tree.swiftFiles(below: "Sources/" + room)
        #expect(!files.isEmpty)
        for file in files {
            let found = Self.imports(in: try Tree.text("Sources/\(room)/\(file)"))
            #expect(found.subtracting(allowed).isEmpty, "Sources/\(room)/\(file)")
        }
    }

    @Test("every room with Swift code has a list")
    func everyRoomHasAList() throws {
        let rooms = try FileManager.default.contentsOfDirectory(atPath: Tree.root.appending(path: "Sources").path)
        let withCode = rooms.filter { !Tree.swiftFiles(below: "Sources/" + $0).isEmpty }
        #expect(Set(withCode) == Set(allowedImports.keys))
    }

    @Test("an import is found whatever stands before it")
    func importsAreFound() {
        let text = "package import Domain\nimport Glibc // why\n@preconcurrency import struct NIOCore.ByteBuffer\nlet import_ = 1\n"
        #expect(Self.imports(in: text) == ["Domain", "Glibc", "NIOCore"])
    }

    @Test("Domain and Providers know no clock and draw no random numbers", arguments: ["Domain", "Providers"])
    func noClockInPureRooms(room: String) throws {
        for file in Tree.swiftFiles(below: "Sources/" + room) {
            let text = try Tree.text("Sources/\(room)/\(file)")
            for word in ["Date()", "Date.now", "Clock.now", "UUID()", ".random(", "getenv(", "ProcessInfo"] {
                #expect(!text.contains(word), "\(word) in Sources/\(room)/\(file)")
            }
        }
    }

    @Test("no file is named for nothing in particular")
    func namesSaySomething() {
        for file in Tree.swiftFiles(below: "Sources") {
            for word in ["Util", "Helper", "Manager", "Common", "Misc"] { #expect(!file.contains(word), "\(file)") }
        }
    }

    private static func imports(in text: String) -> Set<String> {
        let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias", "actor"]
        let modules = text.split(whereSeparator: \.isNewline).compactMap { line -> String? in
            let words = line.split(separator: " ")
            guard let index = words.firstIndex(of: "import"), words[..<index].allSatisfy({ $0.hasPrefix("@") || accessLevels.contains($0) })
            else { return nil }
            let name = words[(index + 1)...].first { !kinds.contains($0) }
            return name?.split(separator: ".").first.map(String.init)
        }
        return Set(modules)
    }

    private static let accessLevels: Set<Substring> = ["public", "package", "internal", "fileprivate", "private"]
}
