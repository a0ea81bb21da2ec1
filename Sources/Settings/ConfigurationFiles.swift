package import Domain
import Exec
import Glibc

/// Reads the configuration from disk: the main file at `path`, every app file of its apps directory, and every secret they name.
///
/// Nothing is thrown: what cannot be read is a problem like any other, at the place to blame. Asks the clock, the network and the
/// process's own environment for nothing.
///
/// - parameter path: The main file, absolute or relative to the working directory. Problems name the files in the same way.
/// - parameter environment: For `env:NAME`, `$CREDENTIALS_DIRECTORY` and `$STATE_DIRECTORY`.
/// - parameter hostName: The default of `name`.
/// - parameter uncheckedCredentials: What a `credential:` is without `$CREDENTIALS_DIRECTORY`: only `check` may let it pass.
/// - parameter secretsGroup: The one group that may read a secret's file; nil: the process's own.
/// - parameter runsUnits: Whether whoever reads it is the runner that starts steps in units of their own.
package func loadConfiguration(
    at path: String,
    environment: [String: String],
    hostName: String,
    uncheckedCredentials: UncheckedCredentials = .refused,
    secretsGroup: UInt32? = nil,
    runsUnits: Bool = false
) -> ConfigurationReading {
    let main: ConfigurationFile
    switch ConfigurationFile.load(path) {
    case .success(let file): main = file
    case .failure(let unread): return ConfigurationReading(configuration: nil, problems: unread.problems.sorted())
    }
    let secrets = SecretSources(environment: environment, group: secretsGroup ?? getegid())
    var surroundings = ConfigurationSurroundings(
        secret: { secrets.answer(to: $0) },
        fileKind: fileKind,
        hostName: hostName,
        // systemd separates several by colons; the first is the one for the ledger.
        stateDirectory: environment["STATE_DIRECTORY"]?.split(separator: ":").first.map(String.init)
    )
    surroundings.runsUnits = runsUnits
    let reader = ConfigurationReader(main: main, surroundings: surroundings, uncheckedCredentials: uncheckedCredentials)
    let apps = reader.appsDirectory.map { AppFiles(in: $0, of: main) } ?? AppFiles()
    return reader.read(apps: apps.files, alreadyFound: apps.problems)
}

/// The paths that decide what the configuration at `path` says: its files, and the directories they lie in.
package func configurationPaths(at path: String) -> [String] {
    guard case .success(let main) = ConfigurationFile.load(path) else { return [path] }
    let surroundings = ConfigurationSurroundings(secret: { _ in .notChecked }, fileKind: fileKind, hostName: "", stateDirectory: nil)
    guard let apps = ConfigurationReader(main: main, surroundings: surroundings).appsDirectory?.path else { return [main.directory, path] }
    let names = (namesInDirectory(apps) ?? []).sorted().filter { $0.hasSuffix(".yaml") && !$0.hasPrefix(".") }
    return [main.directory, path, apps] + names.map { apps + "/" + $0 }
}

/// The app files of one directory, and what was wrong with the others.
private struct AppFiles {
    private(set) var files: [ConfigurationFile] = []
    private(set) var problems: [ConfigurationProblem] = []

    init() {}

    init(in directory: ConfigurationReader.AppsDirectory, of main: ConfigurationFile) {
        let shown = Self.shown(directory.path, in: main)
        guard let names = namesInDirectory(directory.path) else {
            let message = "the apps directory \(shown) cannot be read: \(systemMessage(errno)) (create it, or set `apps_directory`)"
            problems.append(ConfigurationProblem(at: directory.position, message))
            return
        }
        for name in names.sorted() where !name.hasPrefix(".") {
            add(name, in: directory.path, shown: shown + "/" + name)
        }
    }

    private mutating func add(_ name: String, in directory: String, shown: String) {
        if name.hasSuffix(".yml") {
            let position = SourcePosition(file: shown, line: 1, column: 1)
            problems.append(ConfigurationProblem(at: position, "the name ends in .yml and would be passed over (rename it to .yaml)"))
        }
        guard name.hasSuffix(".yaml") else { return }
        switch ConfigurationFile.load(directory + "/" + name, shown: shown, in: directory) {
        case .success(let file): files.append(file)
        case .failure(let unread): problems += unread.problems
        }
    }

    /// The directory as the user would name it, having named the main file as they did.
    private static func shown(_ path: String, in main: ConfigurationFile) -> String {
        guard path.hasPrefix(main.directory + "/") else { return path }
        let named = main.tree.position.file.lastIndex(of: "/").map { main.tree.position.file[...$0] } ?? ""
        return String(named) + path.dropFirst(main.directory.count + 1)
    }
}

extension ConfigurationFile {
    /// No configuration that people write is larger.
    private static let limit = 1 << 20

    /// Reads and parses one file. `shown` is its name in messages, `directory` what its relative paths are relative to.
    fileprivate static func load(_ path: String, shown: String? = nil, in directory: String? = nil) -> Result<ConfigurationFile, Unread> {
        let shown = shown ?? path
        let bytes: [UInt8]
        do {
            bytes = try SmallFile.read(path, limit: limit).bytes
        } catch {
            let position = SourcePosition(file: shown, line: 1, column: 1)
            return .failure(Unread(problems: [ConfigurationProblem(at: position, error.phrase(for: "the file"))]))
        }
        return configurationTree(of: bytes, file: shown).map { tree in
            ConfigurationFile(tree: tree, directory: directory ?? absoluteDirectory(of: path))
        }
    }

    private static func absoluteDirectory(of path: String) -> String {
        let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        guard !path.hasPrefix("/") else { return directory.isEmpty ? "/" : directory }
        return workingDirectory() + "/" + directory
    }

    /// `/` in the rare case that the process has no working directory any more.
    private static func workingDirectory() -> String {
        guard let path = getcwd(nil, 0) else { return "/" }
        defer { free(path) }
        return String(cString: path)
    }
}

/// What is at `path`, not following a final link.
@Sendable
private func fileKind(_ path: String) -> ConfigurationSurroundings.FileKind? {
    switch FileSystem.kind(of: path) {
    case .file: .file
    case .directory: .directory
    case .symbolicLink: .symbolicLink
    case .other: .other
    case nil: nil
    }
}

/// The names in a directory; nil, with `errno` set, when it cannot be read.
private func namesInDirectory(_ path: String) -> [String]? {
    guard let directory = opendir(path) else { return nil }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        names.append(name)
    }
    return names
}
