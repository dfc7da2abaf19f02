import EventLoop
import LinuxABI
import Testing

@Suite("The ranges that one owner has locked")
struct LockedRangesTests {
  @Test("agree with a file of bytes over random locks and unlocks", arguments: 1...20 as ClosedRange<UInt64>)
  func model(seed: UInt64) {
    let random = SeededRandom(seed: seed)
    var ranges = LockedRanges()
    var bytes = [LockedRanges.Kind?](repeating: nil, count: 64)
    /// Stretches of equal bytes that are locked.
    func stretches() -> [LockedRanges.Element] {
      var found: [LockedRanges.Element] = []
      for (i, kind) in bytes.enumerated() {
        guard let kind else { continue }
        if let last = found.last, last.kind == kind, last.bytes.upperBound + 1 == Int64(i) {
          found[found.count - 1].bytes = last.bytes.lowerBound...Int64(i)
        } else {
          found.append(LockedRanges.Element(kind, Int64(i)...Int64(i)))
        }
      }
      return found
    }
    for _ in 0..<2000 {
      let start = random.uniform(0...63)
      let end = min(63, start + random.uniform(0...random.uniform(0...63)))
      let kind: LockedRanges.Kind? = [nil, .shared, .exclusive][Int(random.uniform(0...2))]
      let before = (ranges.elements, bytes)
      for i in start...end { bytes[Int(i)] = kind }
      let growth = stretches().count - before.0.count
      let room = Int(random.uniform(-2...2))
      if growth <= room {
        #expect(ranges.set(start...end, to: kind, room: room) == growth)
      } else {
        #expect(ranges.set(start...end, to: kind, room: room) == nil)
        bytes = before.1
      }
      #expect(ranges.elements == stretches())
      let asked = random.uniform(0...63)...63
      let inTheWay = stretches().filter { $0.bytes.overlaps(asked) }
      #expect(ranges.first(overlapping: asked, conflictingWith: .exclusive) == inTheWay.first)
      #expect(ranges.first(overlapping: asked, conflictingWith: nil) == inTheWay.first)
      #expect(ranges.first(overlapping: asked, conflictingWith: .shared) == inTheWay.first { $0.kind == .exclusive })
    }
  }

  @Test("reach to the last offset that there is, and are joined and cut there")
  func lastOffset() {
    var ranges = LockedRanges()
    #expect(ranges.set(0...Int64.max, to: .shared, room: 9) == 1)
    #expect(ranges.set(Int64.max...Int64.max, to: .exclusive, room: 9) == 1)
    #expect(ranges.elements.last == LockedRanges.Element(.exclusive, Int64.max...Int64.max))
    #expect(ranges.set(0...0, to: nil, room: 9) == 0)
    #expect(ranges.first(overlapping: 0...1, conflictingWith: nil)?.bytes == 1...(Int64.max - 1))
    #expect(ranges.set(0...Int64.max, to: .shared, room: 9) == -1)
    #expect(ranges.set(0...Int64.max, to: nil, room: 0) == -1)
    #expect(ranges.elements.isEmpty)
  }
}
