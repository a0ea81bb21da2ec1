import Foundation
import RealParts
import Testing

@Suite struct DeliveryTests {
    private let old = String(repeating: "a", count: 40)
    private let new = String(repeating: "b", count: 40)

    @Test("a Cloud push has every change, and null where a ref was made or deleted")
    func cloud() throws {
        let push = CloudPush(repository: "acme/shop")
            .branch("main", old: old, new: new)
            .branch("topic/1", new: new, forced: true)
            .deletedBranch("gone", old: old)
            .tag("v1", new: new, annotated: true)
        let body = try JSONValue(parsing: String(decoding: push.delivery(secret: nil).body, as: UTF8.self))
        let changes = body["push"]["changes"].array
        #expect(changes.map { $0["new"]["name"].string } == ["main", "topic/1", nil, "v1"])
        #expect(changes.map { $0["old"]["target"]["hash"].string } == [old, nil, old, nil])
        #expect(changes.map { $0["forced"].bool } == [false, true, false, false])
        #expect(changes[3]["new"]["type"].string == "tag")
        #expect(body["repository"]["full_name"].string == "acme/shop")
    }

    @Test("a Data Center push has every change, and forty zeros where a ref was made or deleted")
    func dataCenter() throws {
        let push = DataCenterPush(repository: "ACME/shop")
            .branch("main", new: new)
            .deletedBranch("gone", old: old)
            .tag("v1", old: old, new: new)
        let body = try JSONValue(parsing: String(decoding: push.delivery(secret: nil).body, as: UTF8.self))
        let changes = body["changes"].array
        #expect(changes.map { $0["type"].string } == ["ADD", "DELETE", "UPDATE"])
        #expect(changes.map { $0["ref"]["id"].string } == ["refs/heads/main", "refs/heads/gone", "refs/tags/v1"])
        #expect(changes[0]["fromHash"].string == String(repeating: "0", count: 40))
        #expect(body["repository"]["project"]["key"].string == "ACME")
        #expect(try push.mirrorDelivery(secret: nil).headers["X-Event-Key"] == "mirror:repo_synchronized")
    }

    @Test("a delivery is signed over its body, and its request id is fresh unless given")
    func headers() throws {
        let push = CloudPush(repository: "acme/shop").branch("main", new: new)
        let first = try push.delivery(secret: "0123456789abcdef")
        let second = try push.delivery(secret: "0123456789abcdef")
        #expect(first.body == second.body)
        #expect(first.headers["X-Hub-Signature"] == Signature.header(for: first.body, secret: "0123456789abcdef"))
        #expect(first.headers["X-Hub-Signature"] == second.headers["X-Hub-Signature"])
        #expect(first.headers["X-Request-UUID"] != second.headers["X-Request-UUID"])
        #expect(try push.delivery(secret: nil, requestID: "1").headers["X-Request-UUID"] == "1")
        #expect(try push.delivery(secret: nil).headers["X-Hub-Signature"] == nil)
    }

    @Test(
        "every key of a built push is one that real pushes have",
        .enabled(if: FileManager.default.fileExists(atPath: SignatureTests.payloads.path), "../shared/payloads is not here")
    )
    func realShape() throws {
        let cloud = CloudPush(repository: "acme/shop").branch("main", old: old, new: new).tag("v1", new: new, annotated: true).json
        let unknownToCloud = keys(of: cloud).subtracting(try realKeys("cloud"))
        #expect(unknownToCloud == [])
        let dataCenter = DataCenterPush(repository: "ACME/shop").branch("main", old: old, new: new).tag("v1", new: new).json
        let unknownToDataCenter = keys(of: dataCenter).subtracting(try realKeys("datacenter"))
        #expect(unknownToDataCenter == [])
    }

    private func realKeys(_ folder: String) throws -> Set<String> {
        let directory = SignatureTests.payloads.appending(path: folder)
        let files = try FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)
        return try files.reduce(into: []) { $0.formUnion(keys(of: try JSONValue(parsing: String(contentsOf: $1, encoding: .utf8)))) }
    }

    /// All keys with those above them, as `push.changes.old.name`.
    private func keys(of value: JSONValue, below path: String = "") -> Set<String> {
        switch value {
        case .object(let members):
            members.reduce(into: []) { $0.formUnion(keys(of: $1.value, below: path + $1.key + ".").union([path + $1.key])) }
        case .array(let elements):
            elements.reduce(into: []) { $0.formUnion(keys(of: $1, below: path)) }
        default:
            []
        }
    }
}
