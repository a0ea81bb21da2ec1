import Foundation
import RealParts
import Testing

/// What a shell offers for names and numbers: the daemon is asked for them.
@Suite(.fewAtOnce) struct CompletionTests {
    @Test("bash completes names of apps and numbers of jobs and deliveries, as the daemon knows them")
    func asksTheDaemon() async throws {
        try await withSite(apps: ["blog": "branch: stage\n"]) { site in
            let job = try await site.push(["a": "1"]).job
            _ = try await site.runToEnd(job)
            #expect(try await offered("bittern", "deploy", "", at: site) == ["blog", "shop"])
            #expect(try await offered("bittern", "rollback", "sh", at: site) == ["shop"])
            #expect(try await offered("bittern", "cache", "clear", "b", at: site) == ["blog"])
            #expect(try await offered("bittern", "jobs", "--app", "", at: site) == ["blog", "shop"])
            #expect(try await offered("bittern", "show", "", at: site) == ["\(job)"])
            #expect(try await offered("bittern", "explain", "", at: site) == ["1"])
        }
    }

    @Test("where no daemon answers nothing is offered, and nothing is said")
    func noDaemon() async throws {
        try await withTemporaryDirectory { directory in
            let result = try await complete(["bittern", "deploy", ""], socket: "/nonexistent/control.sock", in: directory)
            #expect(result.output == "\n" && result.error.isEmpty, "\(result)")
        }
    }

    private func offered(_ words: String..., at site: Site) async throws -> [String] {
        let result = try await withTemporaryDirectory { directory in
            try await complete(words, socket: site.daemon.setup.controlSocket, in: directory)
        }
        return result.output.split(whereSeparator: \.isWhitespace).map(String.init).filter { !$0.hasPrefix("-") }.sorted()
    }

    /// What readline sets before it calls the function that was registered (bash(1), Programmable Completion).
    private func complete(_ words: [String], socket: String, in directory: TemporaryDirectory) async throws -> ShellResult {
        let binary = try BitternBinary.path()
        let script = try directory.write(try await Shell.run([binary, "--generate-completion-script", "bash"]).output, to: "completions")
        let line = words.joined(separator: " ")
        let quoted = words.map { "'\($0)'" }.joined(separator: " ")
        let typed = "COMP_WORDS=(\(quoted)) COMP_CWORD=\(words.count - 1) COMP_LINE='\(line)' COMP_POINT=\(line.utf8.count)"
        let around = words.suffix(2).reversed().map { "'\($0)'" }.joined(separator: " ")
        let call = #"$(complete -p bittern | sed 's/.*-F \([^ ]*\).*/\1/') bittern \#(around); echo "${COMPREPLY[*]}""#
        let path = "PATH='\(URL(filePath: binary).deletingLastPathComponent().path)':$PATH"
        return try await Shell.run(
            ["bash", "--norc", "-c", "\(path); source '\(script)'; \(typed); \(call)"], environment: ["BITTERN_SOCKET": socket])
    }
}
