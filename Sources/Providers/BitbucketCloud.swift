package import Domain

/// Bitbucket Cloud.
///
/// Source: Atlassian, "Event payloads" (https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/).
package struct BitbucketCloud: Provider {
    package init() {}

    package func requestID(_ headers: WebhookHeaders) -> String? { headers["X-Request-UUID"] }

    package func read(_ headers: WebhookHeaders, body: some ContiguousBytesOfBody) throws(MalformedDelivery) -> ForgeEvent {
        let event = try requiredEvent(headers)
        let payload = try JSONBody.parse(body, as: PushPayload.self, onlyIf: event == "repo:push", event: event)
        guard let payload else { return .other(key: event) }
        guard headers["X-Bitbucket-Type"] != "server" else { throw .postWebhooksAddOn }
        guard let repository = payload.repository.full_name ?? payload.repository.fullName else {
            throw MalformedDelivery("the \(event) body has no repository.full_name")
        }
        return .push(
            Push(repository: repository, repositoryID: payload.repository.uuid?.value, refs: payload.push.changes.map(\.pushedRef)))
    }
}

extension MalformedDelivery {
    /// A Data Center app that sends Cloud-like bodies under Cloud's event keys.
    static let postWebhooksAddOn = MalformedDelivery(
        "this comes from the Post Webhooks add-on; use Bitbucket's own webhooks (Repository settings, Webhooks)")
}

private struct PushPayload: Decodable {
    var repository: Repository
    var push: Changes

    struct Repository: Decodable {
        var full_name: String?
        /// So it is spelled in some recorded bodies.
        var fullName: String?
        var uuid: Lenient<String>?
    }

    struct Changes: Decodable {
        var changes: [ChangeEntry]
    }

    struct ChangeEntry: Decodable {
        /// null: the ref was deleted. `closed` says nothing reliable about that.
        var new: Ref?
        /// null: the ref was created.
        var old: Ref?

        var pushedRef: PushedRef {
            guard let ref = new ?? old else { return .unusable(ref: "", reason: "the change names no ref") }
            switch ref.type {
            case "branch":
                return .reading(.branch, name: ref.name, old: old?.target?.hash, new: newHash)
            case "tag":
                return .reading(.tag, name: ref.name, old: old?.target?.hash, new: newHash)
            case "named_branch", "bookmark":
                return .unusable(ref: ref.name, reason: "Mercurial repositories cannot be deployed")
            default:
                return .unusable(ref: ref.name, reason: "\"\(SafeText.shown(ref.type ?? "", limit: 40))\" is neither branch nor tag")
            }
        }

        private var newHash: String? { new.map { $0.target?.hash ?? "" } }
    }

    struct Ref: Decodable {
        var type: String?
        /// Short, and may hold slashes.
        var name: String
        /// Of an annotated tag too it is the commit.
        var target: Target?
    }

    struct Target: Decodable {
        var hash: String?
    }
}
