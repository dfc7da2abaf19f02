import Events
import Machine
import Memory
import Testing

@Suite struct PCIBusTests {
  let box: Box
  let nic = ProbeFunction.nic()
  static let address = at(3)

  init() throws {
    box = try Box()
    try box.machine.plug(nic, at: Self.address, name: "nic")
    box.machine.enumerate()
  }

  /// Points port 0xCF8 at a dword of the NIC's configuration space.
  func select(_ offset: UInt32, enable: Bool = true) {
    box.bus.writePort(0xCF8, size: 4, value: (enable ? 1 << 31 : 0) | UInt32(Self.address.routingID) << 8 | offset)
  }

  @Test("memory and I/O accesses reach their BAR with offset, size and value")
  func decoding() {
    for size in [1, 2, 4, 8] {
      #expect(box.bus.readMemory(0xE000_0010, size: size) == nic.answer & (size == 8 ? .max : (1 << (size * 8)) - 1))
      box.bus.writeMemory(0xE001_FFF8, size: size, value: .max)
    }
    #expect(box.bus.readPort(0xC004, size: 4) == 0x5566_7788)
    box.bus.writePort(0xC03F, size: 1, value: 0xABCD)
    #expect(
      nic.accesses.suffix(4) == [
        .init(bar: 0, offset: 0x10, size: 8, value: nil), .init(bar: 0, offset: 0x1FFF8, size: 8, value: .max),
        .init(bar: 1, offset: 4, size: 4, value: nil), .init(bar: 1, offset: 0x3F, size: 1, value: 0xCD),
      ])
    #expect(nic.accesses.first { $0.size == 2 && $0.value != nil }?.value == 0xFFFF)
    #expect(box.bus.counters.unclaimedReads == 0)
  }

  @Test("what nothing answers reads ones, writes nothing, and is counted")
  func unclaimed() {
    let reads: [(UInt64, Int)] = [
      (0xDFFF_FFFF, 1), (0xDFFF_FFFE, 4), (0xE002_0000, 4), (0xE001_FFFE, 4), (0, 4), (.max, 8), (0xE000_0000, 3),
      (0xE000_0000, 0), (0xE000_0000, -8),
    ]
    for (address, size) in reads {
      let ones: UInt64 = size >= 8 ? .max : size <= 0 ? 0 : (1 << UInt64(size * 8)) - 1
      #expect(box.bus.readMemory(address, size: size) == ones)
      box.bus.writeMemory(address, size: size, value: 0)
    }
    for (port, size) in [(0xBFFF, 1), (0xBFFF, 4), (0xC040, 1), (0xC03E, 4), (0xFFFF, 4), (0xC000, 8)] {
      _ = box.bus.readPort(UInt16(port), size: size)
      box.bus.writePort(UInt16(port), size: size, value: 0)
    }
    #expect(nic.accesses.isEmpty)
    #expect(box.bus.counters.unclaimedReads == UInt64(reads.count + 6))
    #expect(box.bus.counters.unclaimedWrites == UInt64(reads.count + 6))
  }

  @Test("memory, I/O and bus mastering are gated by their command bits, for bus and handle alike", arguments: 0..<8)
  func commandGating(command: UInt32) throws {
    let handle = try #require(box.machine.handle(at: Self.address))
    handle.writeConfiguration(0x04, size: 2, value: command)
    let memory = command & 2 != 0
    let io = command & 1 != 0
    #expect((box.bus.readMemory(0xE000_0000, size: 4) != 0xFFFF_FFFF) == memory)
    #expect((box.bus.readPort(0xC000, size: 4) != .max) == io)
    #expect((handle.read32(bar: 0, offset: 0) != .max) == memory)
    #expect((handle.read32(bar: 1, offset: 0) != .max) == io)
    handle.write32(bar: 0, offset: 8, value: 1)
    #expect(nic.accesses.contains { $0.offset == 8 } == memory)
    #expect((nic.slot?.dma.resolve(1 << 20, 4, .write) != nil) == (command & 4 != 0))
    #expect(handle.unclaimedAccesses == (memory ? 0 : 2) + (io ? 0 : 1))
  }

  @Test(
    "a handle's register access stays inside the BAR",
    arguments: [
      (0, 0, true), (0, 0x1FFFC, true), (0, 0x1FFFD, false), (0, 0x20000, false), (0, -4, false), (0, .max, false),
      (0, .min, false), (1, 0x3C, true), (1, 0x40, false), (2, 0, false), (6, 0, false), (7, 0, false), (-1, 0, false),
      (.max, 0, false),
    ] as [(Int, Int, Bool)])
  func handleBounds(bar: Int, offset: Int, inside: Bool) throws {
    let handle = try #require(box.machine.handle(at: Self.address))
    #expect((handle.read32(bar: bar, offset: offset) == 0x5566_7788) == inside)
    handle.write32(bar: bar, offset: offset, value: 5)
    #expect(nic.accesses.count == (inside ? 2 : 0))
  }

  @Test("a moved BAR answers at its new address only")
  func movedBAR() {
    #expect(box.bus.readMemory(0xE000_0000, size: 4) != 0xFFFF_FFFF)
    box.bus.writeConfiguration(Self.address, 0x10, size: 4, value: 0xD000_0000)
    #expect(box.bus.readMemory(0xE000_0000, size: 4) == 0xFFFF_FFFF)
    #expect(box.bus.readMemory(0xD000_0000, size: 4) == 0x5566_7788)
  }

  @Test("the data port reads bytes and words of the selected dword")
  func dataPortReads() {
    select(0)
    let reads: [(UInt16, Int, UInt32)] = [
      (0xCFC, 4, 0x100E_8086), (0xCFC, 2, 0x8086), (0xCFE, 2, 0x100E), (0xCFC, 1, 0x86), (0xCFD, 1, 0x80),
      (0xCFE, 1, 0x0E), (0xCFF, 1, 0x10),
    ]
    for (port, size, value) in reads { #expect(box.bus.readPort(port, size: size) == value) }
    for (port, size) in [(0xCFD, 2), (0xCFF, 2), (0xCFD, 4), (0xCFE, 4), (0xCF8, 2), (0xCF9, 1)] {
      #expect(box.bus.readPort(UInt16(port), size: size) == UInt32(truncatingIfNeeded: (1 << (size * 8)) - 1))
    }
    #expect(box.bus.counters.unclaimedReads == 6)
  }

  @Test("the data port writes bytes and words of the selected dword")
  func dataPortWrites() {
    select(0x3C)
    box.bus.writePort(0xCFC, size: 1, value: 0x2A)
    #expect(nic.configuration.get(0x3C, size: 1) == 0x2A)
    select(0x10)
    box.bus.writePort(0xCFE, size: 2, value: 0xD00E)
    #expect(nic.configuration.get(0x10, size: 4) == 0xD00E_0000)
    box.bus.writePort(0xCFF, size: 1, value: 0xD8)
    #expect(nic.configuration.get(0x10, size: 4) == 0xD80E_0000)
    #expect(nic.configurationWrites.suffix(3) == [0x3C, 0x12, 0x13])
  }

  @Test("the address register keeps its defined bits and selects nothing while disabled")
  func addressPort() {
    box.bus.writePort(0xCF8, size: 4, value: .max)
    #expect(box.bus.readPort(0xCF8, size: 4) == 0x80FF_FFFC)
    box.bus.writePort(0xCF8, size: 1, value: 0)
    #expect(box.bus.readPort(0xCF8, size: 4) == 0x80FF_FFFC)
    let misses = box.bus.counters.configurationMisses
    select(0, enable: false)
    #expect(box.bus.readPort(0xCFC, size: 4) == .max)
    #expect(box.bus.counters.configurationMisses == misses)
    box.bus.writePort(0xCF8, size: 4, value: 0x8000_F800)
    #expect(box.bus.readPort(0xCFC, size: 4) == .max)
    #expect(box.bus.counters.configurationMisses == misses + 1)
  }

  @Test("ECAM reaches the same registers, and the extended ones of an Express function")
  func ecam() throws {
    let express = ProbeFunction(device: 0x10D3, byteCount: 4096)
    express.configuration.set(0xCAFE_0003, at: 0x140, size: 4)
    try box.machine.plug(express, at: at(4), name: "express")
    let base = PCIBus.ecamBase
    #expect(box.bus.readMemory(base + (3 << 15), size: 4) == 0x100E_8086)
    #expect(box.bus.readMemory(base + (3 << 15) + 2, size: 2) == 0x100E)
    #expect(box.bus.readMemory(base + (4 << 15) + 0x140, size: 4) == 0xCAFE_0003)
    #expect(box.bus.readMemory(base + (3 << 15) + 0x140, size: 4) == 0xFFFF_FFFF)
    #expect(box.bus.readMemory(base + (3 << 15) + 1, size: 2) == 0xFFFF)
    #expect(box.bus.readMemory(base + PCIBus.ecamByteCount - 4, size: 4) == 0xFFFF_FFFF)
    box.bus.writeMemory(base + (3 << 15) + 0x3C, size: 1, value: 0x15)
    #expect(nic.configuration.get(0x3C, size: 1) == 0x15)
  }

  @Test("a place that is taken, a second plugging and a 17th bus are refused")
  func refusedPlugging() throws {
    #expect(throws: MachineError.slotTaken(Self.address)) {
      try box.machine.plug(ProbeFunction(), at: Self.address, name: "other")
    }
    #expect(throws: MachineError.self) { try box.machine.plug(nic, at: at(9), name: "again") }
    #expect(throws: MachineError.self) {
      try box.machine.plug(ProbeFunction(), at: at(9), behind: PCIBridge(), name: "nowhere")
    }
    for number in 0..<15 { try box.machine.plug(PCIBridge(), at: at(UInt8(10 + number)), name: "bridge") }
    #expect(throws: MachineError.self) { try box.machine.plug(PCIBridge(), at: at(30), name: "too many") }
  }

  @Test("configuration accesses are events while somebody listens")
  func events() {
    var events: [Event] = []
    box.tap.attach { events.append($0.event) }
    _ = box.bus.readConfiguration(Self.address, 2, size: 2)
    box.bus.writeConfiguration(Self.address, 0x3C, size: 1, value: 9)
    #expect(
      events == [
        .configurationAccess(function: "00:03.0", write: false, offset: 2, value: 0x100E, size: 2),
        .configurationAccess(function: "00:03.0", write: true, offset: 0x3C, value: 9, size: 1),
      ])
  }

  @Test("a driver's DMA memory comes back through the handle, and the device reaches it")
  func handleDMA() throws {
    let handle = try #require(box.machine.handle(at: Self.address))
    handle.writeConfiguration(0x04, size: 2, value: 4)
    let buffer = try handle.allocateDMA(byteCount: 4096, alignment: 128)
    buffer.window.store(UInt32(77), 4)
    #expect(nic.slot?.dma.resolve(buffer.busAddress + 4, 4, .read)?.load(0, as: UInt32.self) == 77)
    handle.freeDMA(buffer)
    handle.freeDMA(buffer)
    #expect(box.machine.allocator.counters.bytesInUse == 0)
    #expect(box.machine.allocator.counters.refusedFrees == 1)
  }

  @Test("a machine that goes away frees its functions, even those that hold their slot")
  func noCycle() throws {
    final class Holder: PCIFunction {
      let configuration = ConfigurationSpace(vendor: 0x8086, device: 1, classCode: 0x020000, interruptPin: 1)
      var slot: (any FunctionSlot)?
      func attached(to slot: any FunctionSlot) { self.slot = slot }
      func read(bar: Int, offset: Int, size: Int) -> UInt64 { 0 }
      func write(bar: Int, offset: Int, size: Int, value: UInt64) {}
      func configurationWritten(offset: Int, size: Int) {}
      func reset() {}
    }
    weak var gone: Holder?
    weak var machine: Machine?
    do {
      let box = try Box()
      let holder = Holder()
      try box.machine.plug(holder, at: at(3), name: "holder")
      gone = holder
      machine = box.machine
      #expect(gone?.slot?.address == at(3))
    }
    #expect(gone == nil && machine == nil)
  }
}
