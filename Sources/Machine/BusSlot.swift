import Memory

/// One of the buses of a machine: the root bus, or the secondary bus of a bridge. It has 32 device slots of up to eight
/// functions.
public final class PCISegment {
  /// Order in which the machine's buses came into being; fixed, while bus numbers are software's to assign.
  let ordinal: Int
  /// The bridge this bus is behind; nil for the root bus.
  weak var upstream: PCIBridge?
  /// The slot of that bridge.
  weak var upstreamSlot: BusSlot?
  /// Sorted by device and function.
  private(set) var slots: [BusSlot] = []
  /// Keeps the functions; slots do not, so that a function may hold its slot.
  private var functions: [any PCIFunction] = []

  init(ordinal: Int) { self.ordinal = ordinal }

  /// The bus number that software gave this bus; 0 for the root bus.
  public var number: UInt8 { upstream?.secondaryNumber ?? 0 }

  func slot(device: UInt8, function: UInt8) -> BusSlot? {
    slots.first { $0.device == device && $0.functionNumber == function }
  }

  func insert(_ slot: BusSlot) {
    functions.append(slot.function)
    let place = slots.firstIndex { ($0.device, $0.functionNumber) > (slot.device, slot.functionNumber) }
    slots.insert(slot, at: place ?? slots.count)
    let mates = slots.filter { $0.device == slot.device }
    for mate in mates { mate.configuration.setMultifunction(mates.count > 1) }
  }
}

/// A function's place on a bus of this machine.
public final class BusSlot: FunctionSlot {
  public let dma: DMASpace
  let device: UInt8
  let functionNumber: UInt8
  unowned let function: any PCIFunction
  let configuration: ConfigurationSpace
  weak var segment: PCISegment?
  /// The line that the function's pin is wired to; nil without a pin.
  public let interruptLine: InterruptLine?
  /// Bytes of each base address register that the function answers to at present; 0 while it is not decoded.
  var decoded: InlineArray<7, Int> = .init(repeating: 0)
  /// The function's entries in the machine's table.
  var entries = FunctionEntries()
  private var pin = InterruptPin()
  private var pinlessCount: UInt64 = 0

  init(
    _ function: any PCIFunction, device: UInt8, functionNumber: UInt8, on segment: PCISegment, dma: DMASpace,
    line: InterruptLine?
  ) {
    self.function = function
    self.device = device
    self.functionNumber = functionNumber
    self.segment = segment
    self.dma = dma
    interruptLine = line
    configuration = function.configuration
  }

  public var address: PCIAddress { PCIAddress(bus: segment?.number ?? 0, device: device, function: functionNumber) }

  /// Times the function tried to assert a pin it does not have.
  public var refusedInterrupts: UInt64 { pinlessCount }

  public func setInterruptPin(_ asserted: Bool) {
    guard asserted != pin.isAsserted else { return }
    guard interruptLine != nil else {
      pinlessCount += 1
      return
    }
    if pin.set(asserted, in: configuration) { driveLine() }
  }

  /// Drives the line with the pin's level, unless the command register disables it.
  func updateLine() {
    if pin.follow(configuration) { driveLine() }
  }

  private func driveLine() {
    if pin.isDriving { interruptLine?.raise() } else { interruptLine?.release() }
  }
}
