import Foundation

/// SplitMix64 (Steele, Lea, Flood 2014): the same seed gives the same numbers, so that a failure can be run again.
package struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    /// `BITTERN_TEST_SEED`, or another one every time.
    package static var seed: UInt64 {
        ProcessInfo.processInfo.environment["BITTERN_TEST_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0...(.max))
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
