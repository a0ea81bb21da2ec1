import Foundation
import RealParts
import Synchronization
import Testing

/// `bittern backup`: a whole ledger in one file, while the daemon works.
@Suite(.fewAtOnce) struct BackupTests {
    @Test("a backup made while pushes arrive is a whole ledger, for its owner alone, and nothing else is left")
    func whileWorking() async throws {
        try await withSite(config: "workers: 0\n") { site in
            try await site.fill(20)
            let before = try site.names("state")
            let isOver = Mutex(false)
            async let sent = site.fill(2000) { isOver.withLock { $0 } }
            let result = try await site.backup("copy.db")
            isOver.withLock { $0 = true }
            let later = try await sent
            #expect(result.status == 0 && result.error.isEmpty, "\(result)")
            #expect(result.output.hasPrefix("\(site.daemon.setup.path("copy.db")): "), "\(result)")
            #expect((20...20 + later).contains(try await site.deliveries(in: "copy.db")))
            #expect(try site.mode("copy.db") == 0o600)
            #expect(try site.names("state") == before)
            #expect(try site.names("").filter { $0.hasPrefix("copy.db") } == ["copy.db"])
        }
    }

    @Test("a file that is there is left alone, and replaced with --force")
    func existing() async throws {
        try await withSite { site in
            try site.write("mine", to: "copy.db")
            let refused = try await site.backup("copy.db")
            let sentence = "bittern: \(site.daemon.setup.path("copy.db")) is there already; choose another name, or --force\n"
            #expect(refused.status == 1 && refused.error == sentence && refused.output.isEmpty, "\(refused)")
            #expect(try site.read("copy.db") == "mine")
            let forced = try await site.backup("copy.db", "--force")
            #expect(forced.status == 0, "\(forced)")
            #expect(try await site.deliveries(in: "copy.db") == 0)
            #expect(try site.mode("copy.db") == 0o600)
        }
    }

    @Test("what lies beside it under a name of the kind is left alone")
    func leftover() async throws {
        try await withSite { site in
            try site.write("mine", to: "copy.db.part")
            #expect(try await site.backup("copy.db").status == 0)
            #expect(try site.read("copy.db.part") == "mine")
            #expect(try site.mode("copy.db") == 0o600)
        }
    }

    @Test("- is standard output, and nothing but the ledger is on it")
    func standardOutput() async throws {
        try await withSite(config: "workers: 0\n") { site in
            try await site.fill(3)
            let command = "'\(try BitternBinary.path())' backup - > '\(site.daemon.setup.path("copy.db"))'"
            let result = try await Shell.run(["sh", "-c", command], environment: ["BITTERN_SOCKET": site.daemon.setup.controlSocket])
            #expect(result.status == 0 && result.error.isEmpty, "\(result)")
            #expect(try await site.deliveries(in: "copy.db") == 3)
        }
    }

    @Test("where the file cannot be written there is a sentence and no half of one")
    func unwritable() async throws {
        try await withSite { site in
            let before = try site.names("")
            // /proc takes no files, not even root's.
            for path in [site.daemon.setup.path("nowhere/copy.db"), "/proc/copy.db", site.daemon.setup.configurationFile + "/copy.db"] {
                let result = try await site.daemon.run("backup", path)
                #expect(result.status == 1 && result.error.hasPrefix("bittern: cannot write \(path)"), "\(result)")
                #expect(result.error.split(separator: "\n").count == 1 && result.output.isEmpty, "\(result)")
            }
            let directory = try await site.backup("srv", "--force")
            #expect(directory.status == 1 && directory.error.contains("Is a directory"), "\(directory)")
            #expect(try site.names("") == before)
        }
    }

    @Test("a backup in the middle of which the daemon dies leaves nothing")
    func killed() async throws {
        try await withSite(config: "workers: 0\n") { site in
            try await site.fill(3)
            try await site.pad(megabytes: 16)
            // Somebody who takes a little of it and waits.
            let reader = """
                head -c 16; touch '\(site.daemon.setup.path("g.begun"))'
                until [ -e '\(site.daemon.setup.path("g.open"))' ]; do sleep 0.02; done; cat > /dev/null
                """
            let script =
                "set -o pipefail; '\(try BitternBinary.path())' backup - --socket '\(site.daemon.setup.controlSocket)' | { \(reader); }"
            async let backup = Shell.run(["bash", "-c", script], within: .seconds(60))
            try await site.reached("g")
            try await site.daemon.kill9()
            try site.open("g")
            let result = try await backup
            #expect(result.status == 4 && result.error.contains("the daemon stopped answering"), "\(result)")
            #expect(result.output.hasPrefix("SQLite format 3"))
            #expect(try site.names("").filter { $0.hasPrefix("copy.db") } == [])
            try await site.daemon.start()
            #expect(try await site.backup("copy.db").status == 0)
            #expect(try await site.deliveries(in: "copy.db") == 3)
        }
    }

