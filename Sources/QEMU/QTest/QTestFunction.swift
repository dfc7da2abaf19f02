import Machine

/// Configuration cycles by the ports 0xCF8 and 0xCFC (PCI Local Bus Specification 3.2.2.3.2). Of a QEMU that is gone,
/// everything reads as ones.
final class QTestConfiguration {
  private let connection: QTestConnection
  /// What the address register holds.
  private var selected: UInt32?

  init(_ connection: QTestConnection) { self.connection = connection }

  func read(_ address: PCIAddress, _ offset: Int, _ size: Int) -> UInt32 {
    let ones = UInt32.max >> UInt32(32 - 8 * size)
    guard let port = select(address, offset, size) else { return ones }
    let value = try? connection.read("in\(Self.suffix(size)) 0x\(String(port, radix: 16))")
    return value.map { UInt32(truncatingIfNeeded: $0) & ones } ?? ones
  }

  func write(_ address: PCIAddress, _ offset: Int, _ size: Int, _ value: UInt32) {
    guard let port = select(address, offset, size) else { return }
    let kept = value & .max >> UInt32(32 - 8 * size)
    try? connection.post("out\(Self.suffix(size)) 0x\(String(port, radix: 16)) 0x\(String(kept, radix: 16))")
  }

  /// Writes the address register; the port of the data. Nil for what this mechanism does not reach.
  private func select(_ address: PCIAddress, _ offset: Int, _ size: Int) -> UInt16? {
    guard size == 1 || size == 2 || size == 4, (0..<256).contains(offset), offset % size == 0 else { return nil }
    let wanted = 0x8000_0000 | UInt32(address.routingID) << 8 | UInt32(offset & 0xFC)
    if wanted != selected {
      guard (try? connection.post("outl 0xcf8 0x\(String(wanted, radix: 16))")) != nil else { return nil }
      selected = wanted
    }
    return 0xCFC + UInt16(offset & 3)
  }

  private static func suffix(_ size: Int) -> String { size == 1 ? "b" : size == 2 ? "w" : "l" }
}

/// A function of a ``QTestMachine`` as its driver sees it. A register read is a round trip to QEMU; writes are posted,
/// in order with everything else.
final class QTestFunction: FunctionHandle {
  private let machine: QTestMachine
  private let connection: QTestConnection
  private let configuration: QTestConfiguration
  private var device: PCIDevice
  private var handler: (line: InterruptLine, connection: InterruptConnection)?

  init(
    _ device: PCIDevice, of machine: QTestMachine, _ connection: QTestConnection, _ configuration: QTestConfiguration
  ) {
    self.device = device
    self.machine = machine
    self.connection = connection
    self.configuration = configuration
  }

  deinit { setInterruptHandler(nil) }

  var address: PCIAddress { device.address }

  // MARK: Configuration space

  func readConfiguration(_ offset: Int, size: Int) -> UInt32 { configuration.read(address, offset, size) }

  func writeConfiguration(_ offset: Int, size: Int, value: UInt32) {
    configuration.write(address, offset, size, value)
    guard offset >= PCIRegister.baseAddress0, offset < PCIRegister.baseAddress0 + 24 else { return }
    // The driver moves a base address register.
    let sizes = device.resources.compactMap { resource in resource.byteCount.map { (resource.index, $0) } }
    device = PCIDevice(at: address, sizes: Dictionary(sizes) { a, _ in a }) { readConfiguration($0, size: $1) }
  }

  // MARK: Registers

  func read32(bar: Int, offset: Int) -> UInt32 {
    guard let place = place(bar, offset) else { return .max }
    let value = try? connection.read("\(place.isIO ? "inl" : "readl") 0x\(String(place.address, radix: 16))")
    return value.map { UInt32(truncatingIfNeeded: $0) } ?? .max
  }

  func write32(bar: Int, offset: Int, value: UInt32) {
    guard let place = place(bar, offset) else { return }
    let command = place.isIO ? "outl" : "writel"
    try? connection.post("\(command) 0x\(String(place.address, radix: 16)) 0x\(String(value, radix: 16))")
  }

  /// Where a register lies; nil beyond the BAR.
  private func place(_ bar: Int, _ offset: Int) -> (address: UInt64, isIO: Bool)? {
    guard let resource = device.resources.first(where: { $0.index == bar }), let byteCount = resource.byteCount,
      offset >= 0, offset <= Int(clamping: byteCount) - 4
    else { return nil }
    return (resource.address + UInt64(offset), resource.kind == .io)
  }

  // MARK: Memory and interrupts

  func allocateDMA(byteCount: Int, alignment: Int) throws(MachineError) -> DMABuffer {
    try machine.allocator.allocate(byteCount: byteCount, alignment: alignment)
  }

  func freeDMA(_ buffer: DMABuffer) { try? machine.allocator.release(buffer) }

  func setInterruptHandler(_ handler: (() -> Void)?) {
    if let (line, connection) = self.handler { line.disconnect(connection) }
    self.handler = nil
    guard let handler, device.interruptPin != 0 else { return }
    let line = machine.interrupts.line(Int(device.interruptLine))
    let connection = line.connect { [connection] in
      handler()
      // The line is looked at again when the handler has returned: what it has masked must have had its effect by then.
      try? connection.settle()
    }
    self.handler = (line, connection)
  }
}
