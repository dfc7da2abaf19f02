import EventLoop
import Events
import Link
import Testing
import Wires

@Suite struct ImpairmentWireTests {
  /// Two recorders with an impaired loop between them; `a` is the port of the impairment.
  struct Bench {
    let loop: VirtualLoop
    let wire: ImpairmentWire
    let a: FrameRecorder
    let b: FrameRecorder

    init(_ text: String, seed: UInt64 = 1, frameLimit: Int = 16384, capacity: Int = .max) throws {
      loop = VirtualLoop(seed: seed)
      let cable = LoopWire(on: loop)
      b = FrameRecorder(on: cable.b, capacity: capacity)
      wire = ImpairmentWire(cable.a, on: loop, settings: try ImpairmentSettings(text), frameLimit: frameLimit)
      a = FrameRecorder(on: wire)
    }

    func numbered(_ number: Int, length: Int = 100) -> [UInt8] {
      [UInt8(number >> 8), UInt8(number & 255)] + [UInt8](repeating: 0x55, count: length - 2)
    }

    var arrived: [Int] { b.frames.map { Int($0[0]) << 8 | Int($0[1]) } }
  }

  @Test("without faults frames pass in the same call, both ways, with flow control")
  func transparent() throws {
    let bench = try Bench("", capacity: 2)
    for i in 0..<4 { bench.a.send(bench.numbered(i)) }
    #expect(bench.arrived == [0, 1] && bench.a.unsent.count == 2)
    bench.b.takeFrames()
    #expect(bench.arrived == [2, 3] && bench.a.unsent.isEmpty)
    bench.b.send([1, 2, 3])
    #expect(bench.a.frames == [[1, 2, 3]])
    bench.a.capacity = 1
    bench.b.send([4])
    #expect(bench.b.unsent == [[4]])
    bench.a.takeFrames()
    #expect(bench.a.frames == [[4]] && bench.wire.framesInFlight == 0)
  }

  @Test(
    "faults strike about as often as they should, and all frames are accounted for",
    arguments: ["loss", "duplicate", "corrupt", "reorder"])
  func rates(fault: String) throws {
    let bench = try Bench("out.\(fault)=10%")
    let total = 5000
    for i in 0..<total {
      bench.a.send(bench.numbered(i))
      bench.loop.advance(by: .microseconds(100))
    }
    bench.loop.advance(by: .seconds(1))
    let counters = bench.wire.counters.outbound
    let struck = [counters.lost, counters.duplicated, counters.corrupted, counters.reordered].max()!
    #expect((350...650).contains(struck))
    #expect(counters.frames == UInt64(total) + counters.duplicated - counters.lost)
    #expect(bench.b.frames.count == Int(counters.frames) && bench.wire.framesInFlight == 0)
    #expect(bench.wire.counters.inbound == LaneCounters())
  }

  @Test("corruption inverts exactly one bit and leaves the sender's own frame alone")
  func corruption() throws {
    let bench = try Bench("corrupt=100%")
    let frame = bench.numbered(5)
    bench.a.send(frame)
    let changed = zip(bench.b.frames[0], frame).reduce(0) { $0 + ($1.0 ^ $1.1).nonzeroBitCount }
    #expect(changed == 1 && bench.b.frames[0].count == frame.count)
  }

  @Test("a reordered frame arrives after later ones, and after the hold time if there are none")
  func reordering() throws {
    let bench = try Bench("reorder=20%,hold=2ms", seed: 3)
    for i in 0..<1000 {
      bench.a.send(bench.numbered(i))
      bench.loop.advance(by: .milliseconds(1))
    }
    bench.loop.advance(by: .milliseconds(2))
    #expect(bench.arrived.sorted() == Array(0..<1000) && bench.arrived != Array(0..<1000))
    #expect(bench.wire.framesInFlight == 0)
  }

  @Test("delay with jitter delivers every frame in order and within its bounds")
  func delayAndJitter() throws {
    let bench = try Bench("delay=20ms±5ms")
    var times: [Instant] = []
    bench.b.onFrame = { _ in times.append(bench.loop.now) }
    for i in 0..<500 {
      bench.a.send(bench.numbered(i))
      bench.loop.advance(by: .milliseconds(1))
    }
    bench.loop.advance(by: .seconds(1))
    #expect(bench.arrived == Array(0..<500))
    for (i, time) in times.enumerated() {
      let taken = time - Instant(nanoseconds: Int64(i) * 1_000_000)
      #expect(taken >= .milliseconds(15) && taken <= .milliseconds(25))
    }
    #expect(Set(times).count > 100)
  }

