import EventLoop
import Glibc
import Machine
import Memory
import Testing
import VfioUser

/// A malformed command and how it is refused.
struct Malformed: CustomTestStringConvertible, Sendable {
  var command: UInt16
  var body: [UInt8]
  var refusal: VfioUserRefusal
  var testDescription: String { "command \(command), \(body.count) bytes: \(refusal)" }

  init(_ command: VfioUserCommand, _ body: [UInt8], _ refusal: VfioUserRefusal) {
    self.command = command.rawValue
    self.body = body
    self.refusal = refusal
  }

  static let mapping = DMAMapping(flags: 3, offset: 0, address: 0x1000, size: 0x1000)

  static func with<T: VfioUserPayload>(_ payload: T, _ change: (inout T) -> Void) -> [UInt8] {
    var copy = payload
    change(&copy)
    return bytes(copy)
  }

  static func interrupts(_ flags: UInt32, index: UInt32 = 0, start: UInt32 = 0, count: UInt32 = 1, data: Int = 0)
    -> [UInt8]
  {
    var setting = InterruptSetting(flags: .init(rawValue: flags), index: index, start: start, count: count)
    setting.argumentByteCount += UInt32(data)
    return bytes(setting) + [UInt8](repeating: 1, count: data)
  }

  static func access(_ region: UInt32, _ offset: UInt64, _ count: UInt32, data: Int = 0) -> [UInt8] {
    bytes(RegionAccess(region: region, offset: offset, count: count)) + [UInt8](repeating: 0, count: data)
  }

