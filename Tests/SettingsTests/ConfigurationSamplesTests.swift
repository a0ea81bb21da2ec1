import Domain
import Foundation
import Settings
import Testing

/// The sample files in `etc/` are the manual's other half, so they must be right and whole.
struct ConfigurationSamplesTests {
    private static let samples = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../etc").standardized.path

    @Test("the sample files load as they are")
    func samplesLoad() throws {
        let folder = try ConfigurationFolder()
        for name in ["acme-hook", "acme-token", "shop-db"] { try folder.write(name, "0123456789abcdef") }
        let reading = loadConfiguration(
            at: Self.samples + "/bittern.yaml",
            environment: ["CREDENTIALS_DIRECTORY": folder.path, "NPM_TOKEN": "secret-token"], hostName: "web1"
        )
        #expect(reading.problems.map(\.line) == [])
        #expect(reading.configuration?.accounts.keys.sorted() == ["acme"])
        #expect(reading.configuration?.apps.map(\.name) == ["shop"])
    }

    @Test("the file that the package installs lets nothing start before it has an account, and shows how to write one")
    func packagedFile() throws {
        let file = URL(filePath: Self.samples).deletingLastPathComponent().appending(path: "packaging/bittern.yaml")
        let text = try String(contentsOf: file, encoding: .utf8)
        let folder = try ConfigurationFolder()
        for name in ["acme-hook", "acme-token"] { try folder.write(name, "0123456789abcdef") }
        func problems(_ text: String) throws -> [String] {
            try folder.write("bittern.yaml", text)
            let reading = loadConfiguration(
                at: folder.path + "/bittern.yaml", environment: ["CREDENTIALS_DIRECTORY": folder.path], hostName: "web1")
            // That there is no app yet is a warning.
            let errors = reading.problems.map(\.line).filter { $0.contains(": error: ") }
            #expect((reading.configuration == nil) == !errors.isEmpty)
            return errors
        }
        let untouched = try problems(text)
        #expect(untouched.count == 1 && untouched[0].contains("`accounts` is missing"), "\(untouched)")

        let example = text.components(separatedBy: "\n").drop { $0 != "# accounts:" }.map { $0.dropFirst(2) }
        #expect(try problems(text + "\n" + example.joined(separator: "\n")) == [])
    }

    @Test("the sample files explain every key", arguments: ConfigurationPlace.allCases)
    func samplesExplain(place: ConfigurationPlace) throws {
        let isOfApp = [.app, .defaults, .step, .health, .limits, .notify].contains(place)
        let text = try String(contentsOfFile: Self.samples + (isOfApp ? "/apps.d/shop.yaml" : "/bittern.yaml"), encoding: .utf8)
        for key in place.keys {
            let isThere =
                text.contains("\(key):") || (place == .step && text.contains("#   \(key) "))
                || (place == .notify && text.contains("run, and \(key),"))
            #expect(isThere, "\(key)")
        }
    }

    @Test(
        "what is commented out in the sample files is taken when it is let in, or said to be not supported yet", arguments: [true, false])
    func samplesAreHonest(isMain: Bool) throws {
        let text = try String(contentsOfFile: Self.samples + (isMain ? "/bittern.yaml" : "/apps.d/shop.yaml"), encoding: .utf8)
        var examples = 0
        for paragraph in text.components(separatedBy: "\n\n") {
            for line in paragraph.components(separatedBy: "\n") where line.wholeMatch(of: /# [a-z_]+: .+/) != nil {
                let example = String(line.dropFirst(2))
                // Where there is a credential, there is a directory for it.
                let refusals = try (isMain ? problems(inMain: example) : problems(inApp: example)).filter {
                    !$0.contains("CREDENTIALS_DIRECTORY")
                }
                let isLater = refusals.contains { $0.hasSuffix("not supported yet") }
                #expect(isLater == paragraph.contains("ot supported yet."), "\(example): \(refusals)")
                examples += 1
            }
        }
        #expect(examples > (isMain ? 10 : 25))
    }
}
