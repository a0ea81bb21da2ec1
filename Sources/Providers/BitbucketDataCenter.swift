package import Domain

/// Bitbucket Data Center, 7.14 or later.
///
/// Source: Atlassian, "Event payload" (https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html). It sends neither
/// `X-Hook-UUID` nor `X-Attempt-Number`.
package struct BitbucketDataCenter: Provider {
    /// Larger pings are none.
    package static let pingLimit = 1024

    package init() {}

    package func requestID(_ headers: WebhookHeaders) -> String? { headers["X-Request-Id"] }

    package func isPing(_ headers: WebhookHeaders, bodySize: Int) -> Bool {
        event(headers) == "diagnostics:ping" && bodySize <= Self.pingLimit
    }

    package func read(_ headers: WebhookHeaders, body: some ContiguousBytesOfBody) throws(MalformedDelivery) -> ForgeEvent {
        let event = try requiredEvent(headers)
        // A mirror sends its event when it can serve what was pushed to its primary.
        let isPush = event == "repo:refs_changed" || event == "mirror:repo_synchronized"
        guard event != "repo:push", headers["X-Bitbucket-Type"] != "server" else { throw .postWebhooksAddOn }
        if event == "repo:modified" {
            let payload = try JSONBody.parseIfShaped(body, event: event, ModifiedPayload.init)
            return payload?.renaming ?? .other(key: event)
        }
        let payload = try JSONBody.parse(body, onlyIf: isPush, event: event, RefsChangedPayload.init)
        return payload.map { .push($0.push) } ?? .other(key: event)
    }

    package func delivery(of push: TrialPush, secret: Secret) -> TrialDelivery {
        let type = push.ref.kind == .branch ? "BRANCH" : "TAG"
        let ref = #"{"id":\#(json(push.ref.full)),"displayId":\#(json(push.ref.shortName)),"type":"\#(type)"}"#
        let none = String(repeating: "0", count: push.commit.hex.utf8.count)
        let change =
            #"{"ref":\#(ref),"refId":\#(json(push.ref.full)),"fromHash":"\#(none)","toHash":"\#(push.commit.hex)","type":"ADD"}"#
        let repository = #"{"slug":\#(json(push.repository.slug)),"project":{"key":\#(json(push.repository.owner))}}"#
        let body = #"{"eventKey":"repo:refs_changed","repository":\#(repository),"changes":[\#(change)]}"#
        let headers = [(name: "X-Event-Key", value: "repo:refs_changed"), (name: "X-Request-Id", value: push.requestID)]
        return TrialDelivery(headers, body: body, secret: secret)
    }
}

/// What a `repo:modified` body says of another name.
private struct ModifiedPayload {
    private var old: RefsChangedPayload.Repository?
    private var new: RefsChangedPayload.Repository?

    /// nil when something else was changed.
    var renaming: ForgeEvent? {
        guard let id = new?.id, let old = old?.fullName, let new = new?.fullName, old != new else { return nil }
        return .renamed(id: String(id), from: old, to: new)
    }

    init(_ reader: inout JSONReader) throws(JSONTrouble) {
        var (old, new): (RefsChangedPayload.Repository?, RefsChangedPayload.Repository?)
        try reader.object { (reader, name) throws(JSONTrouble) in
            switch name {
            case "old": old = try RefsChangedPayload.Repository(&reader)
            case "new": new = try RefsChangedPayload.Repository(&reader)
            default: break
            }
        }
        (self.old, self.new) = (old, new)
    }
}

/// What a `repo:refs_changed` body says that is needed.
private struct RefsChangedPayload {
    let push: Push

    init(_ reader: inout JSONReader) throws(JSONTrouble) {
        var repository: Repository?
        var changes: [PushedRef]?
        var leavesRefsOut = false
        try reader.object { (reader, name) throws(JSONTrouble) in
            switch name {
            case "repository": repository = try Repository(&reader)
            // A mirror that was given more refs than it tells of.
            case "refLimitExceeded": leavesRefsOut = try reader.trueIfAny()
            case "changes":
                var all: [PushedRef] = []
                try reader.array { (reader) throws(JSONTrouble) in all.append(try Self.change(&reader)) }
                changes = all
            default: break
            }
        }
        guard let repository else { throw .missing("repository") }
        guard let changes else { throw .missing("changes") }
        push = Push(
            repository: repository.fullName, repositoryID: repository.id.map(String.init), refs: changes, leavesRefsOut: leavesRefsOut)
    }

    struct Repository {
        /// Not `name`, which is for people and need not be in any address.
        var slug: String
        var id: Int?
        /// Its key; of a personal repository `~user`.
        var project: String

        var fullName: String { project + "/" + slug }

        init(_ reader: inout JSONReader) throws(JSONTrouble) {
            var slug: String?
            var id: Int?
            var project: String?
            try reader.object { (reader, name) throws(JSONTrouble) in
                switch name {
                case "slug": slug = try reader.string()
                case "id": id = try reader.integerIfAny()
                case "project": project = try Self.key(&reader)
                default: break
                }
            }
            guard let slug else { throw .missing("slug") }
            guard let project else { throw .missing("project") }
            self.slug = slug
            self.id = id
            self.project = project
        }

        private static func key(_ reader: inout JSONReader) throws(JSONTrouble) -> String {
            var key: String?
            var type: String?
            try reader.object { (reader, name) throws(JSONTrouble) in
                switch name {
                case "key": key = try reader.string()
                case "type": type = try reader.stringIfAny()
                default: break
                }
            }
            guard let key else { throw .missing("key") }
            // `repo:modified` leaves the mark of a personal project out.
            return type == "PERSONAL" && !key.hasPrefix("~") ? "~" + key : key
        }
    }

    private static func change(_ reader: inout JSONReader) throws(JSONTrouble) -> PushedRef {
        var refID: String?
        var otherID: String?
        var type: String?
        var from: String?
        var to: String?
        try reader.object { (reader, name) throws(JSONTrouble) in
            switch name {
            case "ref": refID = try reader.optional { (reader) throws(JSONTrouble) in try reader.stringMember("id") } ?? nil
            // Asked only where `ref` has no id.
            case "refId": otherID = try reader.stringIfAny()
            case "type": type = try reader.optionalString()
            // 40 zeros: the ref was created.
            case "fromHash": from = try reader.optionalString()
            // 40 zeros: the ref was deleted. Of an annotated tag it is the tag object.
            case "toHash": to = try reader.optionalString()
            default: break
            }
        }
        guard let name = refID ?? otherID else { return .unusable(ref: "", reason: "the change names no ref") }
        guard let (kind, shortName) = RefName.split(name) else {
            return .unusable(ref: name, reason: "it is neither branch nor tag")
        }
        return .reading(kind, name: shortName, old: from, new: type == "DELETE" ? nil : to ?? "")
    }
}
