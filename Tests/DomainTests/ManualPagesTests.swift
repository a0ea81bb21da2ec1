import Foundation
import Testing

@testable import Domain

/// bittern.yaml(5) and bittern-app(5) against the keys that are read.
@Suite("The manual of the configuration")
struct ManualPagesTests {
    /// The headings under which the keys of a place stand.
    private static let headings: [ConfigurationPlace: Set<String>] = [
        .main: ["Top level"],
        .hooks: ["hooks"],
        .tls: ["hooks.tls"],
        .control: ["control"],
        .retention: ["retention"],
        .account: ["accounts.NAME"],
        .auth: ["accounts.NAME.auth"],
        .oauth: ["accounts.NAME.auth.oauth"],
        .app: ["Where it comes from", "Which pushes", "The release", "Commands and their surroundings", "Limits and order"],
        .step: ["Steps"],
        .health: ["health"],
        .limits: ["limits"],
        .notify: ["notify"],
    ]

    @Test("every key has its entry, and every entry is a key", arguments: headings.keys.sorted { $0.rawValue < $1.rawValue })
    func keys(place: ConfigurationPlace) throws {
        let entries = try Self.entries(of: place)
        let keys = entries.map(\.key)
        #expect(Set(place.keys).subtracting(keys).sorted() == [], "not in the manual")
        #expect(Set(keys).subtracting(place.keys).sorted() == [], "not in the configuration")
        #expect(keys.count == Set(keys).count, "told of twice: \(keys)")
    }

    @Test("no entry stands where no place is looked for")
    func noStrayEntries() throws {
        let known = Self.headings.values.reduce(into: Set()) { $0.formUnion($1) }
        for page in ["bittern.yaml.5", "bittern-app.5"] {
            for entry in try Self.entries(in: page) { #expect(known.contains(entry.heading), "\(entry.key) under \(entry.heading)") }
        }
    }

    @Test("every place but defaults has its headings, and defaults names the keys that it cannot hold")
    func places() throws {
        #expect(Set(Self.headings.keys) == Set(ConfigurationPlace.allCases).subtracting([.defaults]))
        let defaults = try #require(try Self.entries(of: .main).first { $0.key == "defaults" })
        for key in ConfigurationPlace.app.keys {
            let isNamed = defaults.text.contains { $0 == ".Ic \(key)" || $0.hasPrefix(".Ic \(key) ") }
            #expect(isNamed == !ConfigurationPlace.defaults.keys.contains(key), "\(key)")
        }
    }

    @Test("what the reader refuses is marked as not supported yet, and nothing else")
    func notSupportedYet() throws {
        for place in Self.headings.keys {
            let refused = NotSupportedYet.entries[place] ?? []
            let keys = Set(refused.map { String($0.prefix { $0 != ":" }) })
            for entry in try Self.entries(of: place) {
                let isMarked = entry.text.joined(separator: " ").lowercased().contains("not supported yet")
                #expect(isMarked == keys.contains(entry.key), "\(entry.key) of \(place)")
            }
        }
    }

    // MARK: -

    private struct Entry {
        let heading: String
        let key: String
        /// Its lines up to the next entry or heading.
        var text: [String] = []
    }

    private static func entries(of place: ConfigurationPlace) throws -> [Entry] {
        let wanted = try #require(headings[place])
        let all = try entries(in: "bittern.yaml.5") + entries(in: "bittern-app.5")
        return all.filter { wanted.contains($0.heading) }
    }

    /// `.It Ic KEY : …` below `.Sh` or `.Ss`.
    private static func entries(in page: String) throws -> [Entry] {
        var entries: [Entry] = []
        var heading = ""
        var isInEntry = false
        for line in try text(of: page).split(separator: "\n").map(String.init) {
            if line.hasPrefix(".Sh ") || line.hasPrefix(".Ss ") {
                heading = String(line.dropFirst(4))
                isInEntry = false
            } else if line.hasPrefix(".It Ic ") {
                entries.append(Entry(heading: heading, key: String(line.dropFirst(7).prefix { $0 != " " })))
                isInEntry = true
            } else if isInEntry {
                entries[entries.count - 1].text.append(line)
            }
        }
        return entries
    }

    private static func text(of page: String) throws -> String {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return try String(contentsOf: root.appending(path: "packaging/man/" + page), encoding: .utf8)
    }
}
