import CSystemd
import Glibc

/// The sockets that the service manager opened for us and handed over at start (sd_listen_fds(3)), by `FileDescriptorName=`.
///
/// They stay open in the manager when we leave, so connections wait in their backlog over a restart. Therefore shutdown(2) is
/// never called on one; closing our copy is fine. Whoever takes a descriptor out of this value owns it.
package struct InheritedSockets: Sendable, Equatable {
    /// Listeners named `hooks`, in the order they came: they replace `hooks.listen`.
    package private(set) var hooks: [CInt] = []
    /// Listeners named `control`, in the order they came.
    package private(set) var control: [CInt] = []
    /// Listeners named `runner`, for the privileged runner.
    package private(set) var runner: [CInt] = []
    /// What came and is of no use to the daemon. It is left open; its names were chosen by the administrator, so telling him is
    /// worthwhile.
    package private(set) var unusable: [Unusable] = []

    /// A descriptor that was handed over but is not what the daemon can listen on.
    package struct Unusable: Sendable, Equatable, CustomStringConvertible {
        package enum Reason: Sendable {
            case unknownName
            case notListening
        }

        package let name: String
        package let descriptor: CInt
        package let reason: Reason

        /// One sentence for the log, without control characters.
        package var description: String {
            let what = "inherited descriptor \(descriptor), named \"\(OneLine.shown(name))\", is not used: "
            return switch reason {
            case .unknownName: what + "FileDescriptorName= must be \"hooks\" or \"control\""
            case .notListening: what + "it is not a listening stream socket"
            }
        }
    }

    /// Takes what the service manager handed over; empty where it handed over nothing.
    ///
    /// All descriptors are made close-on-exec, and each is checked to be a listening stream socket. `$LISTEN_PID`, `$LISTEN_FDS`
    /// and `$LISTEN_FDNAMES` are unset on the way (children could not inherit them anyhow: they get an environment of their
    /// own), so a second call finds nothing. Changing the environment is not safe beside threads that read it: call this once,
    /// first thing.
    ///
    /// - Throws: ``SystemdError`` when `$LISTEN_FDS` is malformed or names a descriptor that is not open.
    package static func receive() throws(SystemdError) -> InheritedSockets {
        var names: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        let count = sd_listen_fds_with_names(1, &names)
        guard count >= 0 else { throw SystemdError(call: "sd_listen_fds_with_names", number: -count) }
        // The array and each name in it are ours to free, says the manual page.
        defer { free(names) }
        let received = (0..<count).map { index in
            let name = names?[Int(index)]
            defer { free(name) }
            return (name: name.map { String(cString: $0) } ?? "unknown", descriptor: SD_LISTEN_FDS_START + index)
        }
        return InheritedSockets(received, isListening: isListeningStreamSocket)
    }

    /// Sorts what was received by name and by what `isListening` finds.
    init(_ received: [(name: String, descriptor: CInt)], isListening: (CInt) -> Bool) {
        for (name, descriptor) in received {
            switch name {
            case "hooks", "control", "runner":
                guard isListening(descriptor) else {
                    unusable.append(Unusable(name: name, descriptor: descriptor, reason: .notListening))
                    continue
                }
                switch name {
                case "hooks": hooks.append(descriptor)
                case "control": control.append(descriptor)
                default: runner.append(descriptor)
                }
            default:
                unusable.append(Unusable(name: name, descriptor: descriptor, reason: .unknownName))
            }
        }
    }

    /// Whether connections can be accepted from `descriptor` (sd_is_socket(3)). Family, address and port are the administrator's
    /// business and not looked at. A descriptor that cannot be examined is none.
    static func isListeningStreamSocket(_ descriptor: CInt) -> Bool {
        sd_is_socket(descriptor, AF_UNSPEC, CInt(SOCK_STREAM.rawValue), 1) > 0
    }
}
