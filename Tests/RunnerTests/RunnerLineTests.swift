import Domain
import Foundation
import RealParts
import RunnerAPI
import Testing

/// The lines between the daemon and the privileged runner.
struct RunnerLineTests {
    private static func request() throws -> RunnerRequest {
        let commit = try #require(CommitID(String(repeating: "a", count: 40)))
        var step = StepRequest(
            app: "shop", job: 42, cause: .push, ref: RefName(.branch, "main"), commit: commit, work: .step(.preDeploy, position: 4),
            startedAt: Timestamp(milliseconds: 1_767_225_600_123), configurationHash: [UInt8](repeating: 7, count: 32), previous: commit)
        step.goBack = StepRequest.Release(release: 41, commit: commit, ref: RefName(.tag, "v1"))
        step.accessToken = Secret("eyJ.token-_=")
        return RunnerRequest(verb: .start(step), job: 42, start: 2, position: 4)
    }

    @Test("a request is read as it was written")
    func requests() throws {
        let others = [RunnerRequest.Verb.wait, .stop, .query].map { RunnerRequest(verb: $0, job: 42, start: 2, position: 4) }
        let commit = try #require(CommitID(String(repeating: "b", count: 64)))
        let release = StepRequest.Release(release: 41, commit: commit, ref: nil)
        let errands: [StepRequest.Errand] = [
            .keepCaches(wentLive: false), .prepareTree, .clearCaches, .remove(release),
            .notify(position: 3, .recovered, .succeeded, reason: "a \"reason\"\n", live: release),
            .notify(position: 0, .failed, .failed, reason: "", live: nil),
        ]
        let chores = try errands.map { errand in
            var request = try Self.request()
            guard case .start(var step) = request.verb else { return request }
            step.work = .chore(errand)
            (request.verb, request.round) = (.start(step), 12)
            return request
        }
        for request in [try Self.request()] + others + chores {
            let line = try request.line()
            #expect(line.count < 1000 && line.last == 0x0A && line.filter { $0 == 0x0A }.count == 1)
            #expect(try RunnerRequest(line: Array(line)) == request)
        }
    }

    @Test("an answer is read as it was written")
    func replies() throws {
        let replies: [RunnerReply] = [
            .running, .unknown, .ended(StepResult(.exited(status: 3))), .refused("there is no app x"), .outdated("x"), .later("y"),
        ]
        for reply in replies { #expect(try RunnerReply(line: Array(try reply.line())) == reply) }
        for text in ["", "\n", "{}\n", "{\"state\":\"won\"}\n", "{\"state\":\"ended\"}\n", "{\"state\":\"running\",\"reason\":\"x\"}\n"] {
            #expect(throws: RunnerLine.Malformed.self, "\(text)") { try RunnerReply(line: Array(text.utf8)) }
        }
    }

    @Test(
        "a field that is missing, of another type or out of its range makes the line malformed, and is named",
        arguments: [
            ("job", "0"), ("job", "-1"), ("job", "9223372036854775807"), ("job", "1.5"), ("job", "null"), ("job", "\"42\""),
            ("start", "-1"), ("round", "-1"),
            ("position", "-1"), ("access_token", "\"\""), ("access_token", "\"a\\nb\""), ("access_token", "\"a b\""),
            ("position", "10001"), ("position", "99999999999999999999"), ("verb", "\"run\""), ("verb", "null"), ("app", "\"../etc\""),
            ("app", "\"\""), ("app", "null"), ("cause", "\"because\""), ("ref", "\"main\""), ("ref", "\"refs/heads/a..b\""),
            ("ref", "\"refs/heads/--upload-pack=x\""), ("commit", "\"HEAD\""), ("commit", "\"aaaaaaa\""), ("commit", "null"),
            ("stage", "\"shell\""), ("started", "0"), ("started", "null"), ("chore", "\"remove\""), ("chore", "\"rm\""),
            ("configuration", "\"07\""), ("configuration", "null"),
            ("previous", "\"x\""),
            ("go_back", "{\"release\":0,\"commit\":\"\(String(repeating: "a", count: 40))\"}"),
            ("target", "{\"release\":3,\"commit\":\"../..\"}"), ("target", "[]"),
        ])
    func malformed(field: String, value: String) throws {
        let line = String(decoding: try Self.request().line(), as: UTF8.self)
        var members = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        members[field] = try JSONSerialization.jsonObject(with: Data(value.utf8), options: .fragmentsAllowed)
        let changed = Array(try JSONSerialization.data(withJSONObject: members)) + [0x0A]
        #expect(throws: RunnerLine.Malformed.self) { try RunnerRequest(line: changed) }
    }

    @Test("a line without an end, one that is too long and what is no JSON is malformed")
    func noLine() throws {
        let line = Array(try Self.request().line())
        let padded = Array("{\"x\":\"\(String(repeating: "x", count: RunnerRequest.longestLine))\",".utf8) + line.dropFirst()
        for bytes in [[], [0x0A], Array(line.dropLast()), padded, Array("start shop\n".utf8), Array("[1]\n".utf8), [0xFF, 0xFE, 0x0A]] {
            #expect(throws: RunnerLine.Malformed.self) { try RunnerRequest(line: bytes) }
        }
    }

    @Test("whatever is done to a line, it is a request with its fields in their ranges or malformed")
    func mutations() throws {
        var random = SeededRandom(seed: SeededRandom.seed)
        let line = Array(try Self.request().line())
        for _ in 0..<5_000 {
            var changed = line
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: changed.indices, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: changed[place] = UInt8.random(in: 0...255, using: &random)
                case 1: changed.insert(UInt8.random(in: 0x20...0x7E, using: &random), at: place)
                default: if changed.count > 1 { changed.remove(at: place) }
                }
            }
            guard let request = try? RunnerRequest(line: changed) else { continue }  // malformed, as most are
            #expect(request.job > 0 && request.start >= 0 && request.position >= 0)
            if case .start(let step) = request.verb {
                #expect(NameText.isName(step.app) && step.configurationHash.count == 32 && step.job == request.job)
            }
        }
    }
}