  /// Every command without its last byte is among them.
  static let all: [Malformed] = [
    .init(.mapDMA, Array(bytes(mapping).dropLast()), .truncated),
    .init(.mapDMA, with(mapping) { $0.argumentByteCount = 31 }, .argumentSize),
    .init(.mapDMA, with(mapping) { $0.flags = 0 }, .badMapping),
    .init(.mapDMA, with(mapping) { $0.flags = 2 }, .badMapping),
    .init(.mapDMA, with(mapping) { $0.flags = 7 }, .badMapping),
    .init(.mapDMA, with(mapping) { $0.size = 0 }, .badMappingRange),
    .init(.mapDMA, with(mapping) { $0.size = .max }, .badMappingRange),
    .init(.mapDMA, with(mapping) { $0.address = .max - 0xFFE }, .badMappingRange),
    .init(.unmapDMA, Array(bytes(DMAUnmapping(address: 0, size: 0)).dropLast()), .truncated),
    .init(.unmapDMA, with(DMAUnmapping(address: 0, size: 1)) { $0.argumentByteCount = 8 }, .argumentSize),
    .init(.unmapDMA, with(DMAUnmapping(address: 0, size: 1)) { $0.flags = 1 }, .badMapping),
    .init(.unmapDMA, with(DMAUnmapping(address: 0, size: 1)) { $0.flags = 2 }, .badMapping),
    .init(.unmapDMA, bytes(DMAUnmapping(address: 0x1000, size: 0x1000)), .unknownMapping),
    .init(.deviceInfo, Array(bytes(DeviceInfo()).dropLast()), .truncated),
    .init(.deviceInfo, with(DeviceInfo()) { $0.argumentByteCount = 15 }, .argumentSize),
    .init(.regionInfo, Array(bytes(RegionInfo(index: 0)).dropLast()), .truncated),
    .init(.regionInfo, with(RegionInfo(index: 0)) { $0.argumentByteCount = 0 }, .argumentSize),
    .init(.regionInfo, bytes(RegionInfo(index: 9)), .badIndex),
    .init(.regionInfo, bytes(RegionInfo(index: .max)), .badIndex),
    .init(.interruptInfo, Array(bytes(InterruptInfo(index: 0)).dropLast()), .truncated),
    .init(.interruptInfo, with(InterruptInfo(index: 0)) { $0.argumentByteCount = 15 }, .argumentSize),
    .init(.interruptInfo, bytes(InterruptInfo(index: 5)), .badIndex),
    .init(.setInterrupts, Array(interrupts(0x21).dropLast()), .truncated),
    .init(.setInterrupts, interrupts(0), .badInterruptSetting),
    .init(.setInterrupts, interrupts(0x23), .badInterruptSetting),
    .init(.setInterrupts, interrupts(0x39), .badInterruptSetting),
    .init(.setInterrupts, interrupts(0x61), .badInterruptSetting),
    .init(.setInterrupts, interrupts(0x21, index: 5, count: 0), .badIndex),
    .init(.setInterrupts, interrupts(0x21, index: 1), .badInterruptSetting),
    .init(.setInterrupts, interrupts(0x21, count: 2), .badInterruptSetting),
    .init(.setInterrupts, interrupts(0x21, start: 1), .badInterruptSetting),
    .init(.setInterrupts, interrupts(0x21, start: .max, count: .max), .badInterruptSetting),
    .init(.setInterrupts, interrupts(0x22), .truncated),
    .init(.setInterrupts, interrupts(0x22, count: .max, data: 4), .truncated),
    .init(.setInterrupts, interrupts(0x22, count: 2, data: 2), .badInterruptSetting),
    .init(.setInterrupts, interrupts(0x0C), .badInterruptSetting),
    .init(.readRegion, Array(access(7, 0, 4).dropLast()), .truncated),
    .init(.readRegion, access(7, 0, 4, data: 1), .excessBytes),
    .init(.readRegion, access(7, 0, 0), .badRange),
    .init(.readRegion, access(7, 256, 1), .badRange),
    .init(.readRegion, access(7, 255, 2), .badRange),
    .init(.readRegion, access(7, .max, 2), .badRange),
    .init(.readRegion, access(7, 0, .max), .badRange),
    .init(.readRegion, access(0, 128 << 10, 4), .badRange),
    .init(.readRegion, access(0, 0, 3), .badWidth),
    .init(.readRegion, access(0, 0, 16), .badWidth),
    .init(.readRegion, access(2, 0, 4), .badIndex),
    .init(.readRegion, access(6, 0, 4), .badIndex),
    .init(.readRegion, access(8, 0, 4), .badIndex),
    .init(.readRegion, access(9, 0, 4), .badIndex),
    .init(.readRegion, access(.max, 0, 4), .badIndex),
    .init(.writeRegion, Array(access(7, 0, 4, data: 0).dropLast()), .truncated),
    .init(.writeRegion, access(7, 0, 4, data: 3), .truncated),
    .init(.writeRegion, access(7, 0, 4, data: 5), .excessBytes),
    .init(.writeRegion, access(7, 0, .max, data: 4), .truncated),
    .init(.writeRegion, access(7, 0, 0), .badRange),
    .init(.writeRegion, access(7, 254, 4, data: 4), .badRange),
    .init(.writeRegion, access(0, (128 << 10) - 3, 4, data: 4), .badRange),
    .init(.writeRegion, access(0, 0, 3, data: 3), .badWidth),
    .init(.writeRegion, access(9, 0, 4, data: 4), .badIndex),
    .init(.writeRegions, bytes(UInt32(0)), .truncated),
    .init(.writeRegions, bytes(1 as UInt64) + access(0, 0, 4, data: 7), .truncated),
    .init(.writeRegions, bytes(UInt64.max) + access(0, 0, 4, data: 8), .truncated),
    .init(.writeRegions, bytes(0 as UInt64) + access(0, 0, 4, data: 8), .excessBytes),
    .init(.writeRegions, bytes(1 as UInt64) + access(0, 0, 9, data: 8), .badWidth),
    .init(.writeRegions, bytes(1 as UInt64) + access(0, 0, 3, data: 8), .badWidth),
    .init(.writeRegions, bytes(1 as UInt64) + access(5, 0, 4, data: 8), .badIndex),
    .init(.reset, [0], .excessBytes),
  ]
}

@Suite("vfio-user server: hostile clients") struct MalformedTests {
  /// The server still serves.
  static func expectAlive(_ client: ScriptedClient) async throws {
    #expect(try await client.read32(7, 0) == 0x100E_8086)
  }

  @Test(
    "a malformed command gets the protocol's error reply, is counted, and the next one is served",
    arguments: Malformed.all)
  func malformed(_ malformed: Malformed) throws {
    let served = try ServedFunction()
    try served.run {
      let client = try await served.client()
      let command = try #require(VfioUserCommand(rawValue: malformed.command))
      let answer = try await client.request(command, malformed.body)
      #expect(answer.error == Int32(malformed.refusal.errorNumber) && answer.error != 0)
      #expect(answer.body.isEmpty && answer.header.flags == [.reply, .error])
      #expect(served.refusals(malformed.refusal) == 1 && served.counters.refusals.total == 1)
      // The same without reply is silent.
      client.post(command, malformed.body, flags: .noReply)
      try await Self.expectAlive(client)
      #expect(served.refusals(malformed.refusal) == 2)
      #expect(served.function.accesses.isEmpty && served.server.mappingCount == 0)
    }
  }

