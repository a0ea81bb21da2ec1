import Foundation
import RealParts

extension SeededRandom {
    /// `BITTERN_TORTURE_SEED`, or another one every time.
    static var tortureSeed: UInt64 {
        ProcessInfo.processInfo.environment["BITTERN_TORTURE_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0...(.max))
    }

    /// True once in `number` times.
    mutating func oneIn(_ number: Int) -> Bool { Int.random(in: 0..<number, using: &self) == 0 }

    /// A pause of so many milliseconds.
    mutating func pause(_ range: ClosedRange<Int>) -> Duration { .milliseconds(Int.random(in: range, using: &self)) }
}
