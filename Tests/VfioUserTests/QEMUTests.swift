import IntelNIC
import Machine
import NICModels
import Testing
import VfioUser

@Suite("vfio-user server and the real QEMU", .enabled(if: RealQEMU.path != nil, RealQEMU.absence))
struct QEMUTests {
  static let slot: UInt32 = 4
  static let base: UInt64 = 0xFE00_0000

  static func start(_ bench: ServedController, shared: Bool = true) throws -> QTest {
    let memory =
      shared
      ? ["-object", "memory-backend-memfd,id=mem0,size=64M,share=on", "-machine", "memory-backend=mem0", "-m", "64M"]
      : ["-m", "64M"]
    let device =
      #"{"driver":"vfio-user-pci","addr":"4.0","socket":{"type":"unix","path":"\#(bench.served.path)"}}"#
    return try QTest(
      on: bench.served.loop, folder: bench.served.folder, arguments: memory + ["-device", device])
  }

  /// Gives the device addresses and an interrupt line, as firmware would.
  static func setUp(_ qemu: QTest) async throws {
    try await qemu.command("irq_intercept_in ioapic")
    // The router of the PIIX: PIRQA to PIRQD.
    try await qemu.writeConfiguration(1, 0x60, 0x0B0B_0A0A)
    #expect(try await qemu.readConfiguration(slot, 0) == 0x100E_8086)
    try await qemu.writeConfiguration(slot, 0x10, UInt32(base))
    try await qemu.writeConfiguration(slot, 0x14, 0xC000)
    try await qemu.writeConfiguration(slot, 4, 7)
  }

  @Test("QEMU attaches, sizes the BARs, reads registers, and resets the device")
  func attach() throws {
    let bench = try ServedController()
    try bench.served.run {
      let qemu = try Self.start(bench)
      defer { qemu.stop() }
      try await Self.setUp(qemu)
      try await qemu.writeConfiguration(Self.slot, 0x10, .max)
      #expect(try await qemu.readConfiguration(Self.slot, 0x10) == 0xFFFE_0000)
      try await qemu.writeConfiguration(Self.slot, 0x10, UInt32(Self.base))
      #expect(try await qemu.readl(Self.base + 0x5400) == 0x1200_5452)
      #expect(bench.served.counters.mappings > 0)
      qemu.stop()
      try await bench.served.wait(connected: false)
      #expect(bench.served.server.mappingCount == 0)
      #expect(bench.served.counters.refusals.nonzero.map(\.refusal) == [])
    }
  }

  @Test("set IMS, write ICS, read STATUS: QEMU raises, lowers, and raises the line again")
  func interrupt() throws {
    let bench = try ServedController()
    try bench.served.run {
      let qemu = try Self.start(bench)
      defer { qemu.stop() }
      try await Self.setUp(qemu)
      let base = Self.base
      _ = try await qemu.readl(base + UInt64(Register.interruptCauseRead))
      try await qemu.writel(base + UInt64(Register.interruptMaskSet), 4)
      try await qemu.writel(base + UInt64(Register.interruptCauseSet), 4)
      // Each access lowers the line and unmasks; the cause is still there.
      while !qemu.interrupts.contains(where: { $0.hasPrefix("raise") }) {
        _ = try await qemu.command("clock_step 1000")
      }
      _ = try await qemu.readl(base + UInt64(Register.deviceStatus))
      while qemu.interrupts.filter({ $0.hasPrefix("raise") }).count < 2 {
        _ = try await qemu.command("clock_step 1000")
      }
      let kinds = qemu.takeInterrupts().map { $0.split(separator: " ").first.map(String.init) }
      #expect(Array(kinds.prefix(3)) == ["raise", "lower", "raise"])
      #expect(try await qemu.readl(base + UInt64(Register.interruptCauseRead)) & 4 == 4)
      #expect(!bench.served.server.slot.isInterruptDriven)
    }
  }

  @Test("a frame goes out of QEMU's memory and one comes in, shared or not", arguments: [true, false])
  func frames(shared: Bool) throws {
    let bench = try ServedController()
    try bench.served.run {
      let qemu = try Self.start(bench, shared: shared)
      defer { qemu.stop() }
      try await Self.setUp(qemu)
      let base = Self.base
      func set(_ register: Int, _ value: UInt32) async throws { try await qemu.writel(base + UInt64(register), value) }
      try await set(Register.deviceControl, 0x40)
      while try await qemu.readl(base + UInt64(Register.deviceStatus)) & 2 == 0 {}
      let (transmitRing, receiveRing, out, into): (UInt64, UInt64, UInt64, UInt64) = (
        0x10_0000, 0x10_1000, 0x10_2000, 0x10_3000
      )
      let sent = ServedController.frame(300, 5)
      try await qemu.write(out, sent)
      let descriptor = TransmitDescriptor.legacy(
        address: out, length: sent.count, command: [.endOfPacket, .insertFCS, .reportStatus])
      try await qemu.write(transmitRing, withUnsafeBytes(of: descriptor) { Array($0) })
      try await qemu.write(receiveRing, withUnsafeBytes(of: ReceiveDescriptor(address: into)) { Array($0) })
      try await set(Register.transmitBaseLow, UInt32(transmitRing))
      try await set(Register.transmitLength, 128)
      try await set(Register.transmitControl, 0x0A)
      try await set(Register.receiveBaseLow, UInt32(receiveRing))
      try await set(Register.receiveLength, 128)
      try await set(Register.receiveTail, 1)
      try await set(Register.receiveControl, 0x0400_8002)
      try await set(Register.transmitTail, 1)
      // Any read comes behind the posted writes.
      #expect(try await qemu.readl(base + UInt64(Register.transmitHead)) == 1)
      #expect(bench.wire.frames == [sent])
      #expect(try await qemu.read(transmitRing + 12, 1)[0] & 1 == 1, "the descriptor is done")

      let received = ServedController.frame(200, 9)
      let isTaken = bench.model.receive(received.span.bytes)
      #expect(isTaken)
      #expect(try await qemu.readl(base + UInt64(Register.receiveHead)) == 1)
      #expect(try await qemu.read(into, received.count) == received)
      #expect(try await qemu.read(receiveRing + 12, 1)[0] & 3 == 3)
    }
  }
}
