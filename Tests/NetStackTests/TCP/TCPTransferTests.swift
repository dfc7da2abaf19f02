import EventLoop
import NetStack
import Packets
import Testing

@Suite("TCP: whole transfers")
struct TCPTransferTests {
  @Test("a connection opens, carries bytes both ways and closes", arguments: DeviceFeaturesOfTest.allCases)
  func opensTransfersCloses(_ features: DeviceFeaturesOfTest) throws {
    let pair = TCPPair(features: features)
    try pair.connect()
    let (out, home) = exchange(pair, there: pattern(100_000), back: pattern(300_000, seed: 7), limit: .seconds(30))
    #expect(out.isComplete, "\(out.progress)")
    #expect(home.isComplete, "\(home.progress)")
    #expect(pair.a.stack.tcp.counters.retransmittedSegments == 0)
    #expect(pair.b.stack.tcp.counters.retransmittedSegments == 0)
    pair.client.close()
    pair.server.close()
    pair.expectNothingLeft()
  }

  @Test("1 MB each way survives loss, reordering, duplication and damage", arguments: 1...24)
  func survivesImpairment(_ seed: Int) throws {
    let run = try impairedRun(seed: UInt64(seed), rate: Double(1 + seed % 10) / 100, count: 1_000_000)
    #expect(run.isComplete)
  }

  @Test("a run repeats bit for bit by its seed")
  func repeats() throws {
    let first = try impairedRun(seed: 5, rate: 0.05, count: 200_000)
    let second = try impairedRun(seed: 5, rate: 0.05, count: 200_000)
    let other = try impairedRun(seed: 6, rate: 0.05, count: 200_000)
    #expect(first == second)
    #expect(first.frames != other.frames)
  }

  struct Run: Equatable {
    var isComplete: Bool
    var frames: Int
    var client: TCPCounters
    var server: TCPCounters
  }

  private func impairedRun(seed: UInt64, rate: Double, count: Int) throws -> Run {
    let features = DeviceFeaturesOfTest.allCases[Int(seed % 3)]
    let pair = TCPPair(seed: seed, features: features)
    // A hand that is lost in the handshake is part of the game, but the test wants the connection first.
    try pair.connect()
    let random = pair.network.loop.random
    pair.network.latency = .microseconds(500)
    pair.network.disturb = { flight in
      if random.chance(rate) { flight.copies = 0 }
      if random.chance(rate / 2) { flight.copies = 2 }
      if random.chance(rate) { flight.delay = .microseconds(Int(random.uniform(1...3000))) }
      if random.chance(rate / 2) {
        let place = Int(random.uniform(14...Int64(flight.bytes.count - 1)))
        flight.bytes[place] ^= UInt8(1 << random.uniform(0...7))
      }
    }
    let (out, home) = exchange(pair, there: pattern(count), back: pattern(count, seed: 99))
    #expect(out.isComplete, "\(out.progress)")
    #expect(home.isComplete, "\(home.progress)")
    let isComplete = out.isComplete && home.isComplete
    pair.client.close()
    pair.server.close()
    pair.expectNothingLeft()
    return Run(
      isComplete: isComplete, frames: pair.network.frameCount, client: pair.a.stack.tcp.counters,
      server: pair.b.stack.tcp.counters)
  }
}
