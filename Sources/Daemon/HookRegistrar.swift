import ControlAPI
import Domain
import Providers

/// Registers this daemon's hooks at a forge, and only ever touches those that lead to it.
struct HookRegistrar: Sendable {
    let client: ForgeClient
    /// The hooks that lead here, with the secret of each; the first is the account's.
    let wanted: [(hook: WantedHook, secret: Secret?)]

    /// What is registered, ours and others'.
    func list(_ places: [HookPlace]) async throws -> [ForgeHookReply] {
        var replies: [ForgeHookReply] = []
        for place in places {
            for hook in try await client.all(client.api.hooks(at: place)) {
                replies.append(ForgeHookReply(hook, at: place, isOurs: wanted.contains { $0.hook.isOurs(hook) }))
            }
        }
        return replies
    }

    /// Brings each place to have the hook; one that is there is changed only where it differs.
    ///
    /// - Parameter setsSecret: whether the secret of one that is there is set anew.
    func add(_ places: [(place: HookPlace, hook: WantedHook, secret: Secret)], setsSecret: Bool) async -> [HookChangeReply] {
        var replies: [HookChangeReply] = []
        for (place, hook, secret) in places {
            replies.append(await trying(place, hook) { try await add(hook, secret, at: place, setsSecret: setsSecret) })
        }
        return replies
    }

    func remove(_ places: [HookPlace]) async -> [HookChangeReply] {
        var replies: [HookChangeReply] = []
        for place in places {
            guard let first = wanted.first?.hook else { continue }
            replies.append(
                await trying(place, first) {
                    let ours = try await ours(at: place)
                    for hook in ours { try await client.send(client.api.remove(hook, at: place)) }
                    return HookChangeReply(place: place.name, url: ours.first?.url ?? first.url, done: ours.isEmpty ? .missing : .removed)
                })
        }
        return replies
    }

    private func ours(at place: HookPlace) async throws -> [ForgeHook] {
        try await client.all(client.api.hooks(at: place)).filter { hook in wanted.contains { $0.hook.isOurs(hook) } }
    }

    private func add(_ hook: WantedHook, _ secret: Secret, at place: HookPlace, setsSecret: Bool) async throws -> HookChangeReply {
        let existing = try await client.all(client.api.hooks(at: place)).first(where: hook.isOurs)
        guard let existing else {
            let added = try await client.send(client.api.add(hook, secret: secret, at: place))
            return HookChangeReply(place: place.name, url: hook.url, done: .added, test: await trial(added, at: place))
        }
        let differences = hook.differences(from: existing) + (setsSecret ? ["its secret was set anew"] : [])
        guard !differences.isEmpty else {
            let doubts = existing.hasSecret == nil ? ["whether it has the right secret the forge does not say; --new-secret sets it"] : []
            return HookChangeReply(
                place: place.name, url: existing.url, done: .unchanged, reasons: doubts, test: await trial(existing, at: place))
        }
        // A forge that does not say whether there is one cannot leave the one there is.
        let needsSecret = setsSecret || existing.hasSecret != true
        let changed = try await client.send(client.api.change(existing, to: hook, secret: needsSecret ? secret : nil, at: place))
        return HookChangeReply(
            place: place.name, url: existing.url, done: .changed, reasons: differences, test: await trial(changed, at: place))
    }

    private func trial(_ hook: ForgeHook, at place: HookPlace) async -> String? {
        guard let request = client.api.tryOut(hook, at: place) else { return nil }
        do {
            let trial = try await client.send(request)
            switch trial.status {
            case 200: return "the forge reached it"
            case let status?: return "the forge reached something that answers \(status), wanted 200; does \(hook.url) lead to this daemon?"
            case nil:
                let why = trial.trouble.map { ": " + SafeText.shown($0, limit: 200) } ?? ""
                return "the forge could not reach it\(why); look at public_url, the network and the certificate"
            }
        } catch {
            return "the forge would not try it: \(error)"
        }
    }

    private func trying(_ place: HookPlace, _ hook: WantedHook, _ work: () async throws -> HookChangeReply) async -> HookChangeReply {
        do {
            return try await work()
        } catch {
            return HookChangeReply(place: place.name, url: hook.url, done: .failed, reasons: ["\(error)"])
        }
    }
}
