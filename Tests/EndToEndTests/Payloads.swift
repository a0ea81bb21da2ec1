import Foundation
import Testing

/// Recorded deliveries, where that folder is beside the checkout.
enum Payloads {
    struct SignedDelivery {
        let body: [UInt8]
        let repository: String
        let secret: String
        let signature: String
        let wrongSignature: String
    }

    static var exist: Bool { FileManager.default.fileExists(atPath: folder.appending(path: "signatures.tsv").path) }

    /// The delivery that was recorded with its secret and signature, and the negative of it beside.
    static func signedDelivery() throws -> SignedDelivery {
        let table = try String(contentsOf: folder.appending(path: "signatures.tsv"), encoding: .utf8)
        let rows = table.split(separator: "\n").map { $0.split(separator: "\t").map(String.init) }
        let real = try #require(rows.first { $0[0].hasPrefix("REAL") })
        let negative = try #require(rows.first { $0[0].hasPrefix("NEGATIVE") })
        return SignedDelivery(
            body: Array(try Data(contentsOf: folder.appending(path: real[1]))),
            repository: "nfalco79/test-repos",
            secret: real[2],
            signature: real[3],
            wrongSignature: negative[3]
        )
    }

    /// A body of Bitbucket's as somebody recorded it.
    struct Recorded: Decodable {
        struct Repository: Decodable {
            var full_name: String?
            var project: String?
            var slug: String?
        }

        var event: String
        var repository: Repository
        /// Its file, as `cloud/…` or `datacenter/…`.
        var name = ""
        var body: [UInt8] = []

        private enum CodingKeys: CodingKey { case event, repository }

        var isCloud: Bool { name.hasPrefix("cloud/") }

        /// Under the name an app is configured with; nil where it names none.
        var repositoryName: String? {
            if let name = repository.full_name { return name }
            guard let project = repository.project, let slug = repository.slug else { return nil }
            return project + "/" + slug
        }
    }

    /// All bodies of Bitbucket's that were recorded, in the order of their names.
    static func recorded() throws -> [Recorded] {
        let table = try Data(contentsOf: folder.appending(path: "expected.json"))
        let all = try JSONDecoder().decode([String: Recorded].self, from: table)
        return try all.filter { $0.key.hasPrefix("cloud/") || $0.key.hasPrefix("datacenter/") }.sorted { $0.key < $1.key }
            .map { name, recorded in
                var recorded = recorded
                recorded.name = name
                recorded.body = Array(try Data(contentsOf: folder.appending(path: name)))
                return recorded
            }
    }

    private static var folder: URL {
        var checkout = URL(filePath: #filePath).resolvingSymlinksInPath()
        for _ in 0..<3 { checkout.deleteLastPathComponent() }
        return checkout.deletingLastPathComponent().appending(path: "shared/payloads")
    }
}
