import Domain
import Foundation
import Testing

@testable import Providers

/// Deliveries recorded by others, when their folder lies beside the checkout (../shared/payloads).
@Suite(.enabled(if: RecordedDelivery.areThere, "The recorded deliveries (../shared/payloads) are not beside this checkout."))
struct RecordedDeliveriesTests {
    /// Of the one delivery of each kind.
    private static let renamings: [String: ForgeEvent] = [
        "repo:updated": .renamed(
            id: "{673a6070-3421-46c9-9d48-90745f7bfe8e}", from: "teamawesome/repository_name", to: "teamawesome/repository"),
        "repo:modified": .renamed(id: "4", from: "~gopher/webhook-test-2", to: "~gopher/webhook-test"),
    ]

    @Test("a recorded delivery is read as its table says", arguments: RecordedDelivery.all)
    func recorded(delivery: RecordedDelivery) throws {
        let body = try delivery.body
        #expect(Hexadecimal.text(of: Signature.hash(of: body)) == delivery.expected.sha256)
        if delivery.isAddOn {
            if delivery.expected.event == "repo:push" {
                #expect(try refusal(delivery.provider, event: "repo:push", body).contains("use Bitbucket's own webhooks"))
            }
            let more = ["X-Bitbucket-Type": "server"]
            #expect(
                try refusal(delivery.provider, event: delivery.expected.event, body, headers: more).contains("use Bitbucket's own webhooks")
            )
        } else if !delivery.isPush {
            let event = delivery.expected.event
            #expect(try read(delivery.provider, event: event, body) == Self.renamings[event] ?? .other(key: event))
        } else if let repository = delivery.repository {
            let push = try push(of: read(delivery.provider, event: delivery.expected.event, body))
            #expect(push.repository == repository)
            #expect(push.repositoryID == delivery.repositoryID)
            try #require(push.refs.count == delivery.expected.refs.count)
            for (ref, expected) in zip(push.refs, delivery.expected.refs) { try check(ref, expected) }
        } else {
            #expect(try !refusal(delivery.provider, event: delivery.expected.event, body).isEmpty)
        }
    }

    @Test("the folder holds what these tests were written for: pushes, deletions, tags, add-on bodies, Mercurial, odd hashes, no names")
    func notVacuous() {
        let all = RecordedDelivery.all
        let refs = all.flatMap(\.expected.refs)
        #expect(all.count >= 100)
        #expect(all.count(where: \.isPush) >= 35)
        #expect(all.count(where: \.isAddOn) >= 5)
        #expect(all.contains { $0.isPush && $0.repository == nil })
        #expect(
            refs.contains { $0.new == nil } && refs.contains { $0.ref_type == "named_branch" } && refs.contains { $0.ref_type == "tag" })
        #expect(refs.contains { $0.new.map { CommitID($0) == nil } ?? false })
    }

    private func check(_ ref: PushedRef, _ expected: RecordedDelivery.Ref) throws {
        guard let kind: RefName.Kind = ["branch": .branch, "tag": .tag][expected.ref_type] else {
            #expect(ref == .unusable(ref: expected.ref, reason: "Mercurial repositories cannot be deployed"))
            return
        }
        let name = try #require(RefName(kind, expected.ref))
        #expect(ref.refText == name.full)
        if let new = expected.new, CommitID(new) == nil {
            #expect(ref == .unusable(ref: name.full, reason: "\"\(new)\" is not a commit"))
        } else {
            let old = try expected.old.map { try #require(CommitID($0)) }
            let new = try expected.new.map { try #require(CommitID($0)) }
            #expect(ref == .change(Change(ref: name, old: old, new: new)))
        }
    }
}

struct RecordedDelivery: Sendable, CustomTestStringConvertible {
    struct Expected: Decodable {
        var event: String
        var provider: String
        var repository: Repository
        var refs: [Ref]
        var sha256: String
    }

    struct Repository: Decodable {
        var full_name: String?
        var uuid: String?
        var project: String?
        var slug: String?
        var id: Int?
    }

    struct Ref: Decodable {
        var ref_type: String
        var ref: String
        var old: String?
        var new: String?
    }

    static let folder = URL(filePath: #filePath).appending(path: "../../../../shared/payloads").standardizedFileURL
    static let areThere = FileManager.default.fileExists(atPath: folder.appending(path: "expected.json").path)
    /// Empty where the folder is missing, or its table cannot be read: then a test says so.
    static let all: [RecordedDelivery] = {
        let table = try? Data(contentsOf: folder.appending(path: "expected.json"))  // no folder, no deliveries
        let expected = table.flatMap { try? JSONDecoder().decode([String: Expected].self, from: $0) }  // told by notVacuous()
        return (expected ?? [:]).sorted { $0.key < $1.key }.map { RecordedDelivery(file: $0.key, expected: $0.value) }
            .filter { $0.file.hasPrefix("cloud/") || $0.file.hasPrefix("datacenter/") }
    }()

    var file: String
    var expected: Expected

    var testDescription: String { file }
    var body: [UInt8] { get throws { Array(try Data(contentsOf: Self.folder.appending(path: file))) } }
    var isCloud: Bool { file.hasPrefix("cloud/") }
    var provider: any Provider { isCloud ? BitbucketCloud() : BitbucketDataCenter() }
    var isAddOn: Bool { expected.provider.contains("add-on") }
    var isPush: Bool { !isAddOn && ["repo:push", "repo:refs_changed", "mirror:repo_synchronized"].contains(expected.event) }

    var repository: String? {
        if isCloud { return expected.repository.full_name }
        guard let project = expected.repository.project, let slug = expected.repository.slug else { return nil }
        return project + "/" + slug
    }

    var repositoryID: String? { isCloud ? expected.repository.uuid : expected.repository.id.map(String.init) }
}
