import Foundation
import RealParts
import Testing

/// `bittern simulate push`: a signed delivery through the daemon's own listener.
@Suite(.fewAtOnce) struct SimulateTests {
    private static let ownSecret = "a-hook-of-its-own-0123456789"

    @Test("what is sent comes in as the forge's deliveries do, signed and with headers, and the job it queues deploys")
    func cloud() async throws {
        try await withSite { site in
            let commit = try await site.origin.commit(files: ["a": "1"])
            let delivery = try await site.daemon.json("simulate", "push", "shop")
            #expect(delivery["answer"] == 202 && delivery["event"] == "repo:push" && delivery["account"] == "acme")
            #expect(delivery["repository"] == "acme/shop" && delivery["hook_app"].isNull && delivery["remote_address"] == "127.0.0.1")
            #expect(delivery["results"].array.map { $0["commit"] } == [.string(commit)])
            let headers = delivery["headers"].array.compactMap(\.string)
            for header in ["user-agent: bittern simulate", "x-hub-signature: (hidden)", "x-event-key: repo:push"] {
                #expect(headers.contains(header), "\(headers)")
            }
            #expect(headers.contains("x-request-uuid: \(delivery["request_id"].string ?? "")"), "\(headers)")
            #expect(try await site.daemon.json("deliveries").array == [delivery])
            let job = try await site.runToEnd(1)
            #expect(job.state == "succeeded" && job.json["cause"] == "push" && job.json["delivery"] == "1", "\(job)")
            #expect(try site.live("a") == "1")
        }
    }

