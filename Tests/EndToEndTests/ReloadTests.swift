import Foundation
import RealParts
import Synchronization
import Testing

/// `bittern reload` and SIGHUP: another configuration comes into force, whole or not at all.
@Suite(.fewAtOnce) struct ReloadTests {
    @Test("what was added, changed and removed counts after a reload, and a running job ends as it began")
    func inForce() async throws {
        let old = "build: ['\(Site.gate("g"))', 'echo old > made']\n"
        try await withSite(app: old, apps: ["blog": "branch: blog\n"]) { site in
            let running = try await site.push(["a": "1"]).job
            try await site.reached("g")
            try site.write(app: "shop", "build: ['echo new > made']\n")
            try site.write(app: "docs", "branch: docs\n")
            try FileManager.default.removeItem(atPath: site.daemon.setup.path("apps.d/blog.yaml"))
            let reload = try await site.daemon.run("reload")
            #expect(reload.status == 0, "\(reload)")
            #expect(reload.output == "Reloaded: app added: docs; app changed: shop; app removed: blog.\n")

            let added = try await site.runToEnd(try await site.push(["a": "2"], on: "docs").job)
            #expect(added.state == "succeeded" && added.json["app"] == "docs", "\(added)")
            #expect(try site.live("a", of: "docs") == "2")
            let removed = try await site.push(["a": "3"], on: "blog").answer
            #expect(removed.status == 200)
            #expect(removed.results.map(\.app) == ["docs", "shop"] && removed.results.allSatisfy { $0.verdict == "ignored" }, "\(removed)")

            let next = try await site.push(["a": "4"]).job
            #expect(try await site.daemon.job(running).state == "running")
            try site.open("g")
            let ended = try await site.runToEnd(running)
            #expect(ended.state == "succeeded" && ended.steps == ["fetch", "checkout", "build-1", "build-2", "activate"], "\(ended)")
            #expect(try await site.made(by: running) == "old\n")
            let changed = try await site.runToEnd(next)
            #expect(changed.state == "succeeded" && changed.steps == ["fetch", "checkout", "build-1", "activate"], "\(changed)")
            #expect(try await site.made(by: next) == "new\n")
        }
    }

    @Test("a reload of what nobody changed says so, also in JSON")
    func nothing() async throws {
        try await withSite { site in
            #expect(try await site.daemon.run("reload").output == "Reloaded: no app and no account changed.\n")
            try site.write(app: "blog", "branch: blog\n")
            let reply = try await site.daemon.json("reload")
            #expect(reply["apps"] == ["added": ["blog"], "changed": [], "removed": []])
            #expect(reply["accounts"] == ["added": [], "changed": [], "removed": []])
            #expect(site.daemon.standardError.contains("configuration reloaded for \(user): app blog added"))
        }
    }

    @Test("SIGHUP reloads too, and the service manager is told when it begins and when it is over")
    func hangUp() async throws {
        try await withSite { site in
            try site.write(app: "shop", "build: ['echo new > made']\n")
            let before = site.daemon.notify.messages.count
            site.daemon.send(signal: SIGHUP)
            let begins = try await site.daemon.notify.wait("RELOADING=1", skipping: before) { $0.hasPrefix("RELOADING=1\n") }
            let moment = begins.split(separator: "\n").first { $0.hasPrefix("MONOTONIC_USEC=") }?.split(separator: "=").last
            #expect(moment.flatMap { UInt64($0) } ?? 0 > 0, "\(begins)")
            let position = try #require(site.daemon.notify.messages.dropFirst(before).firstIndex(of: begins))
            try await site.daemon.notify.wait(for: "READY=1", skipping: position + 1)
            #expect(site.daemon.standardError.contains("configuration reloaded: app shop changed"))
            let job = try await site.deploy(["a": "1"])
            #expect(try await site.made(by: try #require(job.json["id"].int)) == "new\n")
        }
    }

