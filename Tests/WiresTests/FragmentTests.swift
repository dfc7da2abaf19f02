import EventLoop
import Link
import Testing
import Wires

@Suite("Fragments on their way to libslirp", .serialized) struct FragmentTests {
  /// The pieces of an echo request of 40 bytes, eight or sixteen bytes each.
  private static func pieces(_ sequence: UInt16) -> [[UInt8]] {
    let echo = Array(SlirpBench.echoRequest(sequence: sequence).dropFirst(34))
    return [(0, 8), (8, 24), (24, 32), (32, 40)].map { from, to in
      SlirpBench.ipv4(
        1, Array(echo[from..<to]), identification: sequence,
        fragment: UInt16(from / 8) | (to < echo.count ? 0x2000 : 0))
    }
  }

  /// Every order of every selection of `items`.
  private static func arrangements(_ items: [Int]) -> [[Int]] {
    [[]] + items.flatMap { first in arrangements(items.filter { $0 != first }).map { [first] + $0 } }
  }

  @Test("in whatever order pieces come, and whichever are missing: all of them make one datagram, fewer make none")
  func everyOrder() throws {
    let bench = try SlirpBench()
    try bench.introduce()
    let arrangements = Self.arrangements([0, 1, 2, 3]).filter { !$0.isEmpty }
    #expect(arrangements.count == 64)
    var before = bench.wire.counters.sent
    for (number, arrangement) in arrangements.enumerated() {
      let sequence = UInt16(100 + number)
      let pieces = Self.pieces(sequence)
      for piece in arrangement.dropLast() { bench.port.send(pieces[piece]) }
      guard arrangement.count == 4 else {
        bench.port.send(pieces[arrangement.last!])
        continue
      }
      let reply = try bench.ask(pieces[arrangement.last!]) {
        $0[13] == 0 && $0[23] == 1 && Array($0[40..<42]) == SlirpBench.big(sequence)
      }
      let whole = SlirpBench.echoRequest(sequence: sequence)
      #expect(reply.map { Array($0[38...]) } == Array(whole[38...]), "order \(arrangement)")
    }
    try bench.loop.run { try await bench.loop.sleep(for: .milliseconds(5)) }
    before = bench.wire.counters.sent - before
    #expect(before == 24)
    #expect(bench.wire.counters.refused.total == 0)
    // Sixteen of forty may wait; one more had to make room for the last whole datagram.
    #expect(bench.wire.counters.abandonedDatagrams == 40 - 16 + 1)
  }

  @Test("of overlapping fragments the later one is refused; the datagram is put together all the same")
  func overlap() throws {
    let bench = try SlirpBench()
    try bench.introduce()
    let echo = Array(SlirpBench.echoRequest(sequence: 3).dropFirst(34))
    bench.port.send(SlirpBench.ipv4(1, Array(echo[0..<24]), identification: 9, fragment: 0x2000))
    bench.port.send(SlirpBench.ipv4(1, Array(echo[16..<32]), identification: 9, fragment: 0x2002))
    bench.port.send(SlirpBench.ipv4(1, Array(echo[0..<24]), identification: 9, fragment: 0x2000))
    // An end before what has arrived.
    bench.port.send(SlirpBench.ipv4(1, Array(echo[0..<8]), identification: 9, fragment: 0x0000 | 1))
    let reply = try bench.ask(SlirpBench.ipv4(1, Array(echo[24...]), identification: 9, fragment: 0x0003)) {
      $0[13] == 0 && $0[23] == 1
    }
    #expect(reply.map { Array($0[38...]) } == Array(echo[4...]))
    #expect(bench.wire.counters.refused.fragment == 3)
  }

  @Test("what the pieces make up is looked at like any frame: a TCP header that is none does not go in")
  func checkedAfterwards() throws {
    let bench = try SlirpBench()
    try bench.introduce()
    let before = bench.wire.counters.sent
    bench.port.send(SlirpBench.ipv4(6, [UInt8](repeating: 0, count: 8), identification: 5, fragment: 0x2000))
    bench.port.send(SlirpBench.ipv4(6, [UInt8](repeating: 0, count: 12), identification: 5, fragment: 0x0001))
    try bench.loop.run { try await bench.loop.sleep(for: .milliseconds(1)) }
    #expect(bench.wire.counters.refused.tcp == 1)
    #expect(bench.wire.counters.sent == before)
  }

  @Test("a datagram of 65,535 bytes goes in; one byte more is refused")
  func largest() throws {
    let bench = try SlirpBench()
    try bench.introduce()
    var sent = bench.wire.counters.sent
    for length in [65_515, 65_516] {
      var message = [UInt8](repeating: 7, count: length)
      message.replaceSubrange(0..<8, with: [0x30, 0, 0, 9, UInt8(length >> 8), UInt8(length & 255), 0, 0])
      var offset = 0
      while offset < length {
        let end = min(offset + 1480, length)
        bench.port.send(
          SlirpBench.ipv4(
            17, Array(message[offset..<end]), identification: UInt16(length),
            fragment: UInt16(offset / 8) | (end < length ? 0x2000 : 0)))
        offset = end
      }
      try bench.loop.run { try await bench.loop.sleep(for: .milliseconds(5)) }
    }
    sent = bench.wire.counters.sent - sent
    #expect(sent == 1)
    #expect(bench.wire.counters.refused.fragment == 1)
  }
}
