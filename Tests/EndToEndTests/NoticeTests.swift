import Foundation
import RealParts
import Testing

@Suite(.fewAtOnce) struct NoticeTests {
    private static let app = """
        build: ["test ! -e sick"]
        notify:
          - {run: "echo $BITTERN_EVENT $BITTERN_JOB $BITTERN_STATE: $BITTERN_REASON >> @DIR@/told", on: [succeeded, failed, recovered]}
          - {run: "echo $BITTERN_JOB >> @DIR@/failures"}

        """

    @Test("others are told how a job ended, and a failing notice changes nothing")
    func told() async throws {
        try await withSite(app: Self.app + "  - {run: \"exit 3\", on: [succeeded]}\n") { site in
            #expect(try await site.deploy(["a": "1"]).state == "succeeded")
            #expect(try await site.deploy(["sick": ""]).state == "failed")
            try await site.origin.git("rm", "--quiet", "sick")
            #expect(try await site.deploy(["a": "3"]).state == "succeeded")
            try await eventually("all notices") { site.lines("told").count == 3 }
            #expect(site.lines("told")[0].hasPrefix("succeeded 1 succeeded: "))
            #expect(site.lines("told")[1] == "failed 2 failed: step \"build-1\" exited with status 1")
            #expect(site.lines("told")[2].hasPrefix("recovered 3 succeeded: "))
            try await eventually("the others") { site.lines("failures") == ["2", "3"] }
            try await eventually("a word about the third") { site.daemon.standardError.contains("a notice of job 1 of shop failed") }
            #expect(try await site.daemon.job(1).state == "succeeded")
        }
    }

    @Test("a notice under which the daemon died is sent by the next one, and not for ever")
    func afterADeath() async throws {
        let run = "echo x >> @DIR@/begun; test -e @DIR@/calm || sleep 600"
        try await withSite(app: "notify: [{run: \"\(run)\", on: [succeeded]}]\n") { site in
            #expect(try await site.deploy(["a": "1"]).state == "succeeded")
            for count in 1...2 {
                try await eventually("the notice") { site.lines("begun").count == count }
                try await site.daemon.kill9()
                try await site.daemon.start()
            }
            #expect(try await site.deploy(["a": "2"]).state == "succeeded")
            try await eventually("the next notice") { site.lines("begun").count == 3 }
        }
    }
}