    @Test("a configuration with problems is refused whole: each is said with its place, and the old one goes on deploying")
    func refused() async throws {
        try await withSite { site in
            try site.write(app: "shop", "branhc: main\nkeep_releases: many\n")
            try site.write(app: "docs", "branch: docs\n")
            for format in [[], ["--json"]] {
                let reload = try await site.daemon.run(["reload"] + format)
                #expect(reload.status == 2 && reload.output.isEmpty, "\(reload)")
                let lines = reload.error.split(separator: "\n")
                #expect(lines.count == 3, "\(reload)")
                #expect(lines.prefix(2).allSatisfy { $0.contains(#/^/.+/apps\.d/shop\.yaml:[0-9]+:[0-9]+: error: /#) }, "\(reload)")
                #expect(reload.error.contains("did you mean `branch`?") && reload.error.contains("`keep_releases` must be"))
                #expect(lines.last?.hasPrefix("bittern: the configuration was refused and the old one stays") == true)
            }
            site.daemon.send(signal: SIGHUP)
            for whom in [" for \(user)", ""] {
                let line = "the new configuration was refused\(whom), the old one stays: "
                try await eventually("the line \(line)") {
                    site.daemon.standardError.split(separator: "\n").contains { $0.contains(line) && $0.contains("`keep_releases`") }
                }
            }
            #expect(try await site.daemon.json("apps").array.map { $0["app"] } == ["shop"])
            #expect(try await site.deploy(["a": "1"]).state == "succeeded")
            try site.write(app: "shop", "")
            #expect(try await site.daemon.run("reload").output == "Reloaded: app added: docs.\n")
        }
    }

    @Test("deliveries that come in all the while, over connections that stay open, are all taken")
    func storm() async throws {
        try await withSite(config: "workers: 0\n") { site in
            let storm = Storm()
            try await withThrowingTaskGroup(of: [Int].self) { senders in
                for sender in 1...4 {
                    senders.addTask {
                        // No more than all of them may have on one page, and at least what was promised.
                        try await site.send(from: sender, atLeast: 50, atMost: 2000) { storm.isOver }
                    }
                }
                for number in 1...10 {
                    try site.write(app: "shop", "keep_releases: \(number)\n")
                    let reload = try await site.daemon.run("reload")
                    #expect(reload.status == 0 && reload.output == "Reloaded: app changed: shop.\n", "\(reload)")
                }
                storm.end()
                var sent = 0
                for try await answers in senders {
                    #expect(Set(answers) == [202])
                    sent += answers.count
                }
                #expect(sent >= 200)
                #expect(try await site.daemon.json("deliveries", "--limit", "10000").array.count == sent)
            }
        }
    }

    @Test("what is bound or opened at the start stays as it is, and the warning says what a restart is needed for")
    func restartNeeded() async throws {
        try await withSite { site in
            let other = """
                workers: 5
                hooks: {listen: "unix:@DIR@/other-hooks.sock"}
                control: {socket: "@DIR@/other-control.sock"}
                state_directory: "@DIR@/other-state"
                accounts:
                  acme: {kind: bitbucket-cloud, hook_secret: credential:hook}

                """
            try site.daemon.setup.write(configuration: other)
            let reload = try await site.daemon.run("reload")
            #expect(reload.status == 0 && reload.output == "Reloaded: no app and no account changed.\n", "\(reload)")
            let warning = "restart the daemon for hooks.listen, control.socket, state_directory, workers to count"
            #expect(reload.error.split(separator: "\n").contains(Substring(warning)), "\(reload)")
            #expect(try await site.daemon.json("reload")["warnings"].array.contains { $0.string == warning })
            #expect(site.daemon.standardError.contains(warning))
            #expect(try await site.daemon.json("status")["workers"] == 2)
            #expect(try await site.deploy(["a": "1"]).state == "succeeded")
            #expect(!["other-hooks.sock", "other-control.sock", "other-state"].contains { site.exists($0) })
        }
    }

    @Test("an app whose lock or name changes while its job runs still has one job at a time in its root")
    func lockAndName() async throws {
        let build = "build: ['\(Site.gate("g"))']\n"
        try await withSite(app: build) { site in
            let first = try await site.push(["a": "1"]).job
            try await site.reached("g")
            try site.write(app: "shop", "lock: other\n" + build)
            #expect(try await site.daemon.run("reload").status == 0)
            let second = try await site.push(["a": "2"]).job
            #expect(try await site.daemon.job(second).state == "queued")
            try FileManager.default.removeItem(atPath: site.daemon.setup.path("apps.d/shop.yaml"))
            try site.write(app: "store", "root: \(site.root())\n" + build)
            #expect(try await site.daemon.run("reload").status == 0)
            let third = try await site.push(["a": "3"]).job
            #expect(try await site.daemon.job(third).state == "queued")
            try site.open("g")
            #expect(try await site.runToEnd(first).state == "succeeded")
            #expect(try await site.runToEnd(third).state == "succeeded")
            #expect(try await site.daemon.job(second).reason == "shop is no longer configured")
            #expect(try site.live("a") == "3")
        }
    }

