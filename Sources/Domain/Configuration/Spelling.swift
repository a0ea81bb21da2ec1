/// Guesses what somebody meant to write.
package enum Spelling {
    /// The candidate that is nearest to `word`, if any is near enough to be meant; the first of several.
    package static func nearest(to word: String, among candidates: [String]) -> String? {
        // A long word is no slip of a known one, and measuring it would take its time.
        guard word.utf8.count <= 64 else { return nil }
        let measured = candidates.map { ($0, distance(folded(word), folded($0))) }
        guard let best = measured.min(by: { $0.1 < $1.1 }) else { return nil }
        return best.1 <= max(1, best.0.utf8.count / 3) ? best.0 : nil
    }

    /// How many characters must be put in, taken out, replaced or swapped with their neighbour to make one word of the other
    /// (optimal string alignment).
    static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for (row, byte) in left.enumerated() {
            var current = [row + 1]
            for (column, other) in right.enumerated() {
                var best = min(last[column] + (byte == other ? 0 : 1), last[column + 1] + 1, current[column] + 1)
                if row > 0, column > 0, byte == right[column - 1], left[row - 1] == other {
                    best = min(best, beforeLast[column - 1] + 1)
                }
                current.append(best)
            }
            (beforeLast, last) = (last, current)
        }
        return last[right.count]
    }

    /// Case and `-` for `_` are no difference to somebody who reads.
    private static func folded(_ word: String) -> [UInt8] {
        word.lowercased().utf8.map { $0 == UInt8(ascii: "-") ? UInt8(ascii: "_") : $0 }
    }
}
