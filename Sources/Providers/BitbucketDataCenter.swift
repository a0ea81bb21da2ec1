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
        let payload = try JSONBody.parse(body, as: RefsChangedPayload.self, onlyIf: isPush, event: event)
        guard let payload else { return .other(key: event) }
        let repository = payload.repository
        return .push(
            Push(
                repository: repository.project.key + "/" + repository.slug, repositoryID: repository.id?.value.map(String.init),
                refs: payload.changes.map(\.pushedRef)))
    }
}

private struct RefsChangedPayload: Decodable {
    var repository: Repository
    var changes: [ChangeEntry]

    struct Repository: Decodable {
        /// Not `name`, which is for people and need not be in any address.
        var slug: String
        var id: Lenient<Int>?
        var project: Project
    }

    struct Project: Decodable {
        /// Of a personal repository `~user`.
        var key: String
    }

    struct ChangeEntry: Decodable {
        var ref: Ref?
        /// Asked only where `ref` has no id.
        var refId: Lenient<String>?
        var type: String?
        /// 40 zeros: the ref was created.
        var fromHash: String?
        /// 40 zeros: the ref was deleted. Of an annotated tag it is the tag object.
        var toHash: String?

        var pushedRef: PushedRef {
            guard let name = ref?.id ?? refId?.value else { return .unusable(ref: "", reason: "the change names no ref") }
            let new = type == "DELETE" ? nil : toHash ?? ""
            guard let (kind, shortName) = RefName.split(name) else {
                return .unusable(ref: name, reason: "it is neither branch nor tag")
            }
            return .reading(kind, name: shortName, old: fromHash, new: new)
        }
    }

    struct Ref: Decodable {
        var id: String?
    }
}
