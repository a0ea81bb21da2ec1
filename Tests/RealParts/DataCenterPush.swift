/// Builds the body of a Bitbucket Data Center `repo:refs_changed`, change by change:
/// `DataCenterPush(repository: "ACME/shop").branch("main", old: a, new: b).delivery(secret: s)`.
package struct DataCenterPush: Sendable {
    private static let nothing = String(repeating: "0", count: 40)

    private let repository: String
    private let id: Int
    private var changes: [JSONValue] = []
    private var head: String?

    /// Starts with no change; `repository` is `PROJECT/slug` or `~user/slug`. Without a number it has one of its own, the same each time.
    package init(repository: String, id: Int? = nil) {
        self.repository = repository
        self.id = id ?? Int(Signature.hash(of: repository.lowercased()).prefix(6), radix: 16) ?? 2
    }

    /// A branch that was made (no `old`) or moved; Data Center does not say when it was by force.
    package func branch(_ name: String, old: String? = nil, new: String) -> DataCenterPush {
        adding("BRANCH", name, from: old, to: new)
    }

    /// A branch that was deleted.
    package func deletedBranch(_ name: String, old: String) -> DataCenterPush {
        adding("BRANCH", name, from: old, to: nil)
    }

    /// A tag that was made or moved. Data Center gives what the ref holds: of an annotated tag the tag object's hash.
    package func tag(_ name: String, old: String? = nil, new: String) -> DataCenterPush {
        adding("TAG", name, from: old, to: new)
    }

    /// A tag that was deleted.
    package func deletedTag(_ name: String, old: String) -> DataCenterPush {
        adding("TAG", name, from: old, to: nil)
    }

    /// The whole body as a value.
    package var json: JSONValue { .object(members(event: "repo:refs_changed")) }

    /// The delivery of this push, signed where there is a secret.
    package func delivery(secret: String?, requestID: String = Delivery.freshID()) throws -> Delivery {
        .dataCenter(event: "repo:refs_changed", body: try json.bytes, secret: secret, requestID: requestID)
    }

    /// The same changes as a mirror tells them when it has them: `mirror:repo_synchronized`.
    package func mirrorDelivery(secret: String?, requestID: String = Delivery.freshID()) throws -> Delivery {
        var members = members(event: "mirror:repo_synchronized")
        members["mirrorServer"] = ["id": "B4Q5-XXXX", "name": "mirror"]
        members["syncType"] = "incremental"
        members["refLimitExceeded"] = false
        let body = try JSONValue.object(members).bytes
        return .dataCenter(event: "mirror:repo_synchronized", body: body, secret: secret, requestID: requestID)
    }

    /// What a mirror sends that was given more refs than it names.
    package func limitedDelivery(secret: String?) throws -> Delivery {
        var members = members(event: "mirror:repo_synchronized")
        members["mirrorServer"] = ["id": "B4Q5-XXXX", "name": "mirror"]
        members["syncType"] = "incremental"
        members["refLimitExceeded"] = true
        return .dataCenter(event: "mirror:repo_synchronized", body: try JSONValue.object(members).bytes, secret: secret)
    }

    /// What the forge sends when the repository was called otherwise before: `repo:modified`.
    package func renameDelivery(from old: String, secret: String?) throws -> Delivery {
        let body: JSONValue = [
            "eventKey": "repo:modified", "date": "2026-01-02T03:04:05+0000",
            "old": DataCenterPush(repository: old, id: id).repositoryObject, "new": repositoryObject,
        ]
        return .dataCenter(event: "repo:modified", body: try body.bytes, secret: secret)
    }

    private func adding(_ type: String, _ name: String, from old: String?, to new: String?) -> DataCenterPush {
        let ref = (type == "TAG" ? "refs/tags/" : "refs/heads/") + name
        var copy = self
        copy.changes.append([
            "ref": ["id": .string(ref), "displayId": .string(name), "type": .string(type)],
            "refId": .string(ref),
            "fromHash": .string(old ?? Self.nothing),
            "toHash": .string(new ?? Self.nothing),
            "type": old == nil ? "ADD" : new == nil ? "DELETE" : "UPDATE",
        ])
        if type == "BRANCH", let new { copy.head = new }
        return copy
    }

    private func members(event: String) -> [String: JSONValue] {
        var members: [String: JSONValue] = [
            "eventKey": .string(event),
            "date": "2026-01-02T03:04:05+0000",
            "actor": [
                "name": "ada", "slug": "ada", "emailAddress": "ada@example.com", "displayName": "Ada Author",
                "active": true, "id": 2, "type": "NORMAL",
            ],
            "repository": repositoryObject,
            "changes": .array(changes),
        ]
        if let head {
            members["commits"] = [commit(head)]
            members["toCommit"] = commit(head)
        }
        return members
    }

    private var repositoryObject: JSONValue {
        let parts = repository.split(separator: "/", maxSplits: 1).map(String.init)
        let project = parts.first ?? ""
        let slug = parts.last ?? ""
        let base = "https://git.example.com/bitbucket"
        return [
            "slug": .string(slug), "name": .string(slug), "id": .number(Double(id)), "hierarchyId": "42de05bfcae63156a3b4", "scmId": "git",
            "state": "AVAILABLE", "statusMessage": "Available", "forkable": true, "public": false, "archived": false,
            "project": [
                "key": .string(project), "name": .string(project), "id": 2, "public": false,
                "type": project.hasPrefix("~") ? "PERSONAL" : "NORMAL",
            ],
            "links": [
                "clone": [
                    ["name": "http", "href": "\(base)/scm/\(repository.lowercased()).git"],
                    ["name": "ssh", "href": "ssh://git@git.example.com:7999/\(repository.lowercased()).git"],
                ],
                "self": [["href": "\(base)/projects/\(project)/repos/\(slug)/browse"]],
            ],
        ]
    }

    private func commit(_ hash: String) -> JSONValue {
        let ada: JSONValue = ["name": "Ada Author", "emailAddress": "ada@example.com"]
        return [
            "id": .string(hash), "displayId": .string(String(hash.prefix(11))), "message": "Change", "parents": [],
            "author": ada, "authorTimestamp": 1_767_323_045_000, "committer": ada, "committerTimestamp": 1_767_323_045_000,
        ]
    }
}
