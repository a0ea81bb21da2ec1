import ArgumentParser
import ControlAPI
import Domain

struct Releases: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the releases that are kept of an app, the newest first.",
        discussion: "One that failed stays to be looked at and is never gone back to.")

    @OptionGroup var named: AppArgument

    @OptionGroup var options: ReadOptions

    func run() async throws {
        try await options.show(.releases(app: named.app), as: [ReleaseReply].self, text: Self.text)
    }

    static func text(_ releases: [ReleaseReply]) -> String {
        guard !releases.isEmpty else { return "No releases." }
        // One path is as long as the table is wide; mostly they differ in the last component alone.
        let folders = Set(releases.map { $0.path.prefix(upTo: name($0.path).startIndex) })
        let isOne = folders.count == 1
        var table = Table(["RELEASE", "COMMIT", "STATE", "CREATED", "WENT LIVE", isOne ? "DIRECTORY" : "PATH"])
        for release in releases {
            let state = release.failed_at != nil && release.state == "live" ? "live, failed" : release.state
            table.add([
                String(release.id), String(release.commit.prefix(7)), state, Terminal.localTime(release.created_at),
                Terminal.localTime(release.activated_at), isOne ? String(name(release.path)) : release.path,
            ])
        }
        return table.text + (isOne ? folders.map { "\n\nThe directories are in \(SafeText.shown(String($0)))" }.joined() : "")
    }

    private static func name(_ path: String) -> Substring {
        path[(path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex)...]
    }
}
