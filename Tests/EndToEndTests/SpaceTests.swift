import Foundation
import RealParts
import Testing

@Suite(.fewAtOnce) struct SpaceTests {
    @Test("with too little space deliveries are stored and jobs wait, and everybody is told why")
    func waits() async throws {
        try await withSite(app: "", config: "min_free: 900000G\n") { site in
            let push = try await site.push(["a": "1"])
            #expect(push.answer.status == 202)
            try await eventually("a word about it") { site.daemon.standardError.contains("all jobs wait: only ") }
            try await eventually("the STATUS") { site.daemon.statusLines.last?.contains("jobs wait, only ") == true }
            #expect(try await site.daemon.run("status").output.contains("Jobs wait: only "))
            #expect(try await site.daemon.job(try push.job).state == "queued")
        }
    }
}
