import Domain
import Testing

@testable import Exec

/// What git, curl and OpenSSH really said, and what a person reads.
@Suite struct GitAnswerTests {
    struct Sample: Sendable, CustomTestStringConvertible {
        let said: String
        let trouble: GitAnswer.Trouble
        let phrase: String

        init(_ said: String, _ trouble: GitAnswer.Trouble, _ phrase: String) {
            self.said = said
            self.trouble = trouble
            self.phrase = phrase
        }

        var testDescription: String { said }
    }

    static let rights = "Please make sure you have the correct access rights\nand the repository exists."
    static let remote = "fatal: Could not read from remote repository.\n\n\(rights)\n"
    static let url = "https://git.example.com/scm/acme/shop.git"

    static let samples = [
        Sample("fatal: couldn't find remote ref refs/heads/main\n", .missing, "HOST does not have the ref"),
        Sample(
            "fatal: could not read Username for 'https://git.example.com': terminal prompts disabled\n", .final,
            "HOST refused the credentials of account acme; check its auth"),
        Sample("fatal: Authentication failed for '\(url)/'\n", .final, "HOST refused the credentials of account acme; check its auth"),
        Sample(
            "fatal: unable to access '\(url)/': The requested URL returned error: 403\n", .final,
            "HOST does not let account acme read the repository; check its auth and its rights"),
        Sample(
            "git@git.example.com: Permission denied (publickey).\r\n\(remote)", .final,
            "HOST does not let account acme read the repository; check its auth and its rights"),
        Sample(
            "No ED25519 host key is known for [127.0.0.1]:7999 and you have requested strict checking.\r\nHost key verification failed.\r\n\(remote)",
            .final, "the ssh host key of HOST is not in the known_hosts of account acme"),
        Sample(
            "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\nHost key verification failed.\r\n\(remote)", .final,
            "the ssh host key of HOST is not in the known_hosts of account acme"),
        Sample(
            "fatal: unable to access '\(url)/': The requested URL returned error: 410\n", .final,
            "HOST no longer takes this kind of credential (410); give account acme an API token or access token"),
        Sample(
            "remote: Repository not found\nfatal: repository '\(url)/' not found\n", .final,
            "there is no such repository, or account acme may not see it: repository '\(url)/' not found"),
        Sample(
            "fatal: '/srv/git/none.git' does not appear to be a git repository\n\(remote)", .final,
            "there is no such repository, or account acme may not see it: '/srv/git/none.git' does not appear to be a git repository"),
        Sample(
            "fatal: unable to access '\(url)/': server certificate verification failed. CAfile: none CRLfile: none\n", .final,
            "git failed: unable to access '\(url)/': server certificate verification failed. CAfile: none CRLfile: none"),
        Sample(
            "fatal: unable to access '\(url)/': SSL certificate problem: unable to get local issuer certificate\n", .final,
            "git failed: unable to access '\(url)/': SSL certificate problem: unable to get local issuer certificate"),
        Sample(
            "fatal: unable to access '\(url)/': Could not resolve host: git.example.com\n", .unreachable,
            "HOST could not be reached: unable to access '\(url)/': Could not resolve host: git.example.com"),
        Sample(
            "fatal: unable to access '\(url)/': Failed to connect to git.example.com port 443 after 0 ms: Couldn't connect to server\n",
            .unreachable,
            "HOST could not be reached: unable to access '\(url)/': Failed to connect to git.example.com port 443 after 0 ms: Couldn't connect to server"
        ),
        Sample(
            "fatal: unable to access '\(url)/': The requested URL returned error: 502\n", .unreachable,
            "HOST could not be reached: unable to access '\(url)/': The requested URL returned error: 502"),
        Sample(
            "error: RPC failed; curl 28 Operation too slow. Less than 1 bytes/sec transferred the last 60 seconds\nfatal: early EOF\n",
            .unreachable, "HOST could not be reached: early EOF"),
        Sample(
            "ssh: connect to host git.example.com port 7999: Connection refused\r\n\(remote)", .unreachable,
            "HOST could not be reached: ssh: connect to host git.example.com port 7999: Connection refused"),
        Sample(
            "kex_exchange_identification: Connection closed by remote host\r\n\(remote)", .unreachable,
            "HOST could not be reached: kex_exchange_identification: Connection closed by remote host"),
        Sample(
            "error: unable to write file a: No space left on device\nfatal: cannot create directory at 'b': No space left on device\n",
            .final,
            "no space is left on the device; free some and retry"),
        Sample("fatal: something nobody ever saw\n", .final, "git failed: something nobody ever saw"),
        Sample("", .final, "git failed: it said nothing"),
    ]

    @Test("what git said is read for people, and for whether to try again", arguments: samples)
    func reading(sample: Sample) {
        let answer = GitAnswer(output: sample.said, account: "acme", host: "HOST")
        #expect(answer.trouble == sample.trouble)
        #expect(answer.phrase == sample.phrase)
    }

    @Test("what a server says can neither move a cursor nor fill a line without end")
    func hostile() {
        let said = "fatal: \u{1B}[2J\u{202E}" + String(repeating: "x", count: 5000)
        let phrase = GitAnswer(output: said, account: "acme", host: "HOST").phrase
        #expect(phrase.hasPrefix("git failed: \\x1b[2J\\u202exxx"))
        #expect(phrase.utf8.count < 500)
    }
}