    @Test("a copy over which a daemon was killed is gone after the next start, and nothing that somebody else put there")
    func unfinished() async throws {
        try await withSite { site in
            try site.write("half", to: "state/.unfinished-copy-1")
            try site.write("half", to: "state/.unfinished-copy-1-journal")
            try site.write("mine", to: "state/backup-of-monday.db")
            try await site.daemon.restart()
            #expect(try site.names("state").filter { $0.hasPrefix(".") } == [])
            #expect(try site.read("state/backup-of-monday.db") == "mine")
        }
    }

    @Test("a daemon that is started on a backup knows all that the first one knew")
    func restored() async throws {
        try await withSite(app: "build: [\"test ! -e bad\"]\n") { site in
            #expect(try await site.deploy(["a": "1"]).state == "succeeded")
            #expect(try await site.deploy(["bad": ""]).state == "failed")
            #expect(try await site.daemon.run("hold", "shop", "--reason", "a freeze").status == 0)
            let waiting = try await site.push(["a": "2"], removing: ["bad"]).job
            #expect(try await site.backup("copy.db").status == 0)
            try await withTemporaryDirectory { directory in
                try directory.makeDirectory("state")
                try await Shell.check(["install", "-m", "600", site.daemon.setup.path("copy.db"), directory.path("state/bittern.db")])
                try await withBittern(
                    config: "accounts:\n  acme: {kind: bitbucket-cloud, hook_secret: credential:hook}\n",
                    apps: ["shop": Site.completed("clone_url: file://\(site.origin.bare)\n", "shop")],
                    credentials: ["hook": hookSecret],
                    in: directory.path
                ) { daemon in
                    for arguments in [["jobs"], ["deliveries"], ["releases", "shop"]] {
                        let first = try await site.daemon.run(arguments + ["--json"])
                        let second = try await daemon.run(arguments + ["--json"])
                        #expect(second.status == 0 && second.output == first.output, "\(arguments): \(second)")
                    }
                    #expect(try await daemon.json("status")["apps"][0]["hold"]["reason"] == "a freeze")
                    #expect(try await daemon.run("resume", "shop").status == 0)
                    #expect(try await daemon.runToEnd(waiting).state == "succeeded")
                }
            }
        }
    }
}

extension Site {
    /// Writes a backup into the daemon's directory.
    fileprivate func backup(_ name: String, _ options: String...) async throws -> ShellResult {
        try await daemon.run(["backup", daemon.setup.path(name)] + options)
    }

    /// Has deliveries that nobody sent before stored, at most so many and until `isOver`, and gives how many they were.
    @discardableResult
    fileprivate func fill(_ most: Int, until isOver: @Sendable () -> Bool = { false }) async throws -> Int {
        var count = 0
        while count < most, !isOver() {
            let commit = Delivery.freshID().replacing("-", with: "") + "00000000"
            let body = try CloudPush(repository: "acme/shop").branch("main", new: commit).json.bytes
            let delivery = Delivery.cloud(event: "repo:push", body: body, secret: hookSecret)
            let answer = try await daemon.send(delivery, to: "/hooks/acme")
            try #require(answer.status == 202, "\(answer)")
            count += 1
        }
        return count
    }

    /// Makes the ledger larger than pipes, sockets and a client's buffers are together.
    fileprivate func pad(megabytes: Int) async throws {
        let program = """
            import os, sqlite3, sys
            with sqlite3.connect(sys.argv[1]) as db:
                db.execute("CREATE TABLE padding (bytes BLOB)")
                db.executemany("INSERT INTO padding VALUES (?)", ((os.urandom(1 << 20),) for _ in range(int(sys.argv[2]))))
            """
        try await Shell.check(["python3", "-c", program, daemon.setup.path("state/bittern.db"), String(megabytes)])
    }

    /// How many deliveries a copy holds; throws where SQLite finds something wrong with it.
    fileprivate func deliveries(in name: String) async throws -> Int {
        let program = """
            import sqlite3, sys
            db = sqlite3.connect("file:" + sys.argv[1] + "?mode=ro&immutable=1", uri=True)
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []
            print(db.execute("SELECT count(*) FROM deliveries").fetchone()[0])
            """
        let output = try await Shell.check(["python3", "-c", program, daemon.setup.path(name)]).output
        return try #require(Int(output.trimmingCharacters(in: .newlines)))
    }

    fileprivate func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(filePath: daemon.setup.path(name)))
    }

    fileprivate func mode(_ name: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: daemon.setup.path(name))[.posixPermissions] as? Int
    }

    /// What is in a directory of the daemon's.
    fileprivate func names(_ directory: String) throws -> Set<String> {
        Set(try FileManager.default.contentsOfDirectory(atPath: daemon.setup.path(directory)))
    }
}
