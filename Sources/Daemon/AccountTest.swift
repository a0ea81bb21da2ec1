import Domain
import Exec
import Providers

/// Asks a forge, with an account's credential, for everything Bittern could want of it.
struct AccountTest: Sendable {
    let forges: Forges
    let mirrors: GitMirrors

    func findings(_ account: Account, in configuration: Configuration) async -> [Finding] {
        var facts = Diagnosis.AccountFacts(account)
        facts.isLoggedIn = await forges.tokens.isLoggedIn(account)
        let apps = configuration.apps(of: account)
        if account.rest != nil {
            do {
                try await forges.with(account) { client in facts = await look(facts, apps, client) }
            } catch {
                // There was not even a client, or a token.
                facts.user = .refused("\(error)")
            }
        }
        let own = configuration.onlyApps(of: account)
        let questions = RepositoryQuestion.all(of: own)
        return Diagnosis.account(facts)
            + (await RepositoryQuestion.ask(questions, mirrors, configuration.environment) { try await forges.bearer(for: $0) })
    }

    private func look(_ facts: Diagnosis.AccountFacts, _ apps: [App], _ client: ForgeClient) async -> Diagnosis.AccountFacts {
        var facts = facts
        if let request = client.api.server { facts.version = await answer { try await client.send(request) } }
        if let request = client.api.user {
            do {
                let identity = try await client.send(request)
                facts.scopes = identity.scopes
                facts.user = .said(SafeText.shown(identity.name, limit: 100))
            } catch let error as ForgeError where error.code == .forbidden {
                // Whose it is it need not be allowed to say.
            } catch {
                facts.user = .refused("\(error)")
            }
        }
        let names = Self.unique(apps.map(\.repository)) { $0 }
        for name in names {
            let links: Diagnosis.AccountFacts.Answer<Set<String>> = await answer {
                let seen = try await client.send(client.api.repository(name))
                facts.scopes = facts.scopes ?? seen.scopes
                return seen.repository.linkHosts
            }
            facts.used.append((name: name, links: links))
        }
        for owner in await owners(facts.account, apps, client) {
            facts.repositories.append(
                (owner: owner, count: await answer { try await client.all(client.api.repositories(of: owner)).count }))
        }
        if let first = names.first {
            facts.hooks = await answer { _ = try await client.send(client.api.hooks(at: .repository(first))) }
        }
        return facts
    }

    private func answer<Value: Sendable>(_ ask: () async throws -> Value) async -> Diagnosis.AccountFacts.Answer<Value> {
        do {
            return .said(try await ask())
        } catch {
            return .refused("\(error)")
        }
    }

    /// The workspaces or projects that are looked into: those the forge names, and those of the configuration.
    func owners(_ account: Account, _ apps: [App], _ client: ForgeClient) async -> [String] {
        var owners = [account.workspace].compactMap(\.self) + apps.map(\.repository.owner)
        // Where it does not say, there are those of the configuration.
        if let request = client.api.owners, let named = try? await client.all(request) { owners += named }
        return Self.unique(owners) { $0.lowercased() }
    }

    private static func unique<Value, Key: Hashable>(_ values: [Value], key: (Value) -> Key) -> [Value] {
        var seen: Set<Key> = []
        return values.filter { seen.insert(key($0)).inserted }
    }
}

extension Configuration {
    fileprivate func onlyApps(of account: Account) -> Configuration {
        var own = self
        own.apps = apps(of: account)
        return own
    }
}
