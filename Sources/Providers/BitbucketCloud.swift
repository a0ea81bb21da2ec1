package import Domain

/// Bitbucket Cloud.
///
/// Source: Atlassian, "Event payloads" (https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/).
package struct BitbucketCloud: Provider {
    package init() {}

    package func requestID(_ headers: WebhookHeaders) -> String? { headers["X-Request-UUID"] }

    package func read(_ headers: WebhookHeaders, body: some ContiguousBytesOfBody) throws(MalformedDelivery) -> ForgeEvent {
        let event = try requiredEvent(headers)
        if event == "repo:updated" {
            let payload = try JSONBody.parseIfShaped(body, event: event, UpdatedPayload.init)
            return payload?.renaming ?? .other(key: event)
        }
        let payload = try JSONBody.parse(body, onlyIf: event == "repo:push", event: event, PushPayload.init)
        guard let payload else { return .other(key: event) }
        guard headers["X-Bitbucket-Type"] != "server" else { throw .postWebhooksAddOn }
        guard let push = payload.push else { throw MalformedDelivery("the \(event) body has no repository.full_name") }
        return .push(push)
    }

    package func delivery(of push: TrialPush, secret: Secret) -> TrialDelivery {
        let type = push.ref.kind == .branch ? "branch" : "tag"
        let new = #"{"type":"\#(type)","name":\#(json(push.ref.shortName)),"target":{"type":"commit","hash":"\#(push.commit.hex)"}}"#
        let body =
            #"{"repository":{"type":"repository","full_name":\#(json(push.repository.description))},"#
            + #""push":{"changes":[{"old":null,"new":\#(new),"created":true,"forced":false,"closed":false}]}}"#
        let headers = [(name: "X-Event-Key", value: "repo:push"), (name: "X-Request-UUID", value: push.requestID)]
        return TrialDelivery(headers, body: body, secret: secret)
    }
}

extension MalformedDelivery {
    /// A Data Center app that sends Cloud-like bodies under Cloud's event keys.
    static let postWebhooksAddOn = MalformedDelivery(
        "this comes from the Post Webhooks add-on; use Bitbucket's own webhooks (Repository settings, Webhooks)")
}

/// What a `repo:updated` body says of another name.
private struct UpdatedPayload {
    private var uuid: String?
    private var oldName: String?
    private var newName: String?

    /// nil when something else was changed.
    var renaming: ForgeEvent? {
        guard let uuid, let oldName, let newName, oldName != newName else { return nil }
        return .renamed(id: uuid, from: oldName, to: newName)
    }

    init(_ reader: inout JSONReader) throws(JSONTrouble) {
        var uuid: String?
        var names: (old: String?, new: String?)
        try reader.object { (reader, name) throws(JSONTrouble) in
            switch name {
            case "repository":
                try reader.object { (reader, name) throws(JSONTrouble) in
                    if case "uuid" = name { uuid = try reader.stringIfAny() }
                }
            case "changes":
                try reader.object { (reader, name) throws(JSONTrouble) in
                    if case "full_name" = name { names = try Self.names(&reader) }
                }
            default: break
            }
        }
        (self.uuid, oldName, newName) = (uuid, names.old, names.new)
    }

    private static func names(_ reader: inout JSONReader) throws(JSONTrouble) -> (old: String?, new: String?) {
        var names: (old: String?, new: String?)
        try reader.object { (reader, name) throws(JSONTrouble) in
            switch name {
            case "old": names.old = try reader.stringIfAny()
            case "new": names.new = try reader.stringIfAny()
            default: break
            }
        }
        return names
    }
}

/// What a `repo:push` body says that is needed, each member read by the function of its name.
private struct PushPayload {
    private var repository: Repository
    private var changes: [PushedRef]

    init(_ reader: inout JSONReader) throws(JSONTrouble) {
        var repository: Repository?
        var changes: [PushedRef]?
        try reader.object { (reader, name) throws(JSONTrouble) in
            switch name {
            case "repository": repository = try Repository(&reader)
            case "push": changes = try Self.changes(&reader)
            default: break
            }
        }
        guard let repository else { throw .missing("repository") }
        guard let changes else { throw .missing("push") }
        self.repository = repository
        self.changes = changes
    }

    /// nil when the repository has no full name.
    var push: Push? {
        repository.fullName.map { Push(repository: $0, repositoryID: repository.uuid, refs: changes) }
    }

    private struct Repository {
        var fullName: String?
        var uuid: String?

        init(_ reader: inout JSONReader) throws(JSONTrouble) {
            var otherName: String?
            try reader.object { (reader, name) throws(JSONTrouble) in
                switch name {
                case "full_name": fullName = try reader.optionalString()
                // So it is spelled in some recorded bodies.
                case "fullName": otherName = try reader.optionalString()
                case "uuid": uuid = try reader.stringIfAny()
                default: break
                }
            }
            fullName = fullName ?? otherName
        }
    }

    private static func changes(_ reader: inout JSONReader) throws(JSONTrouble) -> [PushedRef] {
        var changes: [PushedRef]?
        try reader.object { (reader, name) throws(JSONTrouble) in
            guard case "changes" = name else { return }
            var all: [PushedRef] = []
            try reader.array { (reader) throws(JSONTrouble) in all.append(try change(&reader)) }
            changes = all
        }
        guard let changes else { throw .missing("changes") }
        return changes
    }

    private static func change(_ reader: inout JSONReader) throws(JSONTrouble) -> PushedRef {
        var new: Ref?
        var old: Ref?
        try reader.object { (reader, name) throws(JSONTrouble) in
            switch name {
            // null: the ref was deleted. `closed` says nothing reliable about that.
            case "new": new = try reader.optional(Ref.init)
            // null: the ref was created.
            case "old": old = try reader.optional(Ref.init)
            default: break
            }
        }
        guard let ref = new ?? old else { return .unusable(ref: "", reason: "the change names no ref") }
        let newHash = new.map { $0.hash ?? "" }
        switch ref.type {
        case "branch":
            return .reading(.branch, name: ref.name, old: old?.hash, new: newHash)
        case "tag":
            return .reading(.tag, name: ref.name, old: old?.hash, new: newHash)
        case "named_branch", "bookmark":
            return .unusable(ref: ref.name, reason: "Mercurial repositories cannot be deployed")
        default:
            return .unusable(ref: ref.name, reason: "\"\(SafeText.shown(ref.type ?? "", limit: 40))\" is neither branch nor tag")
        }
    }

    private struct Ref {
        var type: String?
        /// Short, and may hold slashes.
        var name: String
        /// Of its target; of an annotated tag too it is the commit.
        var hash: String?

        init(_ reader: inout JSONReader) throws(JSONTrouble) {
            var type: String?
            var shortName: String?
            var hash: String?
            try reader.object { (reader, name) throws(JSONTrouble) in
                switch name {
                case "type": type = try reader.optionalString()
                case "name": shortName = try reader.string()
                case "target": hash = try reader.optional { (reader) throws(JSONTrouble) in try reader.stringMember("hash") } ?? nil
                default: break
                }
            }
            guard let shortName else { throw .missing("name") }
            self.type = type
            self.name = shortName
            self.hash = hash
        }
    }
}
