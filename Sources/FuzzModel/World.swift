import EventLoop
import Events
import FuzzScript
import IntelNIC
import Link
import Machine
import Memory
import NICModels
import Packets

/// A model with memory, wire and time around it. Every piece of memory is an allocation of its own, and is freed when
/// the guest takes it away, so that AddressSanitizer sees whoever touches what he may not.
final class World {
  static let address = MACAddress("52:54:00:12:34:56")!
  /// Bus addresses and lengths of the guest's memory; the last one is read-only for the device.
  static let places: [(start: UInt64, count: Int)] = [
    (0x10_0000, 0x1_0000), (0x4000_0000, 0x2_0000), (0xFFFF_FFFF_FFFF_0000, 0x1_0000), (0x2000_0000, 0x1000),
  ]

  /// PMCSR in configuration space.
  static let powerControl = 0xE0

  let loop = VirtualLoop(seed: 1)
  let slot = FuzzSlot()
  let wire = FuzzWire()
  let model: Intel8254x
  private let registers: UnsafeMutableRawPointer
  private var regions = [UnsafeMutableRawPointer?](repeating: nil, count: World.places.count)
  /// Frames offered to the receiver.
  var offered = 0

  init(_ controller: IntelController, isLossless: Bool) {
    registers = .allocate(byteCount: Intel8254xBAR.memoryByteCount, alignment: 4096)
    registers.initializeMemory(as: UInt8.self, repeating: 0, count: Intel8254xBAR.memoryByteCount)
    var options = Intel8254x.Options()
    options.lossless = isLossless
    options.transmitBudget = 64
    let tap = EventTap(on: loop)
    do {
      model = try Intel8254x(
        controller, address: Self.address, loop: loop, tap: tap,
        registers: MemoryWindow(registers, count: Intel8254xBAR.memoryByteCount), name: "nic", options: options)
    } catch {
      fatalError("\(error)")
    }
    model.configuration.write(PCIRegister.command, size: 2, value: 7)
    slot.dma.isMasterEnabled = true
    for index in Self.places.indices { map(index) }
    model.attached(to: slot)
    model.plug(into: wire)
  }

  deinit {
    model.plug(into: nil)
    for index in regions.indices { unmap(index) }
    registers.deallocate()
  }

  // MARK: Memory

  func map(_ index: Int) {
    guard regions[index] == nil else { return }
    let (start, count) = Self.places[index]
    let memory = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 16)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: count)
    regions[index] = memory
    do {
      try slot.dma.map(MemoryWindow(memory, count: count), at: start, writable: index < 3)
    } catch {
      fatalError("\(error)")
    }
  }

  func unmap(_ index: Int) {
    guard let memory = regions[index] else { return }
    slot.dma.unmap(start: Self.places[index].start, byteCount: UInt64(Self.places[index].count))
    memory.deallocate()
    regions[index] = nil
  }

  /// The guest's own view of a region; nil while it is taken away.
  func window(_ index: Int) -> MemoryWindow? {
    regions[index].map { MemoryWindow($0, count: Self.places[index].count) }
  }

  // MARK: The bus

  func read(_ offset: Int) -> UInt32 { UInt32(truncatingIfNeeded: model.read(bar: 0, offset: offset, size: 4)) }

  func write(_ offset: Int, _ value: UInt32, bar: Int = 0, size: Int = 4) {
    model.write(bar: bar, offset: offset, size: size, value: UInt64(value))
  }

  func configure(_ offset: Int, size: Int, _ value: UInt32) {
    guard model.configuration.write(offset, size: size, value: value) else { return }
    let isMaster = model.configuration.command.contains(.busMaster)
    if isMaster != slot.dma.isMasterEnabled { slot.dma.isMasterEnabled = isMaster }
    model.configurationWritten(offset: offset, size: size)
  }

  /// What the loop has to do now, at most 64 pieces of it; more is taken from the transmitter.
  func settle() {
    loop.deferred.run(limit: 64)
    while !loop.deferred.isEmpty {
      write(Register.transmitControl, 0)
      loop.deferred.run(limit: 64)
    }
  }

  func offer(_ frame: [UInt8]) {
    offered += 1
    _ = model.receive(frame.span.bytes)
  }
}

/// DMA and a pin whose changes the guest hears at once.
final class FuzzSlot: FunctionSlot {
  let address = PCIAddress(bus: 0, device: 3, function: 0)
  let dma = DMASpace()
  var pinChanged: ((Bool) -> Void)?

  func setInterruptPin(_ asserted: Bool) { pinChanged?(asserted) }
}

/// A cable end that takes as many frames as it has room for, and looks at each.
final class FuzzWire: Wire {
  weak var port: (any WirePort)?
  var hasCarrier = true
  var room = 64
  private(set) var taken = 0
  private(set) var last: [UInt8] = []
  /// The other end does something while it is given a frame.
  var duringSend: (() -> Void)?

  func send(_ frame: RawSpan) -> Bool {
    guard room > 0 else {
      duringSend?()
      return false
    }
    require(frame.byteCount >= 14 && frame.byteCount <= 16_388, "a frame of \(frame.byteCount) bytes")
    room -= 1
    taken += 1
    last = (0..<frame.byteCount).map { frame.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
    duringSend?()
    return true
  }

  func portIsReady() {}
}