    @Test("what waits for an app that is taken away ends with the reason, also where the app was held")
    func heldAndGone() async throws {
        try await withSite(apps: ["blog": "branch: blog\n"]) { site in
            #expect(try await site.daemon.run("hold", "blog").status == 0)
            let job = try await site.push(["a": "1"], on: "blog").job
            try FileManager.default.removeItem(atPath: site.daemon.setup.path("apps.d/blog.yaml"))
            #expect(try await site.daemon.run("reload").status == 0)
            let ended = try await site.runToEnd(job)
            #expect(ended.state == "failed" && ended.reason == "blog is no longer configured", "\(ended)")
        }
    }

    @Test("a credential that changed counts after a restart, and a reload says so")
    func credential() async throws {
        try await withSite(config: "workers: 0\n") { site in
            try site.daemon.setup.write(credential: "hook", Self.newSecret)
            let reload = try await site.daemon.run("reload")
            #expect(reload.status == 0)
            #expect(reload.error == "restart the daemon if a credential changed: credential:hook\n")
            try await site.daemon.restart()
            #expect(try await site.answer(to: Self.newSecret) == 202)
        }
    }

    @Test("a hook secret in a file is the new one after a reload, and one that is gone refuses the reload")
    func secretFile() async throws {
        let config = "workers: 0\naccounts:\n  acme: {kind: bitbucket-cloud, hook_secret: file:hook-secret}\n"
        let app = Site.completed("", "shop")
        try await withBittern(config: config, apps: ["shop": app], secrets: ["hook-secret": hookSecret]) { daemon in
            let site = Site(daemon: daemon, origin: try await GitOrigin(bare: daemon.setup.path("bare"), work: daemon.setup.path("work")))
            #expect(try await site.answer(to: hookSecret) == 202)
            try daemon.setup.write(secret: "hook-secret", Self.newSecret)
            #expect(try await site.answer(to: hookSecret) == 202)
            let reload = try await daemon.run("reload")
            #expect(reload.output == "Reloaded: account changed: acme.\n" && reload.error.isEmpty, "\(reload)")
            #expect(!reload.output.contains(Self.newSecret) && !daemon.standardError.contains(Self.newSecret))
            #expect(try await site.answer(to: hookSecret) == 401)
            #expect(try await site.answer(to: Self.newSecret) == 202)
            try FileManager.default.removeItem(atPath: daemon.setup.path("hook-secret"))
            let refused = try await daemon.run("reload")
            #expect(refused.status == 2 && refused.error.contains(#//bittern\.yaml:[0-9]+:[0-9]+: error: /#), "\(refused)")
            #expect(try await site.answer(to: Self.newSecret) == 202)
        }
    }

    @Test("a renewed certificate is shown after a reload")
    func certificate() async throws {
        try await withTemporaryDirectory { directory in
            let (old, new) = (try await Certificates(in: directory.path("old")), try await Certificates(in: directory.path("new")))
            try await withSite(config: Self.tls(old)) { site in
                #expect(try await site.health(trusting: old) == "ok")
                for (file, newer) in [(old.certificate, new.certificate), (old.key, new.key)] {
                    try await Shell.check(["cp", newer, file])
                }
                #expect(try await site.health(trusting: old) == "ok")
                #expect(try await site.daemon.run("reload").status == 0)
                #expect(try await site.health(trusting: new) == "ok")
                #expect(try await site.health(trusting: old) == nil)
            }
        }
    }

    @Test("a certificate that cannot be used refuses the reload with all that came with it, and the old one is shown on")
    func badCertificate() async throws {
        try await withTemporaryDirectory { directory in
            let (good, other) = (try await Certificates(in: directory.path("good")), try await Certificates(in: directory.path("other")))
            try await withSite(config: Self.tls(good)) { site in
                try site.write(app: "docs", "branch: docs\n")
                try await Shell.check(["cp", other.key, good.key])
                for _ in 1...2 {
                    let reload = try await site.daemon.run("reload")
                    #expect(reload.status == 2 && reload.error.contains("hooks.tls: \(good.certificate) and \(good.key) cannot be used"))
                    #expect(try await site.health(trusting: good) == "ok")
                    #expect(try await site.daemon.json("apps").array.map { $0["app"] } == ["shop"])
                    try Data("no certificate".utf8).write(to: URL(filePath: good.certificate))
                }
                #expect(site.daemon.standardError.contains("the new configuration was refused for \(user), the old one stays: hooks.tls: "))
                // Without TLS in the new configuration nobody asks for its files, and the listener is what it was until a restart.
                try site.daemon.setup.write(configuration: Self.accounts)
                let without = try await site.daemon.run("reload")
                #expect(without.status == 0 && without.error.contains("restart the daemon for hooks.tls to count"), "\(without)")
                #expect(try await site.health(trusting: good) == "ok")
            }
        }
    }

