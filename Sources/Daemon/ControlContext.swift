import Domain
import Glibc
import Hummingbird
import Logging
import NIOCore
import NIOPosix

/// One request on the control socket, with who makes it.
struct ControlContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let requester: Requester
    /// Writes the connection's bytes.
    let eventLoop: any EventLoop

    struct Source: RequestContextSource {
        let channel: any Channel
        let logger: Logger
        let requester: Requester
    }

    init(source: Source) {
        coreContext = CoreRequestContextStorage(source: source)
        requester = source.requester
        eventLoop = source.channel.eventLoop
    }

    /// A body that comes in pieces and is never further ahead of its reader than one of them and what waits in the channel, whatever its
    /// length and however many are sent at once.
    ///
    /// A write by itself only wakes the event loop, so who reads from a disk would have put megabytes on its list before it could say
    /// that the reader is slow.
    func body(
        contentLength: Int? = nil,
        _ send: @escaping @Sendable @concurrent (_ write: @concurrent (_ bytes: [UInt8]) async throws -> Void) async throws -> Void
    ) -> ResponseBody {
        ResponseBody(contentLength: contentLength) { @concurrent [eventLoop] writer in
            try await send { bytes in
                try await writer.write(ByteBuffer(bytes: bytes))
                try await eventLoop.submit {}.get()
            }
            try await writer.finish(nil)
        }
    }
}

/// `struct ucred` of unix(7), which glibc's headers hide from Swift: three 32-bit numbers in this order.
private struct PeerCredentials: Sendable {
    var process: pid_t
    var user: uid_t
    var group: gid_t
}

extension Requester {
    /// Nobody in particular: of a connection whose other end the kernel does not name.
    static let unknown = Requester(name: "unknown", isPrivileged: false, groups: [])

    /// Who opened the other end, as the kernel noted it then (unix(7), SO_PEERCRED).
    static func at(_ channel: any Channel) async -> Requester {
        guard let provider = channel as? any SocketOptionProvider else { return .unknown }
        let peer: EventLoopFuture<PeerCredentials> = provider.unsafeGetSocketOption(
            level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED))
        guard let peer = try? await peer.get() else { return .unknown }  // a connection that is closed by now: nobody hears the answer
        // The user database may be asked over a network, which is nothing for the threads that all others share.
        let requester = try? await NIOThreadPool.singleton.runIfActive { Requester(user: peer.user, group: peer.group) }
        return requester ?? .unknown  // the pool is never shut down
    }

    /// Asks the user database.
    private init(user: uid_t, group: gid_t) {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 16384)
        getpwuid_r(user, &entry, &buffer, buffer.count, &found)
        let isPrivileged = user == 0 || user == geteuid()
        guard let name = found?.pointee.pw_name else {
            self.init(name: "user \(user)", isPrivileged: isPrivileged, groups: Set([Self.name(ofGroup: group)].compactMap(\.self)))
            return
        }
        var count: Int32 = 1024
        var groups = [gid_t](repeating: 0, count: Int(count))
        // Beyond the limit, which is more than Linux' tools show, the rest is left out.
        getgrouplist(name, group, &groups, &count)
        let names = groups.prefix(Int(min(count, 1024))).compactMap(Self.name(ofGroup:))
        self.init(name: String(cString: name), isPrivileged: isPrivileged, groups: Set(names))
    }

    private static func name(ofGroup number: gid_t) -> String? {
        var entry = group()
        var found: UnsafeMutablePointer<group>?
        var buffer = [CChar](repeating: 0, count: 1 << 20)
        getgrgid_r(number, &entry, &buffer, buffer.count, &found)
        return found.flatMap { $0.pointee.gr_name }.map { String(cString: $0) }
    }
}
