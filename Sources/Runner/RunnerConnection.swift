import CLinux
import Exec
import FoundationEssentials
import Glibc
import RunnerAPI

/// One connection to the runner's socket, for one thread: a line in, a line out.
final class RunnerConnection {
    private let socket: Int32
    /// What came behind the last line.
    private var rest: [UInt8] = []
    /// The file that came with the line that is being read.
    private var descriptor: Int32 = -1

    init(_ socket: Int32) {
        self.socket = socket
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
        close(socket)
    }

    /// Who opened the other end; nil: the kernel does not say.
    var user: uid_t? {
        var user: uid_t = 0
        return bittern_peer_user(socket, &user) == 0 ? user : nil
    }

    /// Whether the other end is still there.
    var isOpen: Bool {
        var byte: UInt8 = 0
        return recv(socket, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) != 0
    }

    /// The next line, with its end, and the file that came with it, which is the caller's to close; nil at the end, or when a line is longer
    /// than any request.
    func next() -> (line: [UInt8], descriptor: Int32?)? {
        while true {
            if let end = rest.firstIndex(of: 0x0A) {
                let line = Array(rest[...end])
                rest.removeSubrange(...end)
                defer { descriptor = -1 }
                return (line, descriptor >= 0 ? descriptor : nil)
            }
            guard rest.count < RunnerRequest.longestLine else { return nil }
            var buffer = [UInt8](repeating: 0, count: 4096)
            var received: Int32 = -1
            let count = bittern_receive(socket, &buffer, buffer.count, &received)
            if received >= 0 {
                if descriptor >= 0 { close(descriptor) }
                descriptor = received
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            rest += buffer.prefix(count)
        }
    }

    /// False when nobody reads any more.
    func answer(_ reply: RunnerReply) -> Bool {
        guard let line = try? reply.line() else { return false }
        return line.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) } == line.count
    }
}
