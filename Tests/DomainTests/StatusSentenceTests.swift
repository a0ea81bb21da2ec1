import Testing

@testable import Domain

struct StatusSentenceTests {
    @Test(
        "the service manager is told in one sentence what goes on",
        arguments: [
            (0, 0, false, "ready, nothing to do"), (0, 2, false, "0 running, 2 queued"), (0, 0, true, "stopping; nothing runs"),
            (0, 1, true, "stopping; 0 running, 1 queued"), (1, 0, false, "1 running, 0 queued: shop build-1 aaaaaaa (38 s)"),
            (2, 1, true, "stopping; 2 running, 1 queued: shop build-1 aaaaaaa (38 s), blog activate bbbbbbb (0 s)"),
        ])
    func sentences(running: Int, queued: Int, isStopping: Bool, text: String) throws {
        let jobs = [
            StatusSentence.Running(app: "shop", commit: try commit("a"), step: "build-1", since: Timestamp(milliseconds: 0)),
            StatusSentence.Running(app: "blog", commit: try commit("b"), step: "activate", since: Timestamp(milliseconds: 38_001)),
        ]
        let sentence = StatusSentence(running: Array(jobs.prefix(running)), queued: queued, isStopping: isStopping)
        #expect(sentence.text(at: Timestamp(milliseconds: 38_999)) == text)
        #expect(!sentence.text(at: Timestamp(milliseconds: 38_999)).contains("\n"))
    }
}
