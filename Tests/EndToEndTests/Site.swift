import Foundation
import RealParts
import Testing

/// A running daemon that deploys the repository `acme/shop` of a Cloud account as app `shop`, and that repository.
struct Site: Sendable {
    let daemon: BitternDaemon
    let origin: GitOrigin

    /// Where the releases of an app are.
    func root(of app: String = "shop") -> String { daemon.setup.path("srv/\(app)") }

    /// The bytes of a file of the live release, as text.
    func live(_ name: String, of app: String = "shop") throws -> String {
        try read("srv/\(app)/current/\(name)")
    }

    /// The text of a file in the daemon's directory.
    func read(_ name: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(filePath: daemon.setup.path(name))), as: UTF8.self)
    }

    /// The lines a step left in a file of the daemon's directory; none where there is no file.
    func lines(_ name: String) -> [String] {
        (try? read(name))?.split(separator: "\n").map(String.init) ?? []  // no file: no step wrote
    }

    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: daemon.setup.path(name)) }

    /// An app's file: `text`, and what every app needs where the text has no such key.
    static func completed(_ text: String, _ app: String) -> String {
        let defaults = [
            ("account", "acme"), ("repository", "acme/shop"), ("clone_url", "file://@DIR@/origin/shop.git"),
            ("root", "@DIR@/srv/\(app)"),
        ]
        let keys = text.split(separator: "\n").compactMap { $0.split(separator: ":").first }
        let missing = defaults.filter { key, _ in !keys.contains(Substring(key)) }.map { "\($0): \($1)\n" }
        let refs = ["branch", "branches", "tags"].contains { keys.contains(Substring($0)) } ? "" : "branch: main\n"
        return missing.joined() + refs + text
    }
}

/// Starts a daemon and makes the repository; nothing is in it yet. Commits nobody tells of stay unknown: catch-up, which has suites of
/// its own (``withForge(_:auth:account:app:apps:config:_:)``), would find them whenever it comes to look.
/// - Parameters:
///   - app: keys of app `shop` beyond the usual ones, or instead of them.
///   - apps: further apps by name, written the same way.
///   - account: keys of account `acme` beyond the usual ones, in flow style and with a comma in front.
func withSite(
    app: String = "",
    apps: [String: String] = [:],
    account: String = "",
    config: String = "",
    secrets: [String: String] = [:],
    credentials: [String: String] = [:],
    environment: [String: String] = [:],
    _ body: (Site) async throws -> Void
) async throws {
    let files = apps.merging(["shop": app]) { given, _ in given }
    try await withBittern(
        config: "accounts:\n  acme: {kind: bitbucket-cloud, hook_secret: credential:hook\(account)}\ncatch_up: off\n" + config,
        apps: files.reduce(into: [:]) { $0[$1.key] = Site.completed($1.value, $1.key) },
        secrets: secrets,
        credentials: credentials.merging(["hook": hookSecret]) { given, _ in given },
        environment: environment
    ) { daemon in
        let origin = try await GitOrigin(bare: daemon.setup.path("origin/shop.git"), work: daemon.setup.path("work"))
        try await body(Site(daemon: daemon, origin: origin))
    }
}
