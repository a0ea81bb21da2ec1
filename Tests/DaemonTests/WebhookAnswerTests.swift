import Domain
import FoundationEssentials
import HTTPTypes
import Testing

@testable import Daemon

struct WebhookAnswerTests {
    private struct Answer: Decodable, Equatable {
        struct Result: Decodable, Equatable {
            var app: String?
            var ref: String
            var commit: String?
            var verdict: String
            var job: Int64?
            var reason: String?
        }
        var delivery: String
        var duplicate_of: String?
        var results: [Result]
    }

    private func read(_ answer: WebhookAnswer) throws -> Answer {
        try JSONDecoder().decode(Answer.self, from: Data(answer.body))
    }

    @Test("an accepted delivery is told with its number and a result for each app, in one line with its keys in order")
    func accepted() throws {
        let commit = try #require(CommitID(String(repeating: "a", count: 40)))
        let queued = Verdict(app: "shop", ref: "refs/heads/main", commit: commit, kind: .queued, job: 7, reason: nil)
        let answer = WebhookAnswer.accepted(AcceptedDelivery(id: 12, duplicateOf: 3, verdicts: [queued, queued], superseded: []))
        #expect(answer.status == .accepted)
        let result = #"{"app":"shop","commit":"\#(commit.hex)","job":7,"reason":null,"ref":"refs/heads/main","verdict":"queued"}"#
        #expect(String(decoding: answer.body, as: UTF8.self) == #"{"delivery":"12","duplicate_of":"3","results":[\#(result),\#(result)]}"#)
    }

    @Test(
        "whatever a ref or reason holds, the answer is JSON and says it as it is shown",
        arguments: ["", "a\"b", "\\", "\\\"", "a\\nb", "ä😀", "\u{1B}[2J", "\n", "\u{202E}", "\u{0}", String(repeating: "\"", count: 3000)])
    func nasty(text: String) throws {
        let ignored = Verdict(app: nil, ref: text, commit: nil, kind: .ignored, job: nil, reason: text)
        let answer = WebhookAnswer.accepted(AcceptedDelivery(id: 1, duplicateOf: nil, verdicts: [ignored], superseded: []))
        #expect(answer.status == .ok)
        let shown = SafeText.shown(text)
        let result = Answer.Result(app: nil, ref: shown, commit: nil, verdict: "ignored", job: nil, reason: shown)
        #expect(try read(answer) == Answer(delivery: "1", duplicate_of: nil, results: [result]))
    }

    @Test("a connection test is told in the same shape, with no results")
    func pong() throws {
        #expect(WebhookAnswer.pong.status == .ok)
        #expect(try read(.pong) == Answer(delivery: "ping", duplicate_of: nil, results: []))
    }
}
