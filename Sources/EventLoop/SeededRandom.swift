/// The random numbers of a bench: xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom number generators",
/// 2021), seeded by SplitMix64. A reference type: every layer of a bench draws from one sequence.
public final class SeededRandom: RandomNumberGenerator {
  /// The seed this sequence was made from.
  public let seed: UInt64
  private var state: (UInt64, UInt64, UInt64, UInt64)

  public init(seed: UInt64) {
    self.seed = seed
    var z = seed
    func splitMix() -> UInt64 {
      z &+= 0x9E37_79B9_7F4A_7C15
      var x = z
      x = (x ^ (x >> 30)) &* 0xBF58_476D_1CE4_E5B9
      x = (x ^ (x >> 27)) &* 0x94D0_49BB_1331_11EB
      return x ^ (x >> 31)
    }
    state = (splitMix(), splitMix(), splitMix(), splitMix())
  }

  public func next() -> UInt64 {
    let scrambled = (state.1 &* 5)
    let result = ((scrambled << 7) | (scrambled >> 57)) &* 9
    let shifted = state.1 << 17
    state.2 ^= state.0
    state.3 ^= state.1
    state.1 ^= state.2
    state.0 ^= state.3
    state.2 ^= shifted
    state.3 = (state.3 << 45) | (state.3 >> 19)
    return result
  }

  /// True with the given probability (0...1).
  public func chance(_ probability: Double) -> Bool {
    probability > 0 && Double(next() >> 11) * 0x1p-53 < probability
  }

  /// A value of `range`, uniformly.
  public func uniform(_ range: ClosedRange<Int64>) -> Int64 {
    var generator = self
    return Int64.random(in: range, using: &generator)
  }
}
