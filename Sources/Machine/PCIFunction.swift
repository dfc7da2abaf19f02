import Memory

/// A PCI function as the bus sees it: the device side of the joint between machine and models.
///
/// The bus decodes configuration cycles and BARs (enables honoured) and calls the function with offsets inside its
/// regions. An access whose size or alignment a region does not take is the function's to refuse: reads give all ones,
/// writes do nothing, and the function counts it.
public protocol PCIFunction: AnyObject {
  /// IDs, BARs, capabilities and their storage.
  var configuration: ConfigurationSpace { get }

  /// The function has been plugged in: from here on it may use `slot` for DMA and its interrupt line.
  func attached(to slot: any FunctionSlot)

  /// Reads `size` (1, 2, 4 or 8) bytes at `offset` of base address register `bar`, in host byte order.
  func read(bar: Int, offset: Int, size: Int) -> UInt64

  /// Writes `size` (1, 2, 4 or 8) bytes at `offset` of base address register `bar`.
  func write(bar: Int, offset: Int, size: Int, value: UInt64)

  /// The command register or another register with side effects was written through configuration space.
  func configurationWritten(offset: Int, size: Int)

  /// Bus reset (RST#): everything but the configuration's fixed fields returns to its reset value.
  func reset()
}

/// What the machine gives a function: the way out of the device. Backed by the machine's own memory and interrupt
/// controller, or by a vfio-user client.
public protocol FunctionSlot: AnyObject {
  /// The function's address on the bus.
  var address: PCIAddress { get }
  /// The memory the function may reach by DMA. Accesses are refused while the function's Bus Master Enable bit is 0.
  var dma: DMASpace { get }
  /// The level of the function's INTx pin. (Setting the same level again does nothing.)
  func setInterruptPin(_ asserted: Bool)
}

/// A PCI function as its driver sees it: the driver side of the joint. In process, or over vfio-user or qtest.
public protocol FunctionHandle: AnyObject {
  var address: PCIAddress { get }

  /// Reads 1, 2 or 4 bytes of configuration space at `offset`, aligned to their size.
  func readConfiguration(_ offset: Int, size: Int) -> UInt32
  func writeConfiguration(_ offset: Int, size: Int, value: UInt32)

  /// Reads the 32-bit register at `offset` of BAR `bar`.
  func read32(bar: Int, offset: Int) -> UInt32
  func write32(bar: Int, offset: Int, value: UInt32)

  /// Memory that driver and device share: physically contiguous, zeroed, aligned as asked (a power of two).
  func allocateDMA(byteCount: Int, alignment: Int) throws(MachineError) -> DMABuffer
  func freeDMA(_ buffer: DMABuffer)

  /// Connects the function's interrupt to `handler`, which runs on the loop (never inside a register access) once for
  /// every time the line is found asserted; nil disconnects. As long as the line stays asserted after the handler has
  /// returned it runs again, like a level-triggered interrupt: the handler reads the cause or masks it.
  func setInterruptHandler(_ handler: (() -> Void)?)
}

/// DMA memory of a driver: the driver's window on it, and the address under which the device knows it.
@frozen public struct DMABuffer: BitwiseCopyable, Sendable {
  public let window: MemoryWindow
  /// Address of the first byte, as the device sees it.
  public let busAddress: UInt64

  @inlinable public init(window: MemoryWindow, busAddress: UInt64) {
    self.window = window
    self.busAddress = busAddress
  }
}
