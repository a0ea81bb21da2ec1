import Foundation
import RealParts
import Testing

@Suite struct SignatureTests {
    /// Real deliveries, where the folder is beside the checkout.
    static let payloads = URL(filePath: #filePath).deletingLastPathComponent().resolvingSymlinksInPath()
        .appending(path: "../../../shared/payloads").standardizedFileURL

    @Test("the signature equals the published vector")
    func published() {
        let header = Signature.header(for: Array("Hello World!".utf8), secret: "It's a Secret to Everybody")
        #expect(header == "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9")
    }

    @Test(
        "the signature equals that of a real delivery",
        .enabled(if: FileManager.default.fileExists(atPath: payloads.path), "../shared/payloads is not here")
    )
    func real() throws {
        let table = try String(contentsOf: Self.payloads.appending(path: "signatures.tsv"), encoding: .utf8)
        let row = try #require(table.split(separator: "\n").first { $0.hasPrefix("REAL") })
        let columns = row.split(separator: "\t").map(String.init)
        let body = try Data(contentsOf: Self.payloads.appending(path: columns[1]))
        #expect(Signature.header(for: Array(body), secret: columns[2]) == columns[3])
    }
}
