import Foundation

/// A fake Bitbucket, Cloud and Data Center in one process: REST, git and OAuth over TLS, strict about what it is sent.
/// Tests/fake-bitbucket says what it knows and what it checks.
package final class FakeBitbucket: Sendable {
    /// The two kinds of forge that it plays.
    package enum Kind: String, Sendable, CaseIterable {
        case cloud, datacenter
    }

    /// One request that it was sent.
    package struct Request: Sendable {
        package let json: JSONValue

        package var method: String { json["method"].string ?? "" }
        /// With its query.
        package var path: String { json["path"].string ?? "" }
        package var status: Int? { json["status"].int }
        package var body: JSONValue { json["body"] }
        package var forge: String { json["forge"].string ?? "" }
        /// The scheme of its `Authorization`.
        package var authorization: String? { json["authorization"].string }
    }

    /// The certificate authority that signed its certificate.
    package let caFile: String
    /// `http://127.0.0.1:PORT`, by which Cloud's hosts are reached.
    package let proxy: String
    /// The address of Data Center, with its context path.
    package let dataCenter: String

    private let admin: Int
    private let process: RunningProcess

    private struct Ports: Decodable {
        let proxy: Int
        let https: Int
        let admin: Int
    }

    fileprivate init(scenario: JSONValue, in directory: TemporaryDirectory) async throws {
        let certificates = try await Certificates(in: directory.path("tls"), names: ["api.bitbucket.org", "bitbucket.org"])
        let scenarioFile = try directory.write(String(decoding: try scenario.bytes, as: UTF8.self), to: "scenario.json")
        let output = directory.path("fake.out")
        let errors = directory.path("fake.err")
        let described = Self.descriptions.map { ["--openapi", $0] } ?? []
        process = try await RunningProcess.start(
            ["python3", "-B", Self.program, "--scenario", scenarioFile, "--certificate", certificates.certificate]
                + ["--key", certificates.key] + described,
            output: output, error: errors)
        let started = process
        let ports = try await eventualValue("the ports of the fake Bitbucket", within: .seconds(20)) {
            if let status = started.exitStatus {
                let log = (try? String(contentsOfFile: errors, encoding: .utf8)) ?? ""  // it said nothing
                throw ServerDidNotStart(name: "the fake Bitbucket, which \(status),", log: log)
            }
            let text = (try? String(contentsOfFile: output, encoding: .utf8)) ?? ""  // not yet made
            return text.hasSuffix("\n") ? try JSONDecoder().decode(Ports.self, from: Data(text.utf8)) : nil
        }
        caFile = certificates.authority
        proxy = "http://127.0.0.1:\(ports.proxy)"
        dataCenter = "https://localhost:\(ports.https)/bitbucket"
        admin = ports.admin
    }

    private static let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    private static let program = tests.appending(path: "fake-bitbucket/serve.py").path

    /// The published descriptions, where they lie beside the checkout.
    private static var descriptions: String? {
        let folder = tests.appending(path: "../../shared/openapi").standardizedFileURL.path
        return FileManager.default.fileExists(atPath: folder) ? folder : nil
    }

    // MARK: What it was told

    /// All requests, oldest first.
    package func requests() async throws -> [Request] { try await get("/requests").array.map(Request.init) }

    package func forgetRequests() async throws { try await post("/requests/clear", [:]) }

    /// What was not as the published descriptions or the manuals want it, and what was asked of other hosts.
    package func complaints() async throws -> [String] {
        (try await get("/violations").array + get("/foreign").array).map { $0.string ?? "\($0)" }
    }

    /// Build statuses: `repository`, `commit`, `key`, `current`, `history`.
    package func statuses() async throws -> [JSONValue] { try await get("/statuses").array }

    /// Every state that a commit was given, oldest first.
    package func states(of commit: String) async throws -> [String] {
        try await statuses().filter { $0["commit"].string == commit }.flatMap { $0["history"].array.compactMap { $0["state"].string } }
    }

    package func deployments() async throws -> [JSONValue] { try await get("/deployments").array }

    /// Webhooks with their secrets.
    package func hooks() async throws -> [JSONValue] { try await get("/hooks").array }

    /// OAuth tokens that it gave out.
    package func tokens() async throws -> [JSONValue] { try await get("/tokens").array }

    // MARK: What it is to do

    /// From now on requests that fit are answered so; nil: any method, for ever.
    package func fault(
        _ action: JSONValue, path: String, method: String? = nil, times: Int? = nil
    ) async throws {
        try await post(
            "/faults",
            [
                "forge": nil, "method": method.map { .string($0) } ?? .null, "path": .string(path),
                "times": times.map { .number(Double($0)) } ?? .null, "action": action,
            ])
    }

    package func endFaults() async throws { try await send("DELETE", "/faults", nil) }

    package func rename(_ kind: Kind, from: String, to: String) async throws {
        try await post("/rename", ["forge": .string(kind.rawValue), "from": .string(from), "to": .string(to)])
    }

    package func setOAuth(expiresIn seconds: Int? = nil, denies: Bool = false) async throws {
        var settings: [String: JSONValue] = ["deny": .bool(denies)]
        if let seconds { settings["expires_in"] = .number(Double(seconds)) }
        try await post("/oauth", .object(settings))
    }

    package func setNearLimit(_ on: Bool) async throws { try await post("/near-limit", ["on": .bool(on)]) }

    private func get(_ path: String) async throws -> JSONValue { try await send("GET", path, nil) }

    @discardableResult
    private func post(_ path: String, _ body: JSONValue) async throws -> JSONValue { try await send("POST", path, body) }

    @discardableResult
    private func send(_ method: String, _ path: String, _ body: JSONValue?) async throws -> JSONValue {
        let request = RealParts.Request(
            method: method, path: path, headers: body == nil ? [:] : ["Content-Type": "application/json"], body: try body?.bytes ?? [])
        let answer = try await request.send(to: .loopback(port: admin))
        guard (200...299).contains(answer.status) else { throw ServerDidNotStart(name: "\(method) \(path)", log: answer.text) }
        return answer.text.isEmpty ? .null : try JSONValue(parsing: answer.text)
    }

    fileprivate func end() async throws {
        try await process.end()
    }
}

/// Starts it with a scenario, as Tests/fake-bitbucket describes one, for `body`.
package func withFakeBitbucket<Value>(_ scenario: JSONValue, _ body: (FakeBitbucket) async throws -> Value) async throws -> Value {
    try await withTemporaryDirectory { directory in
        let fake = try await FakeBitbucket(scenario: scenario, in: directory)
        return try await withCleanup {
            try await body(fake)
        } cleanup: {
            try await fake.end()
        }
    }
}