    @Test("a certificate that would count after a restart alone must be usable as well")
    func badFirstCertificate() async throws {
        try await withTemporaryDirectory { directory in
            let certificates = try await Certificates(in: directory.path("tls"))
            try await withSite { site in
                try site.daemon.setup.write(configuration: Self.accounts + Self.tls(certificates))
                let good = try await site.daemon.run("reload")
                #expect(good.status == 0 && good.error.contains("restart the daemon for hooks.tls to count"), "\(good)")
                try Data("no key".utf8).write(to: URL(filePath: certificates.key))
                let bad = try await site.daemon.run("reload")
                #expect(bad.status == 2 && bad.error.contains("hooks.tls: "), "\(bad)")
            }
        }
    }

    // Words.

    private static let newSecret = "a-new-secret-that-nobody-guesses"
    private static let accounts = "accounts:\n  acme: {kind: bitbucket-cloud, hook_secret: credential:hook}\n"

    private static func tls(_ files: Certificates) -> String {
        "hooks: {listen: \"127.0.0.1:@PORT@\", tls: {certificate: \(files.certificate), key: \(files.key)}}\n"
    }
}

extension Site {
    /// Writes an app's file, with what every app needs.
    fileprivate func write(app name: String, _ text: String) throws {
        try daemon.setup.write(app: name, Site.completed(text, name))
    }

    /// What the build of a job wrote into `made`.
    fileprivate func made(by job: Int) async throws -> String {
        let releases = try await daemon.json("releases", "shop").array
        let path = try #require(releases.first { $0["job"].int == job }?["path"].string, "\(releases)")
        return String(decoding: try Data(contentsOf: URL(filePath: "\(path)/made")), as: UTF8.self)
    }

    /// The status that a push nobody sent before gets, signed with this secret.
    fileprivate func answer(to secret: String) async throws -> Int {
        let commit = Delivery.freshID().replacing("-", with: "") + "00000000"
        let push = try CloudPush(repository: "acme/shop").branch("main", new: commit).delivery(secret: secret)
        return try await daemon.send(push, to: "/hooks/acme").status
    }

    /// Sends pushes over one connection, one after the other, and gives the status of each answer. After `least` of them it ends as soon
    /// as `isOver`.
    fileprivate func send(from sender: Int, atLeast least: Int, atMost most: Int, until isOver: () -> Bool) async throws -> [Int] {
        let connection = try await daemon.connect()
        var answers: [Int] = []
        while answers.count < least || (answers.count < most && !isOver()) {
            let digits = "\(sender)" + String(answers.count + 100_000)
            let commit = digits + String(repeating: "0", count: 40 - digits.count)
            let push = try CloudPush(repository: "acme/shop").branch("main", new: commit).delivery(secret: hookSecret)
            let headers = push.headers.merging(["Connection": "keep-alive"]) { $1 }
            try await connection.write(Request(method: "POST", path: "/hooks/acme", headers: headers, body: push.body).bytes)
            answers.append(try await connection.readAnswer().status)
        }
        return answers
    }

    /// What the listener says of itself to whoever trusts this authority alone; nil where its certificate is not believed.
    fileprivate func health(trusting certificates: Certificates) async throws -> String? {
        let url = "https://127.0.0.1:\(daemon.setup.port)/healthz"
        let result = try await Shell.run(["curl", "--silent", "--noproxy", "*", "--cacert", certificates.authority, url])
        // 60: the certificate could not be verified (curl(1), EXIT CODES).
        try #require(result.status == 0 || result.status == 60, "\(result)")
        return result.status == 0 ? result.output.trimmingCharacters(in: .newlines) : nil
    }
}

/// Tells senders when enough was sent.
private final class Storm: Sendable {
    private let over = Mutex(false)

    var isOver: Bool { over.withLock { $0 } }

    func end() {
        over.withLock { $0 = true }
    }
}
