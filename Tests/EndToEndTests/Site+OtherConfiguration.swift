import Foundation
import RealParts

extension Site {
    /// Writes a configuration that is not loaded: the daemon's own main file beside other apps. Gives its path.
    func otherConfiguration(apps: [String: String]) throws -> String {
        let folder = daemon.setup.path("other")
        try? FileManager.default.removeItem(atPath: folder)  // mostly there is none
        try FileManager.default.createDirectory(atPath: folder + "/apps.d", withIntermediateDirectories: true)
        try Data(try read("bittern.yaml").utf8).write(to: URL(filePath: folder + "/bittern.yaml"))
        for (name, text) in apps {
            let filled = Site.completed(text, name).replacing("@DIR@", with: daemon.setup.directory)
            try Data(filled.utf8).write(to: URL(filePath: folder + "/apps.d/\(name).yaml"))
        }
        return folder + "/bittern.yaml"
    }

    /// Replaces an app's file and has the daemon read it.
    func reconfigure(_ app: String, _ text: String) async throws {
        try daemon.setup.write(app: app, Site.completed(text, app))
        _ = try await daemon.json("reload")
    }

    /// Sends a webhook that is refused, and waits until it is in the ledger. Gives its number.
    func refused() async throws -> String {
        let before = try await daemon.json("deliveries", "--limit", "1").array.first?["id"].string
        let push = CloudPush(repository: "acme/shop").branch("main", new: sha("b"))
        _ = try await daemon.send(push.delivery(secret: "wrong-secret-wrong"), to: "/hooks/acme")
        return try await eventualValue("the refused delivery") {
            let newest = try await daemon.json("deliveries", "--limit", "1").array.first?["id"].string
            return newest == before ? nil : newest
        }
    }
}
