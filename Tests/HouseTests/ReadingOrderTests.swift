import Foundation
import Testing

@Suite("ARCHITECTURE.md")
struct ReadingOrderTests {
    @Test("every path it names exists")
    func pathsExist() throws {
        let text = try Tree.text("ARCHITECTURE.md")
        let paths = text.matches(of: /`([A-Za-z]+\/[A-Za-z+\/]+\.swift)`/).map { String($0.output.1) }
        #expect(paths.count >= 15)
        for path in paths { #expect(Tree.exists("Sources/" + path), "\(path)") }
    }

    @Test("every room has its line")
    func roomsAreNamed() throws {
        let text = try Tree.text("ARCHITECTURE.md")
        let rooms = try FileManager.default.contentsOfDirectory(atPath: Tree.root.appending(path: "Sources").path)
        for room in rooms { #expect(text.contains("**\(room)**"), "\(room)") }
    }

    @Test("it stays a page")
    func itIsShort() throws {
        let lines = try Tree.text("ARCHITECTURE.md").split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count <= 100)
    }
}
