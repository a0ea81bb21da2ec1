import Foundation
import RealParts
import Testing

@Suite struct FakeBitbucketTests {
    @Test("the fake Bitbucket passes the tests of its own")
    func selftest() async throws {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let described = tests.appending(path: "../../shared/openapi").standardizedFileURL.path
        let more = FileManager.default.fileExists(atPath: described) ? ["--openapi", described] : []
        let program = tests.appending(path: "fake-bitbucket/selftest.py").path
        let result = try await Shell.run(["python3", "-B", program] + more, within: .seconds(240))
        #expect(result.status == 0, "\(result)")
    }
}
