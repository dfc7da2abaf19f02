import EventLoop
import Events
import Link
import LinuxABI
import NetStack
import PacketCapture
import Packets
import Wires

/// Two stations on one wire in virtual time: what they send each other, through which faults.
public struct SimulationPlan: Sendable {
  /// Decides everything that is left to chance.
  public var seed: UInt64
  /// Bytes sent in each direction.
  public var byteCount = 1_000_000
  /// Faults on the wire; nil draws them from the seed.
  public var impairment: ImpairmentSettings?
  public var station = Station.Options()
  /// Virtual time after which the run counts as stuck.
  public var limit = TimeSpan.seconds(24 * 3600)
  /// Gets a line an event.
  public var eventSink: (@Sendable (String) -> Void)?
  /// A pcapng file of the wire.
  public var capturePath: String?

  public init(seed: UInt64) { self.seed = seed }
}

/// What a run of a ``SimulationPlan`` came to.
public struct SimulationResult: Sendable, Codable, Equatable {
  public let seed: UInt64
  public let impairment: String
  public let bytesEachWay: Int
  /// Virtual seconds from connect to the last close.
  public let seconds: Double
  public let frames: UInt64
  public let retransmissions: UInt64
  /// Hash over time, direction and bytes of every frame: equal for equal seeds.
  public let fingerprint: String
}

/// A run that went wrong: what, at which seed, and how to see it again.
public struct SimulationFailure: Error, CustomStringConvertible {
  public let seed: UInt64
  public let impairment: String
  public let bytesEachWay: Int
  public let reason: String

  public var description: String {
    "seed \(seed): \(reason); run it again with: workbench simulate --seed \(seed) --seeds 1 "
      + "--bytes \(bytesEachWay) --impair \(impairment) --verbose"
  }
}

/// A whole bench of two stations in virtual time.
public final class Simulation {
  private let plan: SimulationPlan
  private let impairment: ImpairmentSettings
  private let loop: VirtualLoop
  private let tap: EventTap
  private let cable: LoopWire
  private let faults: ImpairmentWire
  private let recorder: CaptureWire
  private let capture: CaptureWire?
  private let client: Station
  private let server: Station
  private let fingerprint: Fingerprint

  private static let clientAddress = IPv4Address(192, 0, 2, 1)
  private static let serverAddress = IPv4Address(192, 0, 2, 2)
  private static let port: UInt16 = 7

  /// Builds the two stations and their wire.
  public init(_ plan: SimulationPlan) throws(BenchError) {
    self.plan = plan
    loop = VirtualLoop(seed: plan.seed)
    tap = EventTap(on: loop)
    if let sink = plan.eventSink {
      EventPrinter(write: sink).attach(to: tap)
    }
    impairment = plan.impairment ?? Self.drawImpairment(SeededRandom(seed: ~plan.seed))
    cable = LoopWire(on: loop)
    faults = ImpairmentWire(cable.a, on: loop, settings: impairment)
    let fingerprint = Fingerprint()
    self.fingerprint = fingerprint
    recorder = CaptureWire(faults, on: loop) { (frame, time, direction) throws(CaptureError) in
      fingerprint.add(frame, time: time, isInbound: direction == .inbound)
    }
    var wire: any Wire = recorder
    if let path = plan.capturePath {
      do throws(CaptureError) {
        let capture = try CaptureWire(recorder, on: loop, path: path, name: "client")
        self.capture = capture
        wire = capture
      } catch {
        throw .capture(path, error)
      }
    } else {
      capture = nil
    }
    var options = plan.station
    options.board.hardwareAddress = MACAddress(rawValue: 0x0200_0000_0001)
    client = try Station(name: "client", on: loop, tap: tap, options: options)
    options.board.hardwareAddress = MACAddress(rawValue: 0x0200_0000_0002)
    server = try Station(name: "server", on: loop, tap: tap, options: options)
    try client.start(on: wire)
    try server.start(on: cable.b)
    try client.configure(IPv4Subnet(Self.clientAddress, prefixLength: 24)!)
    try server.configure(IPv4Subnet(Self.serverAddress, prefixLength: 24)!)
  }

  /// Faults of every kind, each up to its bound, a tenth of the frames at most lost.
  private static func drawImpairment(_ random: SeededRandom) -> ImpairmentSettings {
    /// Tenths of a percent, so that the text of the settings is short and exact.
    func share(_ most: Int64) -> Double { random.chance(0.25) ? 0 : Double(random.uniform(0...most)) / 1000 }
    func lane() -> LaneImpairment {
      var lane = LaneImpairment()
      lane.loss = share(100)
      lane.reorder = share(50)
      lane.duplicate = share(50)
      lane.corrupt = share(20)
      lane.delay = .microseconds(2 * Int(random.uniform(0...10_000)))
      lane.jitter = random.chance(0.5) ? .zero : lane.delay / 2
      if random.chance(0.3) { lane.rate = UInt64(random.uniform(10...1000)) * 1_000_000 }
      return lane
    }
    var settings = ImpairmentSettings()
    settings.inbound = lane()
    settings.outbound = lane()
    return settings
  }

