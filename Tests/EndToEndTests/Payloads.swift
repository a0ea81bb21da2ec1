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

    private static var folder: URL {
        var checkout = URL(filePath: #filePath).resolvingSymlinksInPath()
        for _ in 0..<3 { checkout.deleteLastPathComponent() }
        return checkout.deletingLastPathComponent().appending(path: "shared/payloads")
    }
}
