import Domain
import FoundationEssentials
import NIOHTTP1
import Providers

/// Sends a delivery as the forge would, through the listener that hears the forge: what comes of it came of everything a real one passes.
struct Simulation: Sendable {
    let doors: [HooksDoor]
    let live: LiveConfiguration

    struct Trouble: Error {
        let sentence: String
    }

    /// The names of the apps that would deploy it.
    func listeners(of app: App, _ ref: RefName, _ commit: CommitID) -> [String] {
        let pushed = PushedRef.change(Change(ref: ref, old: nil, new: commit))
        let push = Push(repository: app.repository.description, repositoryID: nil, refs: [pushed])
        let matches = door(of: app)?.matcher.changes(of: push).flatMap(\.matches) ?? []
        return matches.filter { $0.decision == .deploy }.compactMap(\.app)
    }

    /// Where its deliveries come in.
    private func door(of app: App) -> Door? {
        let doors = live.inForce.doors
        return app.hookSecrets == nil ? doors[app.account] : doors[app.account, app.name]
    }

    /// - Returns: the number of the delivery.
    /// - Throws: ``Trouble`` with a sentence for people.
    func push(_ app: App, _ ref: RefName, _ commit: CommitID) async throws -> Int64 {
        guard let listener = doors.first else { throw Trouble(sentence: "the daemon listens for no hooks (`hooks: off`)") }
        guard let door = door(of: app), let secret = door.account.hookSecrets.first else {
            throw Trouble(sentence: "no hook leads to \(app.name); bittern reload reads the configuration again")
        }
        let push = TrialPush(repository: app.repository, ref: ref, commit: commit, requestID: UUID().uuidString.lowercased())
        let delivery = door.provider.delivery(of: push, secret: secret)
        let path = "/hooks/\(app.account)" + (door.app.map { "/\($0)" } ?? "")
        let answer: HooksDoor.Answer
        do {
            answer = try await listener.send(.POST, path, headers: delivery.headers, body: delivery.body)
        } catch {
            throw Trouble(sentence: "\(listener.name) gave no answer (\(WebProbe.phrase(error))); bittern doctor looks for the cause")
        }
        guard let stored = try? JSONDecoder().decode(Stored.self, from: Data(answer.body)), let id = Int64(stored.delivery) else {
            throw Trouble(
                sentence: "\(listener.name) answered \(answer.status) \(SafeText.shown(String(decoding: answer.body, as: UTF8.self)))")
        }
        return id
    }

    /// What of the answer is needed here.
    private struct Stored: Decodable {
        let delivery: String
    }
}
