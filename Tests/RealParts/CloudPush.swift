/// Builds the body of a Bitbucket Cloud `repo:push`, change by change:
/// `CloudPush(repository: "acme/shop").branch("main", old: a, new: b).delivery(secret: s)`.
package struct CloudPush: Sendable {
    private let repository: String
    private let uuid: String
    private var changes: [JSONValue] = []

    /// Starts with no change; `repository` is `workspace/slug`. Without a UUID it has one of its own, the same each time.
    package init(repository: String, uuid: String? = nil) {
        self.repository = repository
        self.uuid = uuid ?? "{708c9715-0ecc-4a5d-87ed-\(Signature.hash(of: repository.lowercased()).prefix(12))}"
    }

    /// A branch that was made (no `old`), moved, or moved by force.
    package func branch(_ name: String, old: String? = nil, new: String, forced: Bool = false) -> CloudPush {
        adding(
            change(
                old: old.map { branch(name, at: $0) },
                new: branch(name, at: new),
                forced: forced,
                more: ["commits": [commit(new)]]
            )
        )
    }

    /// A branch that was deleted.
    package func deletedBranch(_ name: String, old: String) -> CloudPush {
        adding(change(old: branch(name, at: old), new: nil))
    }

    /// A tag that was made or moved. Cloud gives the commit, of an annotated tag too.
    package func tag(_ name: String, old: String? = nil, new: String, annotated: Bool = false) -> CloudPush {
        adding(change(old: old.map { tag(name, at: $0, annotated: annotated) }, new: tag(name, at: new, annotated: annotated)))
    }

    /// A tag that was deleted.
    package func deletedTag(_ name: String, old: String) -> CloudPush {
        adding(change(old: tag(name, at: old, annotated: false), new: nil))
    }

    /// The whole body as a value.
    package var json: JSONValue {
        [
            "push": ["changes": .array(changes)],
            "repository": repositoryObject,
            "actor": user,
        ]
    }

    /// The delivery of this push, signed where there is a secret.
    package func delivery(secret: String?, requestID: String = Delivery.freshID()) throws -> Delivery {
        .cloud(event: "repo:push", body: try json.bytes, secret: secret, requestID: requestID)
    }

    /// What the forge sends when the repository was called otherwise before: `repo:updated`.
    package func renameDelivery(from old: String, secret: String?) throws -> Delivery {
        let body: JSONValue = [
            "actor": user, "repository": repositoryObject,
            "changes": ["full_name": ["old": .string(old), "new": .string(repository)]],
        ]
        return .cloud(event: "repo:updated", body: try body.bytes, secret: secret)
    }

    private var api: String { "https://api.bitbucket.org/2.0/repositories/\(repository)" }
    private var page: String { "https://bitbucket.org/\(repository)" }

    private func adding(_ change: JSONValue) -> CloudPush {
        var copy = self
        copy.changes.append(change)
        return copy
    }

    private func change(old: JSONValue?, new: JSONValue?, forced: Bool = false, more: [String: JSONValue] = [:]) -> JSONValue {
        let members: [String: JSONValue] = [
            "old": old ?? .null,
            "new": new ?? .null,
            "created": .bool(old == nil),
            "closed": .bool(new == nil),
            "forced": .bool(forced),
            "truncated": false,
        ]
        return .object(members.merging(more) { _, given in given })
    }

    private func branch(_ name: String, at hash: String) -> JSONValue {
        [
            "type": "branch",
            "name": .string(name),
            "target": commit(hash),
            "links": links(api: "/refs/branches/\(name)", page: "/branch/\(name)"),
            "merge_strategies": ["merge_commit", "squash", "fast_forward"],
            "default_merge_strategy": "merge_commit",
        ]
    }

    private func tag(_ name: String, at hash: String, annotated: Bool) -> JSONValue {
        [
            "type": "tag",
            "name": .string(name),
            "message": annotated ? "Tag \(name)\n" : nil,
            "date": annotated ? "2026-01-02T03:04:05+00:00" : nil,
            "tagger": annotated ? [:] : nil,
            "target": commit(hash),
            "links": links(api: "/refs/tags/\(name)", page: "/commits/tag/\(name)"),
        ]
    }

    private func commit(_ hash: String) -> JSONValue {
        [
            "type": "commit",
            "hash": .string(hash),
            "date": "2026-01-02T03:04:05+00:00",
            "author": author,
            "message": "Change\n",
            "parents": [],
            "links": links(api: "/commit/\(hash)", page: "/commits/\(hash)"),
        ]
    }

    private var repositoryObject: JSONValue {
        let parts = repository.split(separator: "/", maxSplits: 1).map(String.init)
        return [
            "type": "repository",
            "full_name": .string(repository),
            "name": .string(parts.last ?? ""),
            "scm": "git",
            "website": nil,
            "is_private": true,
            "uuid": .string(uuid),
            "links": links(api: "", page: ""),
            "owner": user,
            "workspace": [
                "type": "workspace",
                "slug": .string(parts.first ?? ""),
                "name": .string(parts.first ?? ""),
                "uuid": "{5e429024-1f85-425f-8955-8af0c35d1b41}",
            ],
        ]
    }

    private func links(api path: String, page: String) -> JSONValue {
        ["self": ["href": "\(api)\(path)"], "html": ["href": "\(self.page)\(page)"]]
    }

    private var author: JSONValue {
        ["type": "author", "raw": "Ada Author <ada@example.com>", "user": user]
    }

    private var user: JSONValue {
        [
            "type": "user",
            "display_name": "Ada Author",
            "nickname": "ada",
            "uuid": "{f70f195e-ade1-4961-9f89-547541377b80}",
            "account_id": "557058:270a1f96-cd27-4013-ade6-85df2ab9820c",
        ]
    }
}
