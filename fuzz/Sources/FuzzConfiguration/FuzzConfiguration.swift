import Domain

private let surroundings: ConfigurationSurroundings = {
    var surroundings = ConfigurationSurroundings(
        secret: { _ in .value(Secret("a secret that is long enough"), path: nil) }, fileKind: { _ in nil }, hostName: "web1",
        stateDirectory: nil)
    surroundings.runsUnits = true
    return surroundings
}()

/// Any bytes are a configuration, or have problems, each with its place and one line. The file is read as the main file and as an app's,
/// of a main file that is right.
@_cdecl("LLVMFuzzerTestOneInput")
public func tryConfiguration(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    // The daemon reads no file that is longer than 1 MB, and those here are far shorter.
    guard count <= 1 << 16 else { return 0 }
    guard let file = file(Array(UnsafeBufferPointer(start: bytes, count: count)), "fuzzed.yaml"), let main else { return 0 }
    check(ConfigurationReader(main: file, surroundings: surroundings).read(apps: []))
    check(ConfigurationReader(main: main, surroundings: surroundings).read(apps: [file]))
    return 0
}

private let main = file(
    Array("accounts:\n  acme: {kind: bitbucket-cloud, workspace: acme, hook_secret: credential:hook}\n".utf8), "bittern.yaml")

private func file(_ bytes: [UInt8], _ name: String) -> ConfigurationFile? {
    switch configurationTree(of: bytes, file: name) {
    case .success(let tree): return ConfigurationFile(tree: tree, directory: "/etc/bittern")
    case .failure(let unread):
        precondition(!unread.problems.isEmpty)
        return nil
    }
}

private func check(_ reading: ConfigurationReading) {
    precondition(reading.configuration != nil || !reading.problems.isEmpty, "neither a configuration nor a problem")
    for problem in reading.problems { precondition(!problem.line.contains("\n") && problem.line.utf8.count < 8192) }
    for app in reading.configuration?.apps ?? [] {
        precondition(NameText.isName(app.name) && app.root.hasPrefix("/") && app.maxAttempts > 0)
    }
}
