import EventLoop
import Testing

@Suite("Time and chance") struct InstantTests {
  @Test("adding to an instant saturates at the distant future")
  func saturation() {
    #expect(Instant.distantFuture + .seconds(1) == .distantFuture)
    #expect(Instant(nanoseconds: .max - 1) + .nanoseconds(5) == .distantFuture)
    #expect(Instant.zero + .microseconds(2) == Instant(nanoseconds: 2_000))
    #expect(Instant(nanoseconds: 5) - Instant(nanoseconds: 9) == .nanoseconds(-4))
  }

  @Test(
    "seconds become nanoseconds, rounded and saturated",
    arguments: [
      (1.5, 1_500_000_000), (0.000_000_000_4, 0), (0.000_000_000_6, 1), (-2, -2_000_000_000), (1e300, .max),
      (-1e300, .min), (.infinity, .max), (.nan, 0),
    ] as [(Double, Int64)])
  func seconds(value: Double, nanoseconds: Int64) {
    #expect(TimeSpan.seconds(value).nanoseconds == nanoseconds)
  }

  @Test(
    "a Duration becomes a span, saturated",
    arguments: [
      (.milliseconds(3), 3_000_000), (.seconds(-1), -1_000_000_000),
      (.seconds(Int64.max), .max), (.seconds(Int64.min), .min),
    ] as [(Duration, Int64)])
  func durations(duration: Duration, nanoseconds: Int64) {
    #expect(TimeSpan(duration).nanoseconds == nanoseconds)
  }

  @Test("the sequence is that of xoshiro256** seeded by SplitMix64")
  func randomSequence() {
    // Computed with an independent implementation of the two published algorithms.
    let expected: [(UInt64, [UInt64])] = [
      (0, [0x99EC_5F36_CB75_F2B4, 0xBF6E_1F78_4956_452A, 0x1A5F_849D_4933_E6E0, 0x6AA5_94F1_262D_2D2C]),
      (42, [0x1578_0B2E_0C2E_C716, 0x6104_D986_6D11_3A7E, 0xAE17_5332_39E4_99A1, 0xECB8_AD47_03B3_60A1]),
    ]
    for (seed, values) in expected {
      let random = SeededRandom(seed: seed)
      #expect(values.map { _ in random.next() } == values)
    }
  }

  @Test("chances come out about as often as they should, and certain ones exactly")
  func chances() {
    let random = SeededRandom(seed: 9)
    let hits = (0..<100_000).count { _ in random.chance(0.1) }
    #expect((9_500...10_500).contains(hits))
    #expect((0..<1_000).allSatisfy { _ in random.chance(1) })
    #expect(!(0..<1_000).contains { _ in random.chance(0) })
    let values = (0..<10_000).map { _ in random.uniform(-3...3) }
    #expect(Set(values) == Set(-3...3))
  }
}
