import EventLoop
import Glibc
import IntelNIC
import Machine
import Memory
import NICModels
import Testing
import VfioUser

@Suite("vfio-user server: DMA") struct DMATests {
  @Test("shared memory is the client's own, read-only where it says so, from the offset it says")
  func shared() throws {
    let served = try ServedFunction()
    let memory = try sharedMemory(0x4000)
    try served.run {
      let client = try await served.client()
      try await client.write(7, 4, [4, 0])
      let dma = served.server.slot.dma
      #expect(!(try await client.map(memory.descriptor, address: 0x1_0000, size: 0x2000, offset: 0x1000).isError))
      #expect(!(try await client.map(memory.descriptor, address: 0x2_0000, size: 0x1000, flags: 1).isError))
      memory.window.store(UInt32(0xABCD), 0x1004)
      try #require(dma.resolve(0x1_0000, 16, .write)).store(UInt32(0x1234), 8)
      #expect(dma.resolve(0x1_0000, 16, .read)?.load(4, as: UInt32.self) == 0xABCD)
      #expect(memory.window.load(0x1008, as: UInt32.self) == 0x1234)
      #expect(dma.resolve(0x2_0000, 4, .read) != nil && dma.resolve(0x2_0000, 4, .write) == nil)
      // Not again, not beyond the file, not unaligned to nothing.
      #expect(try await client.map(memory.descriptor, address: 0x1_1FFF, size: 0x1000).error == EEXIST)
      #expect(try await client.map(memory.descriptor, address: 0x3_0000, size: 0x4001).error == EINVAL)
      #expect(
        try await client.map(memory.descriptor, address: 0x3_0000, size: 0x1000, offset: .max - 10).error == EINVAL)
      #expect(!(try await client.map(memory.descriptor, address: 0x3_0010, size: 0x10, offset: 0x1004).isError))
      #expect(dma.resolve(0x3_0010, 4, .read)?.load(0, as: UInt32.self) == 0xABCD)
      #expect(served.server.mappingCount == 3)
      // Only what was mapped in one piece goes in one piece.
      let part = bytes(DMAUnmapping(address: 0x1_0000, size: 0x1000))
      #expect(try await client.request(.unmapDMA, part).error == ENOENT)
      let whole = bytes(DMAUnmapping(address: 0x1_0000, size: 0x2000))
      #expect(try await client.request(.unmapDMA, whole).body == whole)
      #expect(dma.resolve(0x1_0000, 16, .read) == nil)
      var all = DMAUnmapping(address: 0, size: 0)
      all.flags = DMAUnmapping.all
      #expect(!(try await client.request(.unmapDMA, bytes(all)).isError))
      #expect(served.server.mappingCount == 0)
    }
  }

  @Test("memory that is unmapped or cut off while the device uses it is refused to the device")
  func unmappedInFlight() throws {
    let bench = try ServedController()
    let memory = try sharedMemory(0x10000)
    try bench.served.run {
      let client = try await bench.served.client()
      try await Guest.setUp(client)
      #expect(!(try await client.map(memory.descriptor, address: 0x10_0000, size: 0x10000).isError))
      let guest = Guest(client) { memory.window.copy(from: $1.span.bytes, to: Int($0 - 0x10_0000)) }
      try await guest.setUpRings()
      try await guest.transmit(ServedController.frame(100))
      #expect(bench.wire.frames.count == 1)
      try await client.request(.unmapDMA, bytes(DMAUnmapping(address: 0x10_0000, size: 0x10000)))
      client.postWrite32(0, Register.transmitTail, 2)
      _ = try await client.read32(0, Register.deviceStatus)
      let isTaken = bench.model.receive(ServedController.frame(100).span.bytes)
      #expect(isTaken && bench.model.counters.guestErrors[.dmaRefused] == 2)
      #expect(bench.wire.frames.count == 1)
    }
  }

  @Test("memory that a client cuts off under the device reads as zeros, and ends nothing")
  func cutOff() throws {
    let served = try ServedFunction()
    let memory = try sharedMemory(0x4000)
    try served.run {
      let client = try await served.client()
      try await client.write(7, 4, [4, 0])
      #expect(!(try await client.map(memory.descriptor, address: 0x1_0000, size: 0x4000).isError))
      let window = try #require(served.server.slot.dma.resolve(0x1_0000, 0x4000, .write))
      window.store(UInt32(0x1234), 0x2000)
      try #require(ftruncate(memory.descriptor, 0x1000) == 0)
      #expect(window.load(0x2000, as: UInt32.self) == 0)
      window.store(UInt32(0x5678), 0x3FFC)
      #expect(window.load(0x3FFC, as: UInt32.self) == 0x5678)
      client.leave()
      try await served.wait(connected: false)
      _ = try await served.client()
    }
  }

  @Test("frames go through memory that is not shared, by the client's answers")
  func remote() throws {
    let bench = try ServedController()
    try bench.served.run {
      let memory = RemoteGuestMemory(byteCount: 0x10000, at: 0x10_0000)
      let client = try await bench.served.client()
      try await Guest.setUp(client)
      #expect(!(try await client.map(nil, address: 0x10_0000, size: 0x10000).isError))
      let guest = Guest(client) { memory.put($1, at: $0) }
      try await guest.setUpRings()
      let thread = memory.serve(client)
      defer { thread.end() }
      let sent = ServedController.frame(300, 3)
      memory.put(sent, at: guest.transmitBuffer)
      guest.writeTransmitDescriptor(length: sent.count)
      thread.post(0, Register.transmitTail, 1)
      while bench.wire.frames.isEmpty { try await bench.served.loop.sleep(for: .zero) }
      #expect(bench.wire.frames == [sent])
      let received = ServedController.frame(200, 9)
      let isTaken = bench.model.receive(received.span.bytes)
      #expect(isTaken)
      try await bench.served.loop.sleep(for: .zero)
      #expect(memory.get(guest.receiveBuffer, 200) == received)
      #expect(memory.get(guest.receiveRing + 12, 1)[0] & 3 == 3)
      #expect(memory.get(guest.transmitRing + 12, 1)[0] & 1 == 1)
      #expect(!bench.served.server.slot.dma.hasCopies)
      #expect(memory.writtenBytes < 300, "only what changed goes back")
      #expect(bench.served.counters.remoteFailures == 0)
    }
  }

  @Test("a client that does not answer a DMA access but leaves ends nothing but itself")
  func remoteLeaves() throws {
    let bench = try ServedController()
    try bench.served.run {
      let client = try await bench.served.client()
      try await Guest.setUp(client)
      #expect(!(try await client.map(nil, address: 0x10_0000, size: 0x10000).isError))
      let guest = Guest(client) { _, _ in }
      try await guest.setUpRings()
      client.postWrite32(0, Register.transmitTail, 1)
      client.leave()
      try await bench.served.wait(connected: false)
      #expect(bench.wire.frames.isEmpty && bench.served.counters.remoteFailures == 1)
      let next = try await bench.served.client()
      #expect(try await next.read32(7, 0) == 0x100E_8086)
    }
  }
}

