import Domain
import Testing

@testable import Providers

/// A provider under the conformance tests, with what is peculiar to its forge.
struct Subject: Sendable, CustomTestStringConvertible {
    let kind: Account.Kind
    let folder: String
    let pushEvent: String
    let requestIDHeader: String
    /// Where the repository is named, for bodies of the wrong shape.
    let repository: String

    var testDescription: String { kind.rawValue }
    var provider: any Provider {
        get throws {
            let provider = Providers.provider(for: kind)
            return try #require(provider)
        }
    }

    static let all = [
        Subject(
            kind: .bitbucketCloud, folder: "cloud", pushEvent: "repo:push", requestIDHeader: "X-Request-UUID",
            repository: #"{"full_name": "acme/shop"}"#),
        Subject(
            kind: .bitbucketDataCenter, folder: "datacenter", pushEvent: "repo:refs_changed", requestIDHeader: "X-Request-Id",
            repository: #"{"slug": "shop", "project": {"key": "PROJ"}}"#),
    ]
}
