import Domain

extension GitMirrors {
    /// No release is larger; in bytes.
    private static let largest = 64 << 30
    private static let mostFiles = 2_000_000

    /// How many bytes the files of a commit take, before any of them is written.
    ///
    /// - Throws: ``ExecError`` for a commit that would fill any disk: a few kilobytes in a repository can stand for any number of files.
    func size(of commit: String, _ git: GitCommand, _ mirror: String) async throws -> Int {
        let run = try await GitRun.run(git.size(of: commit, atMost: Self.mostFiles, mirror: mirror), log: nil)
        try Task.checkCancellation()
        let numbers = run.text.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
        guard run.outcome == .succeeded, numbers.count == 2 else { throw ExecError(.git, "git could not say how large the commit is") }
        guard numbers[0] <= Self.largest, numbers[1] <= Self.mostFiles else {
            throw ExecError(
                .git, "the commit has more than \(Self.mostFiles) files, or more than \(Self.largest >> 30) GB in them; that is no release")
        }
        return numbers[0]
    }
}
