/// Where a webhook is registered at a forge.
package enum HookPlace: Sendable, Hashable {
    case repository(RepositoryName)
    /// A workspace of Cloud or a project of Data Center: the hook fires for all of its repositories.
    case owner(String)

    /// A repository's full name, or an owner's alone; nil for anything else.
    package init?(_ text: String) {
        if let repository = RepositoryName(text) {
            self = .repository(repository)
        } else if !text.contains("/"), RepositoryName(owner: text, slug: "any") != nil {
            self = .owner(text)
        } else {
            return nil
        }
    }

    package var name: String {
        switch self {
        case .repository(let name): name.description
        case .owner(let name): name
        }
    }
}

/// A webhook as the forge has it.
package struct ForgeHook: Sendable, Equatable {
    package var id: String
    package var url: String
    /// For people.
    package var name: String
    package var events: Set<String>
    package var isActive: Bool
    /// nil: the forge does not say.
    package var hasSecret: Bool?
    /// Whether it looks at the certificate of whom it sends to; nil: the forge does not say.
    package var checksCertificate: Bool?

    package init(
        id: String, url: String, name: String, events: Set<String>, isActive: Bool, hasSecret: Bool?, checksCertificate: Bool? = nil
    ) {
        self.id = id
        self.url = url
        self.name = name
        self.events = events
        self.isActive = isActive
        self.hasSecret = hasSecret
        self.checksCertificate = checksCertificate
    }
}

/// A webhook as this daemon wants it. It is known by its address alone: whatever else leads elsewhere is somebody else's.
package struct WantedHook: Sendable, Equatable {
    package var url: String
    package var name: String
    package var events: Set<String>

    package init(url: String, name: String, events: Set<String>) {
        self.url = url
        self.name = name
        self.events = events
    }

    package func isOurs(_ hook: ForgeHook) -> Bool { Self.plain(hook.url) == Self.plain(url) }

    /// What of a hook of ours is not as it should be, in words; empty: nothing. Events that somebody added stay.
    package func differences(from hook: ForgeHook) -> [String] {
        let missing = events.subtracting(hook.events).sorted()
        return [
            missing.isEmpty ? nil : "it did not send \(missing.joined(separator: ", "))",
            hook.isActive ? nil : "it was switched off",
            hook.hasSecret == false ? "it had no secret" : nil,
        ].compactMap(\.self)
    }

    /// People paste addresses with a slash behind, and hosts in capitals.
    private static func plain(_ url: String) -> String {
        guard let address = WebAddress(url) else { return url }
        let port = address.port == (address.scheme == "http" ? 80 : 443) ? nil : address.port
        var path = address.path[...]
        while path.hasSuffix("/") { path = path.dropLast() }
        return "\(address.scheme)://\(address.host)\(port.map { ":\($0)" } ?? "")\(path)"
    }
}

/// A repository as the forge lists it.
package struct ForgeRepository: Sendable, Equatable {
    package var name: RepositoryName
    /// Its number or UUID.
    package var id: String?
    /// Cloud says it along.
    package var mainBranch: String?
    /// The hosts its own links lead to.
    package var linkHosts: Set<String>

    package init(name: RepositoryName, id: String?, mainBranch: String?, linkHosts: Set<String> = []) {
        self.name = name
        self.id = id
        self.mainBranch = mainBranch
        self.linkHosts = linkHosts
    }
}

/// A branch as the forge lists it.
package struct ForgeBranch: Sendable, Equatable {
    package var name: String
    package var commit: CommitID

    package init(name: String, commit: CommitID) {
        self.name = name
        self.commit = commit
    }
}

/// What a forge said of a delivery that it was asked to try.
package struct HookTrial: Sendable, Equatable {
    /// What our listener answered; nil: it was not reached.
    package var status: Int?
    /// What the forge says went wrong.
    package var trouble: String?

    package init(status: Int?, trouble: String?) {
        self.status = status
        self.trouble = trouble
    }
}

/// What an OAuth server gave out.
package struct OAuthTokens: Sendable, Equatable {
    package var access: Secret
    /// How long the access token is good.
    package var lifetime: Duration
    /// Takes the place of the one before, which is dead from now on; nil: there is none.
    package var refresh: Secret?

    package init(access: Secret, lifetime: Duration, refresh: Secret?) {
        self.access = access
        self.lifetime = lifetime
        self.refresh = refresh
    }
}

/// The `host` part of an address; nil where there is none.
package func hostOfAddress(_ address: String) -> String? {
    WebAddress(address).flatMap { $0.host.isEmpty ? nil : $0.host }
}
