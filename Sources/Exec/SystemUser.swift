import Glibc

/// A user, as the user database has it.
package struct SystemUser: Sendable {
    package let user: UInt32
    /// Its first group.
    package let group: UInt32

    /// nil: there is none of the name. May be called from any thread.
    package init?(_ name: String) {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 16384)
        // Not getpwnam(3), which would give one what another asked for.
        getpwnam_r(name, &entry, &buffer, buffer.count, &found)
        guard found != nil else { return nil }
        (user, group) = (entry.pw_uid, entry.pw_gid)
    }
}
