import EventLoop
import Events
import Memory

/// The PCI buses of one machine, as the processor sees them: configuration cycles (ports 0xCF8 and 0xCFC, or ECAM) and
/// the decoding of memory and I/O addresses to base address registers, through bridges, enables honoured.
///
/// What nothing answers reads as ones and is counted; a write there does nothing.
public final class PCIBus {
  /// Bus address of the ECAM window: 1 MiB a bus, 4 KiB a function (PCI Express Base Specification 7.2.2).
  public static let ecamBase: UInt64 = 0xB000_0000
  public static let ecamByteCount: UInt64 = 256 << 20
  /// The interrupt lines behind INTA# to INTD# of the root bus's device 0.
  public static let interruptLines: [Int] = [16, 17, 18, 19]

  let root = PCISegment(ordinal: 0)
  private(set) var segments: [PCISegment]
  /// Functions that are served elsewhere: their places are taken, but no cycle reaches them.
  var exposed: [ExposedFunction] = []
  let tap: EventTap
  let table: MachineTable
  /// Keeps the mapping behind all windows.
  private let memory: SharedMemory
  private let interrupts: InterruptController
  private let mapDMA: (DMASpace) throws(MachineError) -> Void
  /// The address register at port 0xCF8.
  private var configurationAddress: UInt32 = 0
  /// The base address register that answered last.
  var recent: DecodedRegion?
  var count = PCIBusCounters()

  /// - Parameter mapDMA: gives a new function's DMA space its windows.
  init(
    memory: SharedMemory, table: MachineTable, interrupts: InterruptController, tap: EventTap,
    mapDMA: @escaping (DMASpace) throws(MachineError) -> Void
  ) {
    self.memory = memory
    self.table = table
    self.interrupts = interrupts
    self.tap = tap
    self.mapDMA = mapDMA
    segments = [root]
  }

  public var counters: PCIBusCounters { count }

  // MARK: Plugging

  /// Puts `function` on the root bus, or on the bus behind `bridge`, and attaches it.
  ///
  /// - Parameters:
  ///   - name: what the table of regions calls it; 24 bytes of it are kept.
  ///   - registers: the register files behind its base address registers, by index.
  @discardableResult
  func plug(
    _ function: any PCIFunction, device: UInt8, function number: UInt8, behind bridge: PCIBridge?, name: String,
    registers: [Int: RegisterFile]
  ) throws(MachineError) -> BusSlot {
    let fallback = PCIAddress(bus: 0, device: min(device, 31), function: min(number, 7))
    guard device < 32, number < 8 else { throw .badSlot(fallback, reason: "a bus has 32 devices of 8 functions") }
    guard let segment = bridge == nil ? root : bridge?.secondary else {
      throw .badSlot(fallback, reason: "the bridge is not plugged in")
    }
    let isReserved = segment === root && exposed.contains { $0.isAt(device, number) }
    guard segment.slot(device: device, function: number) == nil, !isReserved else { throw .slotTaken(fallback) }
    guard !function.configuration.isSettled else {
      throw .badSlot(fallback, reason: "the function is already plugged in")
    }
    let asBridge = function as? PCIBridge
    guard asBridge == nil || segments.count < MachineLayout.maximumSegments else {
      throw .badSlot(fallback, reason: "a machine has at most \(MachineLayout.maximumSegments) buses")
    }

    let dma = DMASpace()
    try mapDMA(dma)
    let pin = function.configuration.interruptPin
    let line = pin == 0 ? nil : interrupts.line(wiring(pin: pin, device: device, on: segment))
    let slot = BusSlot(function, device: device, functionNumber: number, on: segment, dma: dma, line: line)
    let place = table.configurationSlot(segment: segment.ordinal, device: device, function: number)
    function.configuration.settle(in: place.window)
    slot.entries = try table.publish(
      function.configuration, at: slot.address.routingID, place.offset, name: name, registers: registers)
    segment.insert(slot)
    if let asBridge {
      let behind = PCISegment(ordinal: segments.count)
      behind.upstream = asBridge
      behind.upstreamSlot = slot
      asBridge.secondary = behind
      segments.append(behind)
    }
    function.configuration.decodeChanged = { [weak self] in self?.decodeChanged() }
    decodeChanged()
    function.attached(to: slot)
    return slot
  }

  /// The line that a pin reaches: rotated by the device number on every bus on the way (PCI-to-PCI Bridge 9.1).
  private func wiring(pin: UInt8, device: UInt8, on segment: PCISegment) -> Int {
    var turns = Int(pin) - 1 + Int(device)
    var bus = segment
    while let slot = bus.upstreamSlot, let above = slot.segment {
      turns += Int(slot.device)
      bus = above
    }
    return Self.interruptLines[turns % 4]
  }

  /// The slot at an address in effect, reached through the bridges as they are set.
  func slot(at address: PCIAddress) -> BusSlot? {
    var segment = root
    // Each step goes one bridge down, so there are at most as many as there are buses.
    for _ in segments {
      if address.bus == (segment === root ? 0 : segment.number) {
        return segment.slot(device: address.device, function: address.function)
      }
      let next = segment.slots.lazy.compactMap { $0.function as? PCIBridge }.first {
        $0.secondaryNumber != 0 && $0.secondaryNumber <= address.bus && address.bus <= $0.subordinateNumber
      }
      guard let behind = next?.secondary else { return nil }
      segment = behind
    }
    return nil
  }

