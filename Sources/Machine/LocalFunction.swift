import Memory

/// A function in this process as its driver sees it. A register access is one bounds check (which also honours the
/// command register, bridges included) and a direct call of the function.
public final class LocalFunction: FunctionHandle {
  private let slot: BusSlot
  private let bus: PCIBus
  private let function: any PCIFunction
  private let allocator: DMAAllocator
  private var connection: InterruptConnection?
  private var unclaimedCount: UInt64 = 0

  init(_ slot: BusSlot, on bus: PCIBus, allocator: DMAAllocator) {
    self.slot = slot
    self.bus = bus
    self.allocator = allocator
    function = slot.function
  }

  deinit { setInterruptHandler(nil) }

  public var address: PCIAddress { slot.address }

  /// Register accesses that the function did not answer: beyond the BAR, or not decoded.
  public var unclaimedAccesses: UInt64 { unclaimedCount }

  public func readConfiguration(_ offset: Int, size: Int) -> UInt32 {
    bus.readConfiguration(of: slot, offset, size: size)
  }

  public func writeConfiguration(_ offset: Int, size: Int, value: UInt32) {
    bus.writeConfiguration(of: slot, offset, size: size, value: value)
  }

  public func read32(bar: Int, offset: Int) -> UInt32 {
    guard answers(bar, offset) else {
      unclaimedCount += 1
      return .max
    }
    return UInt32(truncatingIfNeeded: function.read(bar: bar, offset: offset, size: 4))
  }

  public func write32(bar: Int, offset: Int, value: UInt32) {
    guard answers(bar, offset) else {
      unclaimedCount += 1
      return
    }
    function.write(bar: bar, offset: offset, size: 4, value: UInt64(value))
  }

  @inline(__always) private func answers(_ bar: Int, _ offset: Int) -> Bool {
    guard UInt(bitPattern: bar) < 7 else { return false }
    return offset >= 0 && offset <= slot.decoded[bar] &- 4
  }

  public func allocateDMA(byteCount: Int, alignment: Int) throws(MachineError) -> DMABuffer {
    try allocator.allocate(byteCount: byteCount, alignment: alignment)
  }

  /// Gives a buffer back; one that is not in use is refused and counted by the allocator.
  public func freeDMA(_ buffer: DMABuffer) { try? allocator.release(buffer) }

  /// A function without interrupt pin never calls the handler.
  public func setInterruptHandler(_ handler: (() -> Void)?) {
    if let connection { slot.interruptLine?.disconnect(connection) }
    connection = nil
    if let handler { connection = slot.interruptLine?.connect(handler) }
  }
}
