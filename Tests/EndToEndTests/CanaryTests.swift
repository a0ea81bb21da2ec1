import Foundation
import RealParts
import Testing

/// A canary in every secret, a hundred builds that try to get it out, and a search of all that is left.
@Suite(.fewAtOnce) struct CanaryTests {
    private static let canaries = [
        "hook": "canary-hook-6f1c9a2e77d0", "db": "canary-db-0a1b2c3d4e5f\nsecond-line-of-the-canary-99aa",
        "npm": "canary-npm-%&= äöü-1234",
        "own": "canary-own-hook-5544332211", "token": "canary-token-aabbccddeeff",
    ]

    @Test("no secret is in a log, the ledger, the journal, an argument list or git's configuration", .timeLimit(.minutes(10)))
    func nowhere() async throws {
        let scripts = [
            "seen.sh": "test -z \"${DB-}\" && echo no-db",
            "print.sh": """
            env
            env | base64 -w0; echo
            printf %s "$NPM" | base64; printf %s "$DB" | base64 -w 20
            for c in $(printf %s "$DB" | fold -w1); do printf %s $c; sleep 0.001; done; echo
            echo "$NPM" >&2
            echo "url: https://x:$NPM@h/"
            """,
            "environ.sh": "cat /proc/$$/environ | tr '\\0' '\\n'; ulimit -c; false",
        ]
        let app = """
            account: dc
            hook_secret: credential:own
            secrets: {DB: credential:db, NPM: credential:npm}
            build: [{name: seen, run: sh ./seen.sh, secrets: [NPM]}, {name: print, run: sh ./print.sh, secrets: [NPM, DB]}]
            pre_deploy: [sh ./environ.sh]

            """
        let config = "workers: 4\n"
        let account =
            "}\n  dc: {kind: bitbucket-datacenter, url: \"https://git.example.com\", hook_secret: credential:hook, auth: {access_token: credential:token}"
        try await withSite(app: app, account: account, config: config, credentials: Self.canaries.merging(["hook": hookSecret]) { $1 }) {
            site in
            var jobs: [Int] = []
            var old: String?
            for number in 0..<10 {
                let new = try await site.origin.commit(files: scripts.merging(["n": "\(number)"]) { $1 })
                let push = DataCenterPush(repository: "acme/shop").branch("main", old: old, new: new)
                let answer = try await site.daemon.send(push.delivery(secret: Self.canaries["own"]), to: "/hooks/dc/shop")
                jobs.append(try #require(answer.results.compactMap(\.job).first))
                old = new
                #expect(try await site.runToEnd(jobs[number]).state == "failed")
            }
            for _ in 0..<90 {
                let retry = try await site.daemon.json("retry", "\(jobs[9])")
                jobs.append(try #require(retry["id"].int))
                try await checkArguments(site)
            }
            for job in jobs { #expect(try await site.runToEnd(job, within: .seconds(120)).state == "failed") }
            let output = try await site.daemon.output(of: jobs[0])
            #expect(output.contains("no-db") && output.contains("APP") && output.contains("\n0\n"), "core dumps are not off: \(output)")
            try await search(site)
        }
    }

    private func needles() -> [(name: String, bytes: [UInt8])] {
        Self.canaries.filter { $0.key != "hook" }.flatMap { name, text in
            let lines = text.split(separator: "\n").map(String.init)
            let base64 = Data(text.utf8).base64EncodedString()
            let url = text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? text
            return (lines + [base64, url]).map { (name, Array($0.utf8)) }
        }
    }

    private func search(_ site: Site) async throws {
        let directory = site.daemon.setup.directory
        var found: [String] = []
        for case let file as String in FileManager.default.enumerator(atPath: directory) ?? .init() where !file.hasPrefix("credentials") {
            guard let data = FileManager.default.contents(atPath: directory + "/" + file) else { continue }
            for needle in needles() where data.firstRange(of: Data(needle.bytes)) != nil { found.append("\(needle.name) in \(file)") }
        }
        #expect(found == [])
        try await checkArguments(site)
    }

    /// Of all processes, because anybody can read them.
    private func checkArguments(_ site: Site) async throws {
        for process in try FileManager.default.contentsOfDirectory(atPath: "/proc") where Int(process) != nil {
            guard let data = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") else { continue }  // it is gone
            for needle in needles() {
                #expect(data.firstRange(of: Data(needle.bytes)) == nil, "\(needle.name) in the arguments of \(process)")
            }
        }
    }
}
