import Foundation

/// SplitMix64 (Steele, Lea, Flood 2014): the same seed gives the same numbers, so that a failure can be run again.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// `BITTERN_TORTURE_SEED`, or another one every time.
    static var seed: UInt64 {
        ProcessInfo.processInfo.environment["BITTERN_TORTURE_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0...(.max))
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

extension SeededRandom {
    /// True once in `number` times.
    mutating func oneIn(_ number: Int) -> Bool { Int.random(in: 0..<number, using: &self) == 0 }

    /// A pause of so many milliseconds.
    mutating func pause(_ range: ClosedRange<Int>) -> Duration { .milliseconds(Int.random(in: range, using: &self)) }
}
