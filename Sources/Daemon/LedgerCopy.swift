import Exec
import FoundationEssentials
import Glibc
import Storage

/// A consistent copy of the ledger, made while others write, that has no name any more by the time it is read: however its sending
/// ends, the kernel takes it back.
final class LedgerCopy: Sendable {
    private static let chunk = 1 << 18

    /// In bytes.
    let size: Int
    private let descriptor: CInt

    init(of ledger: Ledger, in state: StateDirectory) async throws {
        let path = state.copy(UUID().uuidString)
        defer { unlink(path) }
        try await ledger.copy(to: path)
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw StartError("\(path) cannot be read: \(String(cString: strerror(errno)))") }
        size = Int(lseek(descriptor, 0, SEEK_END))
        lseek(descriptor, 0, SEEK_SET)
    }

    deinit {
        close(descriptor)
    }

    @concurrent func send(_ write: @concurrent (_ bytes: [UInt8]) async throws -> Void) async throws {
        var buffer = [UInt8](repeating: 0, count: Self.chunk)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count >= 0 else { throw StartError("the copy cannot be read: \(String(cString: strerror(errno)))") }
            guard count > 0 else { return }
            try await write(Array(buffer.prefix(count)))
        }
    }
}
