import Domain

/// What git said before it failed, read for people and for the decision whether to try again.
struct GitAnswer: Sendable, Equatable {
    /// ``FetchRetry/Trouble``, or that the repository is elsewhere.
    enum Trouble: Sendable, Equatable {
        case missing, unreachable, final, moved

        var retried: FetchRetry.Trouble {
            switch self {
            case .missing: .missing
            case .unreachable: .unreachable
            case .final, .moved: .final
            }
        }
    }

    let trouble: Trouble
    /// One phrase with the cause and, where one is known, what to do.
    let phrase: String

    /// - Parameter output: everything git and its transport wrote, already masked.
    init(output: String, account: String, host: String) {
        let rule = Self.rules.first { rule in rule.signs.contains { output.contains($0) } }
        let said = Self.mainLine(of: output)
        trouble = rule?.trouble ?? .final
        phrase = rule?.phrase.map { $0(account, host, said) } ?? "git failed: \(said)"
    }

    static let noSpace = "no space is left on the device; free some and retry"

    private typealias Phrase = @Sendable (_ account: String, _ host: String, _ said: String) -> String

    private struct Rule: Sendable {
        let signs: [String]
        let trouble: Trouble
        let phrase: Phrase?
    }

    /// The first that fits counts. The signs are git's, curl's and OpenSSH's own words in the C locale.
    private static let rules: [Rule] = [
        Rule(signs: ["No space left on device", "Disk quota exceeded"], trouble: .final) { _, _, _ in noSpace },
        Rule(
            signs: ["returned error: 301", "returned error: 302", "returned error: 307", "returned error: 308"], trouble: .moved
        ) { account, host, _ in
            "\(host) leads to another address, which is not followed; check the repository's name and account \(account)"
        },
        Rule(signs: ["fsck error in"], trouble: .final) { _, host, said in
            "what \(host) sent is malformed, and git refuses it (git-fsck(1)): \(said)"
        },
        Rule(signs: ["couldn't find remote ref"], trouble: .missing) { _, host, _ in "\(host) does not have the ref" },
        Rule(
            signs: ["could not read Username", "Authentication failed", "returned error: 401", "could not read Password"], trouble: .final
        ) {
            account, host, _ in "\(host) refused the credentials of account \(account); check its auth"
        },
        Rule(signs: ["returned error: 403", "Permission denied (publickey", "Permission to "], trouble: .final) { account, host, _ in
            "\(host) does not let account \(account) read the repository; check its auth and its rights"
        },
        Rule(signs: ["Host key verification failed", "REMOTE HOST IDENTIFICATION HAS CHANGED", "host key is known"], trouble: .final) {
            account, host, _ in "the ssh host key of \(host) is not in the known_hosts of account \(account)"
        },
        Rule(signs: ["returned error: 410"], trouble: .final) { account, host, _ in
            "\(host) no longer takes this kind of credential (410); give account \(account) an API token or access token"
        },
        Rule(
            signs: ["returned error: 404", "not found", "does not appear to be a git repository", "does not exist", "dubious ownership"],
            trouble: .final
        ) { account, host, said in "there is no such repository, or account \(account) may not see it: \(said)" },
        Rule(signs: ["SSL certificate problem", "server certificate verification failed", "certificate"], trouble: .final, phrase: nil),
        Rule(
            signs: [
                "Could not resolve host", "Name or service not known", "Connection refused", "Connection timed out", "Operation timed out",
                "Failed to connect", "Network is unreachable", "No route to host", "Connection reset", "Connection closed", "early EOF",
                "The requested URL returned error: 5", "Operation too slow", "Empty reply from server",
                "Temporary failure in name resolution",
                "unexpected disconnect", "the remote end hung up",
            ], trouble: .unreachable
        ) { _, host, said in "\(host) could not be reached: \(said)" },
    ]

    /// The last line that git marked as the cause, without the mark; or the last line of all. The lines with which git ends every
    /// failure of a transport name no cause.
    private static func mainLine(of output: String) -> String {
        let lines = output.split(whereSeparator: \.isNewline).map(String.init)
            .filter { line in !emptyPhrases.contains { line.contains($0) } }
        let marked = lines.last { $0.hasPrefix("fatal: ") || $0.hasPrefix("error: ") }
        let line = marked.map { String($0.dropFirst(7)) } ?? lines.last ?? "it said nothing"
        return SafeText.shown(line, limit: 400)
    }

    private static let emptyPhrases = [
        "Could not read from remote repository", "Please make sure you have the correct access rights", "and the repository exists.",
        "index-pack failed", "fsck error in packed object", "unpack-objects failed",
    ]
}
