import Testing

@testable import RealParts

@Suite struct AnswerReaderTests {
    @Test("an answer with a length is whole when its last byte has come, and the next one stays")
    func length() throws {
        let text = "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\nbodyHTTP/1.1"
        var reader = AnswerReader(bytes: [])
        for byte in text.utf8.dropLast(9) {
            reader.append([byte])
            #expect(try reader.next(atEnd: false) == nil)
        }
        reader.append(Array(text.utf8.suffix(9)))
        let answer = try #require(try reader.next(atEnd: false))
        #expect(answer.status == 202)
        #expect(answer.headers["content-type"] == "application/json")
        #expect(answer.text == "body")
        #expect(reader.rest == Array("HTTP/1.1".utf8))
    }

    @Test("chunks are put together, a 100 is passed over, and without a length the end counts")
    func otherLengths() throws {
        let head = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        let chunked = head + "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
        #expect(try read(chunked, atEnd: false)?.text == "abcde")
        #expect(try read(String(chunked.dropLast(3)), atEnd: false) == nil)
        #expect(try read("HTTP/1.0 200 OK\r\n\r\nrest", atEnd: false) == nil)
        #expect(try read("HTTP/1.0 200 OK\r\n\r\nrest", atEnd: true)?.text == "rest")
        #expect(try read("HTTP/1.1 204 No Content\r\n\r\n", atEnd: false)?.text == "")
    }

    @Test("bytes that are no HTTP are an error")
    func notHTTP() {
        #expect(throws: NotHTTP.self) { try read("SSH-2.0-OpenSSH\r\n\r\n", atEnd: false) }
    }

    @Test("an answer gives what Bittern says in it")
    func content() throws {
        let body = """
            {"delivery": "d1", "duplicate_of": null, "results": [{"app": "shop", "ref": "refs/heads/main", "commit": null, \
            "verdict": "queued", "job": 42, "reason": null}]}
            """
        let answer = Answer(status: 202, headers: [:], body: Array(body.utf8))
        #expect(answer.delivery == "d1")
        #expect(answer.duplicateOf == nil)
        let result = try #require(answer.results.first)
        #expect(result.app == "shop" && result.ref == "refs/heads/main" && result.verdict == "queued" && result.job == 42)
        #expect(Answer(status: 404, headers: [:], body: Array(#"{"error": "no such account"}"#.utf8)).error == "no such account")
        let health = Answer(status: 200, headers: [:], body: Array("ok".utf8))
        #expect(health.results.isEmpty)
        #expect(throws: DecodingError.self) { try health.content() }
    }

    private func read(_ text: String, atEnd: Bool) throws -> Answer? {
        var reader = AnswerReader(bytes: Array(text.utf8))
        return try reader.next(atEnd: atEnd)
    }
}