  /// Every function that is plugged in, buses in order of their making.
  var allSlots: [BusSlot] { segments.flatMap(\.slots) }

  /// Bus reset: RST# on every bus.
  public func reset() {
    configurationAddress = 0
    for slot in allSlots { slot.function.busReset(in: slot) }
  }

  // MARK: Configuration cycles

  /// Reads 1, 2 or 4 aligned bytes of the configuration space at `address`; all ones if no function is there.
  public func readConfiguration(_ address: PCIAddress, _ offset: Int, size: Int) -> UInt32 {
    guard let slot = slot(at: address) else {
      count.configurationMisses += 1
      return UInt32(truncatingIfNeeded: allOnes(size))
    }
    return readConfiguration(of: slot, offset, size: size)
  }

  /// Writes 1, 2 or 4 aligned bytes of the configuration space at `address`.
  public func writeConfiguration(_ address: PCIAddress, _ offset: Int, size: Int, value: UInt32) {
    guard let slot = slot(at: address) else {
      count.configurationMisses += 1
      return
    }
    writeConfiguration(of: slot, offset, size: size, value: value)
  }

  func readConfiguration(of slot: BusSlot, _ offset: Int, size: Int) -> UInt32 {
    slot.function.readConfiguration(offset, size: size, as: slot, tap: tap)
  }

  func writeConfiguration(of slot: BusSlot, _ offset: Int, size: Int, value: UInt32) {
    slot.function.writeConfiguration(offset, size: size, value: value, as: slot, tap: tap)
  }

  // MARK: Ports

  /// Reads 1, 2 or 4 bytes at an I/O port.
  public func readPort(_ port: UInt16, size: Int) -> UInt32 {
    switch (port, size) {
    case (0xCF8, 4): return configurationAddress
    case (0xCFC...0xCFF, 1), (0xCFC, 2), (0xCFE, 2), (0xCFC, 4):
      guard let (address, offset) = selected(port) else { break }
      return readConfiguration(address, offset, size: size)
    default:
      if let hit = decodeIO(port, size) {
        return UInt32(truncatingIfNeeded: hit.slot.function.read(bar: hit.bar, offset: hit.offset, size: size))
      }
    }
    count.unclaimedReads += 1
    return UInt32(truncatingIfNeeded: allOnes(size))
  }

  /// Writes 1, 2 or 4 bytes at an I/O port.
  public func writePort(_ port: UInt16, size: Int, value: UInt32) {
    switch (port, size) {
    case (0xCF8, 4):
      // Bits 30...24 and 1...0 are reserved and read as 0 (PCI Local Bus Specification 3.2.2.3.2).
      configurationAddress = value & 0x80FF_FFFC
      return
    case (0xCFC...0xCFF, 1), (0xCFC, 2), (0xCFE, 2), (0xCFC, 4):
      guard let (address, offset) = selected(port) else { break }
      return writeConfiguration(address, offset, size: size, value: value)
    default:
      if let hit = decodeIO(port, size) {
        let kept = UInt64(value) & allOnes(size)
        return hit.slot.function.write(bar: hit.bar, offset: hit.offset, size: size, value: kept)
      }
    }
    count.unclaimedWrites += 1
  }

  /// What the address register selects for an access to `port` of the data register; nil while its enable bit is 0.
  private func selected(_ port: UInt16) -> (PCIAddress, Int)? {
    guard configurationAddress >> 31 == 1 else { return nil }
    let address = PCIAddress(routingID: UInt16(truncatingIfNeeded: configurationAddress >> 8))
    return (address, Int(configurationAddress & 0xFC) + Int(port - 0xCFC))
  }

  // MARK: Memory

  /// Reads 1, 2, 4 or 8 bytes at a memory address of the bus: ECAM or a base address register.
  public func readMemory(_ address: UInt64, size: Int) -> UInt64 {
    if let (function, offset) = ecam(address, size) {
      return UInt64(readConfiguration(function, offset, size: size))
    }
    guard let hit = decodeMemory(address, size) else {
      count.unclaimedReads += 1
      return allOnes(size)
    }
    return hit.slot.function.read(bar: hit.bar, offset: hit.offset, size: size)
  }

  /// Writes 1, 2, 4 or 8 bytes at a memory address of the bus.
  public func writeMemory(_ address: UInt64, size: Int, value: UInt64) {
    if let (function, offset) = ecam(address, size) {
      return writeConfiguration(function, offset, size: size, value: UInt32(truncatingIfNeeded: value))
    }
    guard let hit = decodeMemory(address, size) else {
      count.unclaimedWrites += 1
      return
    }
    hit.slot.function.write(bar: hit.bar, offset: hit.offset, size: size, value: value & allOnes(size))
  }

  private func ecam(_ address: UInt64, _ size: Int) -> (PCIAddress, Int)? {
    let offset = address &- Self.ecamBase
    guard offset < Self.ecamByteCount, size == 1 || size == 2 || size == 4 else { return nil }
    return (PCIAddress(routingID: UInt16(truncatingIfNeeded: offset >> 12)), Int(offset & 0xFFF))
  }
}

public struct PCIBusCounters: Sendable, Equatable {
  /// Memory or I/O accesses that nothing answered.
  public var unclaimedReads: UInt64 = 0
  public var unclaimedWrites: UInt64 = 0
  /// Configuration cycles to functions that are not there.
  public var configurationMisses: UInt64 = 0
  public init() {}
}