  @Test("a rate limit spaces frames by their length and drops what its queue does not hold")
  func rateLimit() throws {
    let bench = try Bench("rate=8mbit,queue=10")
    var times: [Int64] = []
    bench.b.onFrame = { _ in times.append(bench.loop.now.nanoseconds) }
    for i in 0..<15 { #expect(bench.a.send(bench.numbered(i, length: 1000))) }
    bench.loop.advance(by: .seconds(1))
    #expect(times == (1...10).map { Int64($0) * 1_000_000 })
    #expect(bench.arrived == Array(0..<10))
    #expect(bench.wire.counters.outbound.droppedQueue == 5)
    bench.a.send(bench.numbered(99))
    bench.loop.advance(by: .milliseconds(1))
    #expect(bench.arrived.last == 99)
  }

  @Test("frames under way wait while the port has no room, and keep their order")
  func blockedReceiver() throws {
    let bench = try Bench("delay=1ms,duplicate=30%", capacity: 0)
    for i in 0..<50 { bench.a.send(bench.numbered(i)) }
    bench.loop.advance(by: .seconds(10))
    #expect(bench.b.frames.isEmpty && bench.wire.framesInFlight >= 50)
    bench.b.capacity = 7
    var seen: [Int] = []
    for _ in 0..<20 {
      bench.b.takeFrames().forEach { seen.append(Int($0[0]) << 8 | Int($0[1])) }
      bench.loop.advance(by: .zero)
    }
    #expect(seen == seen.sorted() && Set(seen) == Set(0..<50) && bench.wire.framesInFlight == 0)
    #expect(bench.loop.isIdle)
  }

  @Test("a frame that is refused and offered again has its faults drawn once")
  func drawnOnce() throws {
    let bench = try Bench("loss=50%", seed: 9, capacity: 1)
    var passed = 0
    for i in 0..<400 {
      bench.a.send(bench.numbered(i))
      // Each refused frame is offered several times before there is room.
      for _ in 0..<5 { bench.a.wireIsReady() }
      passed += bench.b.takeFrames().count
    }
    while !bench.b.frames.isEmpty { passed += bench.b.takeFrames().count }
    #expect((150...250).contains(passed))
    #expect(bench.wire.counters.outbound.lost == UInt64(400 - passed))
  }

  @Test("frames under way are limited; what is over the limit is dropped and counted")
  func limit() throws {
    let bench = try Bench("delay=1s", frameLimit: 16)
    for i in 0..<20 { #expect(bench.a.send(bench.numbered(i))) }
    #expect(bench.wire.framesInFlight == 16 && bench.wire.counters.outbound.droppedLimit == 4)
    bench.loop.advance(by: .seconds(2))
    #expect(bench.b.frames.count == 16 && bench.wire.framesInFlight == 0)
  }

  @Test("the same seed gives the same run, another seed another one")
  func determinism() throws {
    func run(_ seed: UInt64) throws -> ([[UInt8]], ImpairmentCounters) {
      let bench = try Bench(
        "loss=5%,delay=2ms±1ms,reorder=5%,duplicate=5%,corrupt=5%,rate=50mbit,queue=20", seed: seed)
      for i in 0..<2000 {
        bench.a.send(bench.numbered(i))
        bench.loop.advance(by: .microseconds(20))
      }
      bench.loop.advance(by: .seconds(1))
      #expect(bench.wire.framesInFlight == 0)
      return (bench.b.frames, bench.wire.counters)
    }
    let first = try run(42)
    let second = try run(42)
    let other = try run(43)
    #expect(first.0 == second.0 && first.1 == second.1)
    #expect(first.0 != other.0)
  }

  @Test("a tap hears of lost frames, and the carrier of the inner wire is passed on")
  func tapAndCarrier() throws {
    let loop = VirtualLoop(seed: 1)
    let cable = LoopWire(on: loop)
    let wire = ImpairmentWire(cable.a, on: loop, settings: try ImpairmentSettings("loss=100%"))
    let port = FrameRecorder(on: wire)
    let tap = EventTap(on: loop)
    var events: [Event] = []
    tap.attach { events.append($0.event) }
    wire.tap = tap
    port.send([1, 2])
    #expect(events == [.dropped(reason: "impairment out: loss", length: 2)])
    cable.unplug()
    #expect(port.carrierChanges == 1 && !wire.hasCarrier)
  }
}
