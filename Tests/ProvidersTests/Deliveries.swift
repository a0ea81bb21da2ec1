import Domain
import Foundation
import Testing

@testable import Providers

// The small words the tests of this room speak.

/// One of this project's own deliveries.
func fixture(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(filePath: #filePath).appending(path: "../Fixtures/\(name).json").standardizedFileURL))
}

func fixtureNames(of folder: String) throws -> [String] {
    let path = URL(filePath: #filePath).appending(path: "../Fixtures/\(folder)").standardizedFileURL.path
    return try FileManager.default.contentsOfDirectory(atPath: path).sorted().map { folder + "/" + $0.replacing(".json", with: "") }
}

func headers(_ fields: [String: String]) -> WebhookHeaders {
    WebhookHeaders(fields.map { (name: $0.key, value: $0.value) })
}

/// What the provider reads out of a body under an event key.
func read(_ provider: any Provider, event: String, _ body: [UInt8], headers more: [String: String] = [:]) throws -> ForgeEvent {
    try provider.read(headers(more.merging(["X-Event-Key": event]) { $1 }), body: body)
}

func cloud(_ name: String) throws -> Push { try push(of: read(BitbucketCloud(), event: "repo:push", fixture("cloud/" + name))) }

func dataCenter(_ name: String, event: String = "repo:refs_changed") throws -> Push {
    try push(of: read(BitbucketDataCenter(), event: event, fixture("datacenter/" + name)))
}

func push(of event: ForgeEvent) throws -> Push {
    guard case .push(let push) = event else {
        Issue.record("\(event) is no push")
        throw CancellationError()
    }
    return push
}

/// The one sentence with which a body is refused.
func refusal(_ provider: any Provider, event: String?, _ body: [UInt8], headers more: [String: String] = [:]) throws -> String {
    let fields = event.map { more.merging(["X-Event-Key": $0]) { $1 } } ?? more
    let error = try #require(throws: MalformedDelivery.self) { try provider.read(headers(fields), body: body) }
    let isSentence = !error.sentence.isEmpty && !error.sentence.contains("\n") && error.sentence.utf8.count < 300
    #expect(isSentence, "\(error.sentence)")
    return error.sentence
}

/// A commit whose hexadecimal digits are all `digit`.
func commit(_ digit: Character) throws -> CommitID { try #require(CommitID(String(repeating: digit, count: 40))) }

func branch(_ name: String, _ old: Character?, _ new: Character?) throws -> PushedRef { try moved(.branch, name, old, new) }

func tag(_ name: String, _ old: Character?, _ new: Character?) throws -> PushedRef { try moved(.tag, name, old, new) }

private func moved(_ kind: RefName.Kind, _ name: String, _ old: Character?, _ new: Character?) throws -> PushedRef {
    .change(Change(ref: try #require(RefName(kind, name)), old: try old.map(commit), new: try new.map(commit)))
}

extension Push {
    /// The reasons of what cannot be used; nil where it can.
    var reasons: [String?] {
        refs.map { if case .unusable(_, let reason) = $0 { reason } else { nil } }
    }
}
