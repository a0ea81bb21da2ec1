import Domain
import Exec

/// One repository to be asked whether it answers, for all apps that show it the same credentials.
struct RepositoryQuestion: Sendable {
    private static let atOnce = 4
    /// More branches are not asked for.
    private static let branches = 20

    /// One of the apps; for the others the answer would be the same.
    let app: App
    /// With the credentials that are shown.
    let account: Account
    private(set) var repository: Diagnosis.Repository

    /// In the order of the apps' names.
    static func all(of configuration: Configuration) -> [RepositoryQuestion] {
        var questions: [RepositoryQuestion] = []
        for app in configuration.apps {
            guard let named = configuration.accounts[app.account] else { continue }
            let account = named.used(by: app)
            let branches = app.branches.compactMap(\.literalName).compactMap { RefName(.branch, $0) }.prefix(Self.branches)
            if let known = questions.firstIndex(where: { $0.app.cloneURL == app.cloneURL && $0.account == account }) {
                questions[known].repository.apps.append(app.name)
                for branch in branches where !questions[known].repository.branches.contains(branch) {
                    questions[known].repository.branches.append(branch)
                }
            } else {
                let repository = Diagnosis.Repository(cloneURL: app.cloneURL, apps: [app.name], branches: Array(branches))
                questions.append(RepositoryQuestion(app: app, account: account, repository: repository))
            }
        }
        return questions
    }

    /// The answers in the order of the questions.
    ///
    /// - Parameter credentials: the account with what it shows to git at this moment.
    static func ask(
        _ questions: [RepositoryQuestion], _ mirrors: GitMirrors, _ environment: [String: String],
        credentials: @escaping @Sendable (Account) async throws -> Account
    ) async -> [Finding] {
        await withTaskGroup(of: (Int, Finding).self) { group in
            var waiting = questions.enumerated().makeIterator()
            var findings: [Int: Finding] = [:]
            func askNext() {
                guard let (number, question) = waiting.next() else { return }
                group.addTask { (number, await question.finding(mirrors, environment, credentials)) }
            }
            for _ in 0..<atOnce { askNext() }
            while let (number, finding) = await group.next() {
                findings[number] = finding
                askNext()
            }
            return findings.sorted { $0.key < $1.key }.map(\.value)
        }
    }

    private func finding(
        _ mirrors: GitMirrors, _ environment: [String: String], _ credentials: (Account) async throws -> Account
    ) async -> Finding {
        // What could not be read is empty, and the answer to it would be about that.
        guard !account.credentialSecrets.contains(where: { $0.count == 0 }) else { return Diagnosis.repository(repository, .notAsked) }
        do {
            let account = try await credentials(account)
            // Who would have to be given a token is somebody else.
            guard account.consumer == nil else { return Diagnosis.repository(repository, .notAsked) }
            let heads = try await mirrors.heads(of: repository.branches, app: app, account: account, environment: environment)
            return Diagnosis.repository(repository, .heads(heads))
        } catch {
            return Diagnosis.repository(repository, .refused("\(error)"))
        }
    }
}