  /// Runs the plan to its end and checks that nothing is left: bytes equal, buffers returned, no timer armed.
  public func run() throws(SimulationFailure) -> SimulationResult {
    do {
      loop.limit = .zero + plan.limit
      try loop.run { [self] in
        try await client.waitForLink()
        try await server.waitForLink()
      }
      let start = loop.now
      try loop.run { [self] in
        let listener = try listen()
        let serving = loop.spawn { [self] in try await serve(listener) }
        try await connect()
        try await serving.value
        try await server.system.close(listener)
      }
      let seconds = (loop.now - start).seconds
      // TIME-WAIT and what is still on the wire run out.
      try loop.runUntilIdle()
      try loop.run { [self] in
        await client.stop()
        await server.stop()
      }
      try loop.runUntilIdle()
      try checkNothingIsLeft()
      try capture?.close()
      return SimulationResult(
        seed: plan.seed, impairment: impairment.description, bytesEachWay: plan.byteCount, seconds: seconds,
        frames: fingerprint.frames,
        retransmissions: client.stack.tcp.counters.retransmittedSegments
          + server.stack.tcp.counters.retransmittedSegments,
        fingerprint: fingerprint.text)
    } catch let failure as SimulationFailure {
      throw failure
    } catch {
      throw failure(String(describing: error))
    }
  }

  private func failure(_ reason: String) -> SimulationFailure {
    SimulationFailure(
      seed: plan.seed, impairment: impairment.description, bytesEachWay: plan.byteCount, reason: reason)
  }

  private func listen() throws(Errno) -> Int32 {
    let listener = try server.system.socket(SocketDomain.AF_INET, SocketType.SOCK_STREAM, 0)
    try server.system.bind(listener, to: Endpoint(.any, Self.port))
    try server.system.listen(listener, backlog: 8)
    return listener
  }

  private func serve(_ listener: Int32) async throws {
    let (connection, _) = try await server.system.accept4(listener)
    try await exchange(server, connection, sending: 2, expecting: 1)
  }

  private func connect() async throws {
    let connection = try client.system.socket(SocketDomain.AF_INET, SocketType.SOCK_STREAM, 0)
    try await client.system.connect(connection, to: Endpoint(Self.serverAddress, Self.port))
    try await exchange(client, connection, sending: 1, expecting: 2)
  }

  /// Sends and receives the plan's bytes at the same time, closes the sending direction, reads to the end, and closes.
  private func exchange(
    _ station: Station, _ connection: Int32, sending: UInt64, expecting: UInt64
  ) async throws {
    let writer = loop.spawn { [self] in
      try await send(station, connection, OriginContent(byteCount: plan.byteCount, seed: sending ^ plan.seed))
    }
    try await receive(station, connection, OriginContent(byteCount: plan.byteCount, seed: expecting ^ plan.seed))
    try await writer.value
    try await station.system.close(connection)
  }

  private func send(_ station: Station, _ connection: Int32, _ content: OriginContent) async throws {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
    defer { buffer.deallocate() }
    var offset = 0
    while offset < content.byteCount {
      let count = content.fill(buffer, from: offset)
      var sent = 0
      while sent < count {
        sent += try await station.system.write(connection, UnsafeRawBufferPointer(rebasing: buffer[sent..<count]))
      }
      offset += count
    }
    try station.system.shutdown(connection, ShutdownHow.SHUT_WR)
  }

  private func receive(_ station: Station, _ connection: Int32, _ content: OriginContent) async throws {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
    let expected = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
    defer {
      buffer.deallocate()
      expected.deallocate()
    }
    var offset = 0
    while true {
      let count = try await station.system.read(connection, buffer)
      if count == 0 { break }
      guard offset + count <= content.byteCount else { throw failure("\(station.name) got more bytes than were sent") }
      var checked = 0
      while checked < count {
        let made = content.fill(
          UnsafeMutableRawBufferPointer(rebasing: expected[..<(count - checked)]), from: offset + checked)
        guard
          UnsafeRawBufferPointer(rebasing: buffer[checked..<(checked + made)])
            .elementsEqual(UnsafeRawBufferPointer(rebasing: expected[..<made]))
        else { throw failure("\(station.name) got other bytes than were sent, near offset \(offset + checked)") }
        checked += made
      }
      offset += count
    }
    guard offset == content.byteCount else {
      throw failure("\(station.name) got \(offset) of \(content.byteCount) bytes")
    }
  }

  private func checkNothingIsLeft() throws(SimulationFailure) {
    for station in [client, server] {
      guard station.stack.tcp.connections.isEmpty else { throw failure("\(station.name) still has connections") }
      guard station.system.openDescriptors.isEmpty else { throw failure("\(station.name) has open descriptors") }
      let bytes = station.board?.machine.allocator.counters.bytesInUse ?? 0
      guard bytes == 0 else { throw failure("\(station.name) still holds \(bytes) bytes of DMA memory") }
    }
    guard faults.framesInFlight == 0 else { throw failure("\(faults.framesInFlight) frames are still on the wire") }
    let timers = loop.timers.armedCount
    guard timers == 0 else { throw failure("\(timers) timers are still armed") }
  }
}

/// A running hash over frames (FNV-1a over 64-bit words), to compare runs by.
final class Fingerprint {
  private var state: UInt64 = 0xCBF2_9CE4_8422_2325
  private(set) var frames: UInt64 = 0

  func add(_ frame: RawSpan, time: UInt64, isInbound: Bool) {
    frames += 1
    mix(time)
    mix(UInt64(frame.byteCount) << 1 | (isInbound ? 1 : 0))
    var offset = 0
    while offset + 8 <= frame.byteCount {
      mix(frame.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
      offset += 8
    }
    while offset < frame.byteCount {
      mix(UInt64(frame.unsafeLoad(fromByteOffset: offset, as: UInt8.self)))
      offset += 1
    }
  }

  private func mix(_ word: UInt64) {
    state = (state ^ word) &* 0x0000_0100_0000_01B3
    state ^= state >> 29
  }

  var text: String {
    let digits = String(state, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
