import ArgumentParser
import ControlAPI
import Domain
import Glibc

struct Backup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a consistent copy of the ledger, while the daemon works.",
        discussion: """
            The copy is a whole ledger. The way back: stop the daemon, put the copy in the place of bittern.db in its state directory (owned \
            by its user, mode 0600), remove bittern.db-wal and bittern.db-shm, start it.
            """)

    @Argument(help: "The file to write; - is standard output.", completion: .file())
    var file: String

    @Flag(help: "Replace a file that is there.")
    var force = false

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let client = ControlClient(connection, patience: nil)
        guard file != "-" else { return try await client.stream(.backup) { try Terminal.writeAll($0) } }
        let target = try NewFile(file, replacing: force)
        var size = 0
        do {
            try await client.stream(.backup) { bytes in
                try target.write(bytes)
                size += bytes.count
            }
            try target.commit()
        } catch {
            target.discard()
            throw error
        }
        Terminal.print("\(SafeText.shown(file)): \(max(1, size >> 10)) KB")
    }
}

/// A file that is there whole or not at all.
struct NewFile {
    private let path: String
    private let temporary: String
    private let replaces: Bool
    private let descriptor: CInt

    /// - Throws: ``Failure`` with a sentence, as the others.
    init(_ path: String, replacing replaces: Bool) throws {
        self.path = path
        self.replaces = replaces
        if !replaces, access(path, F_OK) == 0 { throw Self.isThere(path) }
        // A name nobody can have taken before, and 0600 (mkstemp(3)).
        var template = Array((path + ".part-XXXXXX").utf8CString)
        descriptor = mkstemp(&template)
        temporary = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        guard descriptor >= 0 else { throw Self.trouble("cannot write", path) }
    }

    func write(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Self.trouble("cannot write", temporary) }
            rest = rest.dropFirst(count)
        }
    }

    /// Gives it its name once all of it is on the disk.
    func commit() throws {
        guard fsync(descriptor) == 0 else { throw Self.trouble("cannot write", temporary) }
        if replaces {
            guard rename(temporary, path) == 0 else { throw Self.trouble("cannot write", path) }
        } else {
            try place()
        }
        close(descriptor)
        // The name is to be on the disk as well.
        let directory = open(path.contains("/") ? String(path[...(path.lastIndex(of: "/") ?? path.startIndex)]) : ".", O_RDONLY | O_CLOEXEC)
        if directory >= 0 {
            fsync(directory)
            close(directory)
        }
    }

    /// Under its name, unless somebody took that meanwhile; some file systems (FAT) have no links to tell by.
    private func place() throws {
        if link(temporary, path) == 0 {
            unlink(temporary)
        } else if errno == EEXIST || access(path, F_OK) == 0 {
            throw Self.isThere(path)
        } else {
            guard rename(temporary, path) == 0 else { throw Self.trouble("cannot write", path) }
        }
    }

    func discard() {
        close(descriptor)
        unlink(temporary)
    }

    private static func isThere(_ path: String) -> Failure {
        Failure(.failed, "\(SafeText.shown(path)) is there already; choose another name, or --force")
    }

    private static func trouble(_ what: String, _ path: String) -> Failure {
        Failure(.failed, "\(what) \(SafeText.shown(path)): \(String(cString: strerror(errno)))")
    }
}