    @Test("people read how it was answered and what came of it; sent once more it is a push that came before")
    func text() async throws {
        try await withSite(config: "workers: 0\n") { site in
            let commit = try await site.origin.commit(files: ["a": "1"])
            let ref = "refs/heads/main  \(commit.prefix(7))"
            let first = try await site.daemon.run("simulate", "push", "shop")
            #expect(
                first.output == """
                    Delivery 1 was answered 202.

                    APP   REF              COMMIT   VERDICT  JOB  REASON
                    shop  \(ref)  queued   1

                    """, "\(first)")
            let second = try await site.daemon.run("simulate", "push", "shop")
            #expect(second.status == 0 && second.output.hasPrefix("Delivery 2 was answered 200.\n"), "\(second)")
            #expect(second.output.contains("already job 1; bittern retry 1 runs it again"), "\(second)")
        }
    }

    @Test("the branch and the commit can be named, and every app that deploys the branch hears of it")
    func named() async throws {
        try await withSite(app: "branches: [main, develop]\n", apps: ["blog": "branch: develop\n"], config: "workers: 0\n") { site in
            let old = try await site.origin.commit(files: ["a": "1"])
            let develop = try await site.origin.commit(files: ["a": "2"], on: "develop")
            let head = try await site.daemon.json("simulate", "push", "shop", "--branch", "develop")
            #expect(head["results"].array.map { $0["app"] } == ["blog", "shop"])
            #expect(head["results"].array.allSatisfy { $0["commit"] == .string(develop) && $0["ref"] == "refs/heads/develop" })
            // What the forge has is not looked at when a commit is named.
            let named = try await site.daemon.json("simulate", "push", "shop", "--branch", "develop", "--commit", old)
            #expect(named["results"].array.map { $0["commit"] } == [.string(old), .string(old)])
        }
    }

    @Test("Data Center's hook gets Data Center's delivery, an app's own hook one with its own secret, and both deploy")
    func otherHooks() async throws {
        let config = """
            accounts:
              acme: {kind: bitbucket-cloud, hook_secret: credential:hook}
              dc: {kind: bitbucket-datacenter, url: "https://git.example.com/bitbucket", hook_secret: credential:hook}

            """
        let apps = ["inner": "account: dc\nrepository: ACME/shop\n", "own": "hook_secret: credential:own\n", "plain": ""]
            .reduce(into: [:]) { $0[$1.key] = Site.completed($1.value, $1.key) }
        try await withBittern(config: config, apps: apps, credentials: ["hook": hookSecret, "own": Self.ownSecret]) { daemon in
            let origin = try await GitOrigin(bare: daemon.setup.path("origin/shop.git"), work: daemon.setup.path("work"))
            try await origin.commit(files: ["a": "1"])
            let inner = try await daemon.json("simulate", "push", "inner")
            #expect(inner["event"] == "repo:refs_changed" && inner["account"] == "dc" && inner["repository"] == "ACME/shop")
            let own = try await daemon.json("simulate", "push", "own")
            #expect(own["hook_app"] == "own" && own["account"] == "acme")
            for delivery in [inner, own] {
                #expect(delivery["answer"] == 202 && delivery["results"].array.count == 1, "\(delivery)")
                let job = try #require(delivery["results"][0]["job"].int)
                #expect(try await daemon.runToEnd(job).state == "succeeded")
            }
        }
    }

    @Test(
        "it comes through the listener there is: on every address, over a socket of the file system, and the first of a list",
        arguments: [
            "listen: \"0.0.0.0:@PORT@\"", "listen: \"[::]:@PORT@\"", "listen: \"unix:@DIR@/hooks.sock\"",
            "listen: [\"unix:@DIR@/hooks.sock\", \"127.0.0.1:@PORT@\"]",
        ])
    func listeners(hooks: String) async throws {
        try await withSite(config: "hooks: {\(hooks)}\nworkers: 0\n") { site in
            try await site.origin.commit(files: ["a": "1"])
            let delivery = try await site.daemon.json("simulate", "push", "shop")
            #expect(delivery["answer"] == 202 && delivery["results"][0]["job"] == 1, "\(delivery)")
        }
    }

    @Test("a listener with a certificate, also one that nobody on this host trusts, is spoken to over TLS")
    func tls() async throws {
        try await withTemporaryDirectory { directory in
            let certificates = try await Certificates(in: directory.path("tls"))
            let tls = "tls: {certificate: \(certificates.certificate), key: \(certificates.key)}"
            try await withSite(config: "hooks: {listen: \"127.0.0.1:@PORT@\", \(tls)}\n") { site in
                try await site.origin.commit(files: ["a": "1"])
                #expect(try await site.daemon.json("simulate", "push", "shop")["answer"] == 202)
                #expect(try await site.runToEnd(1).state == "succeeded")
            }
        }
    }

    @Test("of two secrets the first signs, and it is the one that has proved a delivery")
    func rotation() async throws {
        let config = "accounts:\n  acme: {kind: bitbucket-cloud, hook_secret: [credential:new, credential:hook]}\nworkers: 0\n"
        let credentials = ["hook": hookSecret, "new": "0123456789abcdef-new"]
        try await withBittern(config: config, apps: ["shop": Site.completed("", "shop")], credentials: credentials) { daemon in
            let answer = try await daemon.json("simulate", "push", "shop", "--commit", sha("b"))["answer"]
            #expect(answer == 202)
            let secrets = try await daemon.json("accounts")[0]["hooks"][0]["secrets"].array
            #expect(secrets.map { $0["last_verified"].isNull } == [false, true])
        }
    }

    @Test("a branch that the app does not deploy is told of all the same, and its answer says why nothing comes of it")
    func ignored() async throws {
        try await withSite { site in
            try await site.origin.commit(files: ["a": "1"])
            try await site.origin.commit(files: ["a": "2"], on: "develop")
            let delivery = try await site.daemon.json("simulate", "push", "shop", "--branch", "develop")
            #expect(delivery["answer"] == 200)
            #expect(delivery["results"][0]["reason"] == "branch develop does not match main")
        }
    }

    @Test("a branch that is not there or no name, and a commit that is none, are refused with a sentence")
    func refused() async throws {
        try await withSite(app: "branches: [main, gone]\n") { site in
            try await site.origin.commit(files: ["a": "1"])
            let cases = [
                (["--branch", "gone"], "acme/shop has no refs/heads/gone"),
                (["--branch", "a..b"], "\"a..b\" is no name git allows for a branch"),
            ]
            for (options, sentence) in cases {
                let command = [try BitternBinary.path(), "simulate", "push", "shop", "--socket", site.daemon.setup.controlSocket]
                let result = try await Shell.run(command + options)
                #expect(result.status == 1 && result.output.isEmpty, "\(result)")
                #expect(result.error.hasPrefix("bittern: \(sentence)") && result.error.split(separator: "\n").count == 1, "\(result)")
            }
            let short = try await site.daemon.run("simulate", "push", "shop", "--commit", "b")
            #expect(short.status == 2 && short.error.contains("\"b\" is not a whole commit"), "\(short)")
            #expect(try await site.daemon.json("deliveries") == [])
        }
    }

    @Test("an app that is not there exits with 5 and a guess, what is missing with 2, and without a daemon it is 4")
    func mistakes() async throws {
        try await withDoor { daemon in
            let unknown = try await daemon.run("simulate", "push", "shpo")
            #expect(unknown.status == 5 && unknown.error == "bittern: there is no app shpo; did you mean shop?\n", "\(unknown)")
            #expect(try await daemon.run("simulate", "push").status == 2)
            #expect(try await daemon.run("simulate", "pull", "shop").status == 2)
            #expect(try await daemon.run("simulate", "push", "shop", "--socket", "/nonexistent/control.sock").status == 4)
        }
    }
}
