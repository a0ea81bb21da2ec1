import Synchronization

/// Counts the bytes of bodies that are in memory.
final class BodyLoad: Sendable {
    private let limit: Int
    private let bytes = Mutex(0)

    init(limit: Int) {
        self.limit = limit
    }

    /// - Returns: whether there was room.
    func take(_ count: Int) -> Bool {
        bytes.withLock { bytes in
            guard bytes + count <= limit else { return false }
            bytes += count
            return true
        }
    }

    func give(_ count: Int) {
        bytes.withLock { $0 -= count }
    }
}