/// What a driver does, by hand.
struct Guest {
  let client: ScriptedClient
  let put: (UInt64, [UInt8]) -> Void
  let transmitRing: UInt64 = 0x10_0000
  let receiveRing: UInt64 = 0x10_1000
  let transmitBuffer: UInt64 = 0x10_2000
  let receiveBuffer: UInt64 = 0x10_3000

  init(_ client: ScriptedClient, put: @escaping (UInt64, [UInt8]) -> Void) {
    self.client = client
    self.put = put
  }

  /// Decoding, bus mastering, link.
  static func setUp(_ client: ScriptedClient) async throws {
    try await client.write(7, 4, [7, 0])
    client.postWrite32(0, Register.deviceControl, 0x40)
    while try await client.read32(0, Register.deviceStatus) & 2 == 0 {}
  }

  func setUpRings() async throws {
    put(receiveRing, withUnsafeBytes(of: ReceiveDescriptor(address: receiveBuffer)) { Array($0) })
    for (register, value) in [
      (Register.transmitBaseLow, UInt32(transmitRing)), (Register.transmitLength, 128),
      (Register.transmitControl, 0x0A), (Register.receiveBaseLow, UInt32(receiveRing)), (Register.receiveLength, 128),
      (Register.receiveTail, 1), (Register.receiveControl, 0x0400_8002),
    ] as [(Int, UInt32)] {
      client.postWrite32(0, register, value)
    }
    _ = try await client.read32(0, Register.deviceStatus)
  }

  func writeTransmitDescriptor(length: Int) {
    let descriptor = TransmitDescriptor.legacy(
      address: transmitBuffer, length: length, command: [.endOfPacket, .insertFCS, .reportStatus])
    put(transmitRing, withUnsafeBytes(of: descriptor) { Array($0) })
  }

  /// Sends the ring's first frame.
  func transmit(_ frame: [UInt8]) async throws {
    put(transmitBuffer, frame)
    writeTransmitDescriptor(length: frame.count)
    client.postWrite32(0, Register.transmitTail, 1)
    #expect(try await client.read32(0, Register.transmitHead) == 1)
  }
}