  @Test(
    "before VERSION nothing is done, and a VERSION that is wrong is refused",
    arguments: [
      ([1, 0, 0, 0], VfioUserRefusal.unsupportedVersion), ([0, 0, 0], .truncated),
      ([0, 0, 0, 0] + Array("{}".utf8), .badCapabilities),
      ([0, 0, 0, 0] + Array("{".utf8) + [0], .badCapabilities),
      ([0, 0, 0, 0] + Array("[]".utf8) + [0], .badCapabilities),
      ([0, 0, 0, 0] + Array("{}}".utf8) + [0], .badCapabilities),
      ([0, 0, 0, 0] + Array(#"{"capabilities":3}"#.utf8) + [0], .badCapabilities),
      ([0, 0, 0, 0] + Array(#"{"capabilities":{"max_msg_fds":"x"}}"#.utf8) + [0], .badCapabilities),
      ([0, 0, 0, 0] + Array(#"{"capabilities":{"max_msg_fds":-1}}"#.utf8) + [0], .badCapabilities),
      ([0, 0, 0, 0] + Array(#"{"capabilities":{"max_msg_fds":99999999999999999999}}"#.utf8) + [0], .badCapabilities),
      ([0, 0, 0, 0] + Array(#"{"capabilities":{"write_multiple":1}}"#.utf8) + [0], .badCapabilities),
      ([0, 0, 0, 0] + Array(#"{"x":"\"#.utf8) + [0], .badCapabilities),
      ([0, 0, 0, 0] + Array("{\"x\":".utf8) + [UInt8](repeating: 0x5B, count: 3000) + [0], .badCapabilities),
    ] as [([UInt8], VfioUserRefusal)])
  func version(body: [UInt8], refusal: VfioUserRefusal) throws {
    let served = try ServedFunction()
    try served.run {
      let client = try served.connect()
      #expect(try await client.request(.deviceInfo, bytes(DeviceInfo())).error == EINVAL)
      #expect(try await client.request(.version, body).error == Int32(refusal.errorNumber))
      #expect(served.refusals(refusal) == 1 && served.refusals(.notNegotiated) == 1)
      try await client.negotiate()
      try await Self.expectAlive(client)
    }
  }

  @Test("headers that mean nothing are refused; one whose length is impossible ends the connection, not the server")
  func headers() throws {
    let served = try ServedFunction()
    try served.run {
      let client = try await served.client()
      for command in [UInt16(0), 19, 0xFFFF] {
        client.send(bytes(VfioUserHeader(identifier: 9, command: command, bodyByteCount: 0)))
        #expect(try await client.receive().error == ENOSYS)
      }
      // A reply to nothing is not replied to.
      client.send(bytes(VfioUserHeader(identifier: 9, command: 1, bodyByteCount: 0, flags: .reply)))
      client.send(bytes(VfioUserHeader(identifier: 9, command: 4, bodyByteCount: 0, flags: .init(rawValue: 2))))
      #expect(try await client.receive().error == EINVAL)
      #expect(served.refusals(.unexpectedReply) == 1 && served.refusals(.badType) == 1)
      // Longer than any command: thrown away as it comes.
      client.send(bytes(VfioUserHeader(identifier: 9, command: 10, bodyByteCount: 10_000)))
      #expect(try await client.receive().error == E2BIG)
      client.send([UInt8](repeating: 0xFF, count: 10_000))
      try await Self.expectAlive(client)
      for size in [0, 15, UInt32.max] {
        let client = size == 0 ? client : try await served.client()
        var header = VfioUserHeader(identifier: 3, command: 4, bodyByteCount: 0)
        header.messageByteCount = size
        client.send(bytes(header))
        try await client.receiveEnd()
        client.leave()
        try await served.wait(connected: false)
      }
      #expect(served.refusals(.badLength) == 3)
      try await Self.expectAlive(try await served.client())
    }
  }

  /// A session with everything in it.
  static func session(_ memory: SharedMemory, _ eventfd: Int32) -> [([UInt8], [Int32])] {
    func command(_ command: VfioUserCommand, _ body: [UInt8], _ descriptors: [Int32] = []) -> ([UInt8], [Int32]) {
      (bytes(VfioUserHeader(identifier: 1, command: command.rawValue, bodyByteCount: body.count)) + body, descriptors)
    }
    return [
      command(.version, bytes(UInt32(0)) + VfioUserCapabilities().text),
      command(.mapDMA, bytes(DMAMapping(flags: 3, offset: 0, address: 0x1_0000, size: 0x1000)), [memory.descriptor]),
      command(.deviceInfo, bytes(DeviceInfo())),
      command(.setInterrupts, bytes(InterruptSetting(flags: [.eventfd, .trigger], index: 0, count: 1)), [eventfd]),
      command(.setInterrupts, bytes(InterruptSetting(flags: [.eventfd, .unmask], index: 0, count: 1)), [eventfd]),
      command(.writeRegion, bytes(RegionAccess(region: 7, offset: 4, count: 2)) + [7, 0]),
      command(.writeRegion, bytes(RegionAccess(region: 0, offset: 0, count: 4)) + [1, 2, 3, 4]),
      command(.unmapDMA, bytes(DMAUnmapping(address: 0x1_0000, size: 0x1000))),
    ]
  }

  @Test("a client that breaks off at any byte leaves nothing behind, and the next one is served")
  func truncation() throws {
    let served = try ServedFunction()
    let memory = try sharedMemory(0x1000)
    let eventfd = makeEventfd()
    defer { close(eventfd) }
    let session = Self.session(memory, eventfd)
    let total = session.reduce(0) { $0 + $1.0.count }
    try served.run {
      var first: Int?
      for length in 0...total {
        let client = try served.connect()
        var rest = length
        for (bytes, descriptors) in session where rest > 0 {
          client.send(Array(bytes.prefix(rest)), descriptors: descriptors)
          rest -= min(rest, bytes.count)
        }
        client.leave()
        let expected = UInt64(length + 1)
        while served.counters.disconnections < expected {
          try await served.wait(connected: true)
          try await served.wait(connected: false)
        }
        #expect(served.server.mappingCount == 0 && !served.server.slot.dma.isMasterEnabled)
        let open = try openDescriptors()
        if let first { #expect(abs(open - first) < 200, "other tests open some, too") } else { first = open }
      }
      #expect(served.counters.refusals.total == 0)
      try await Self.expectAlive(try await served.client())
    }
  }

  @Test("a client that floods and reads no reply is not read from until it does")
  func flood() throws {
    let served = try ServedFunction()
    try served.run {
      let client = try await served.client()
      let read = bytes(VfioUserHeader(identifier: 1, command: 9, bodyByteCount: 16)) + Malformed.access(7, 0, 256)
      var sent = 0
      // As much as fits into socket and server, without taking a single reply.
      try client.listen(false)
      var idle = 0
      while idle < 50 {
        if client.send(read) {
          sent += 1
          idle = 0
        } else {
          idle += 1
        }
        try await served.loop.sleep(for: .zero)
      }
      #expect(served.counters.stalls > 0)
      #expect(served.counters.messages < UInt64(sent) + 1, "not all of them were taken")
      try client.listen(true)
      for _ in 0..<sent { #expect(try await client.receive().body.count == 16 + 256) }
      try await Self.expectAlive(client)
    }
  }

  @Test("descriptors that a command does not take are closed and refused")
  func strayDescriptors() throws {
    let served = try ServedFunction()
    let eventfd = makeEventfd()
    defer { close(eventfd) }
    try served.run {
      let client = try await served.client()
      #expect(!(try await client.request(.deviceInfo, bytes(DeviceInfo()), descriptors: [eventfd, eventfd]).isError))
      #expect(served.refusals(.unexpectedDescriptor) == 1)
      let setting = bytes(InterruptSetting(flags: [.eventfd, .trigger], index: 0, count: 1))
      #expect(try await client.request(.setInterrupts, setting, descriptors: [eventfd, eventfd]).error == EINVAL)
      let many = [Int32](repeating: eventfd, count: 40)
      #expect(try await client.request(.setInterrupts, setting, descriptors: many).error == EINVAL)
      let memory = try sharedMemory(0x1000)
      #expect(try await client.request(.setInterrupts, setting, descriptors: [memory.descriptor]).error == EBADF)
      #expect(try await client.map(eventfd, address: 0x1000, size: 0x1000).error == EBADF)
      #expect(served.server.mappingCount == 0)
      try await Self.expectAlive(client)
    }
  }
}
