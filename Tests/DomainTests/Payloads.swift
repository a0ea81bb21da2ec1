import Foundation
import Testing

/// The folder of recorded deliveries, when it lies beside the checkout.
enum Payloads {
    static let folder = URL(filePath: #filePath).appending(path: "../../../../shared/payloads").standardizedFileURL
    static var areThere: Bool { FileManager.default.fileExists(atPath: folder.appending(path: "README.md").path) }

    static func bytes(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: folder.appending(path: name))) }
}

extension Trait where Self == ConditionTrait {
    static var needsPayloads: Self {
        .enabled(if: Payloads.areThere, "The recorded deliveries (../shared/payloads) are not beside this checkout.")
    }
}
