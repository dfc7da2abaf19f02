import EventLoop
import IntelNIC
import Machine
import Memory

/// A scripted 8254x behind a function handle: as much of the chip as the driver needs to come up, with knobs for what
/// can go wrong, and rings that a test moves by hand. It is deliberately not the model: it does only what a test tells
/// it.
final class FakeController: FunctionHandle {
  enum Access: Equatable {
    case read(Int)
    case write(Int, UInt32)
  }

  let address: PCIAddress
  var deviceID: UInt32 = 0x100E
  var vendorID: UInt32 = 0x8086
  var commandWord: UInt32 = 0
  var eeprom = EEPROMLayout.image(address: (0x52, 0x54, 0x00, 0x12, 0x34, 0x56), controller: .i82540EM)
  var registers: [Int: UInt32] = [:]
  var phy: [UInt32: UInt16] = [0: 0x1140, 1: 0x796D, 2: 0x0141, 3: 0x0C50]
  var log: [Access] = []

  /// Faults.
  var isGone = false
  var staysInReset = false
  var eepromIsDead = false
  var phyIsDead = false
  var phyFails = false
  var linkIsUp = true
  /// Asserts the line whatever the masks say.
  var isStuck = false
  var memoryLimit = Int.max

  /// Called after the driver wrote a register, and before it reads one.
  var onWrite: (Int, UInt32) -> Void = { _, _ in }
  var onRead: (Int) -> Void = { _ in }

  private(set) var causes: UInt32 = 0
  private(set) var mask: UInt32 = 0
  private var handler: (() -> Void)?
  private var delivery: DeferredWork?
  private(set) var allocated: [UInt64: (window: MemoryWindow, pointer: UnsafeMutableRawPointer)] = [:]
  private var nextAddress: UInt64 = 0x10_0000
  private(set) var allocations = 0

  init(on loop: any EventLoop, address: PCIAddress = PCIAddress(bus: 0, device: 3, function: 0)) {
    self.address = address
    delivery = DeferredWork(on: loop) { [unowned self] in deliver() }
  }

  deinit { for piece in allocated.values { piece.pointer.deallocate() } }

  var bytesInUse: Int { allocated.values.reduce(0) { $0 + $1.window.count } }

  // MARK: FunctionHandle

  func readConfiguration(_ offset: Int, size: Int) -> UInt32 {
    switch offset {
    case 0: vendorID
    case 2: deviceID
    case 4: commandWord
    default: 0
    }
  }

  func writeConfiguration(_ offset: Int, size: Int, value: UInt32) {
    if offset == 4 { commandWord = value }
  }

  func read32(bar: Int, offset: Int) -> UInt32 {
    log.append(.read(offset))
    onRead(offset)
    guard !isGone, commandWord & 2 != 0 else { return .max }
    switch offset {
    case Register.interruptCauseRead:
      defer {
        causes = 0
        evaluate()
      }
      return causes
    case Register.deviceStatus: return linkIsUp ? 0x83 : 0x81
    default: return registers[offset] ?? 0
    }
  }

  func write32(bar: Int, offset: Int, value: UInt32) {
    log.append(.write(offset, value))
    switch offset {
    case Register.deviceControl: registers[offset] = staysInReset ? value : value & ~(1 << 26)
    case Register.eepromRead:
      let word = Int(value >> 8 & 0xFF)
      registers[offset] = eepromIsDead ? value : UInt32(eeprom[word]) << 16 | value & 0xFF00 | 0x10
    case Register.mdiControl: accessPHY(value)
    case Register.interruptMaskSet:
      mask |= value
      evaluate()
    case Register.interruptMaskClear:
      mask &= ~value
      evaluate()
    default: registers[offset] = value
    }
    onWrite(offset, value)
  }

  private func accessPHY(_ command: UInt32) {
    let number = command >> 16 & 31
    var answer = command & ~0xFFFF
    if command >> 26 & 3 == 1 { phy[number] = UInt16(truncatingIfNeeded: command) }
    answer |= UInt32(phy[number] ?? 0)
    if !phyIsDead { answer |= 1 << 28 }
    if phyFails { answer |= 1 << 30 }
    registers[Register.mdiControl] = answer
  }

  func allocateDMA(byteCount: Int, alignment: Int) throws(MachineError) -> DMABuffer {
    guard bytesInUse + byteCount <= memoryLimit else { throw .outOfMemory(byteCount: byteCount) }
    let pointer = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: alignment)
    pointer.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    let window = MemoryWindow(pointer, count: byteCount)
    let start = (nextAddress + UInt64(alignment) - 1) & ~(UInt64(alignment) - 1)
    nextAddress = start + UInt64(byteCount)
    allocated[start] = (window, pointer)
    allocations += 1
    return DMABuffer(window: window, busAddress: start)
  }

  func freeDMA(_ buffer: DMABuffer) {
    let piece = allocated.removeValue(forKey: buffer.busAddress)
    precondition(piece != nil, "freed what was not allocated")
    // Kept mapped, as guest memory is.
    retired.append(piece!.pointer)
  }
  private var retired: [UnsafeMutableRawPointer] = []

  func setInterruptHandler(_ handler: (() -> Void)?) {
    self.handler = handler
    evaluate()
  }

  var isConnected: Bool { handler != nil }

  // MARK: Interrupts

  /// Sets causes in ICR.
  func raise(_ new: InterruptCauses) {
    causes |= new.rawValue
    evaluate()
  }

  private func evaluate() {
    if handler != nil, isStuck || causes & mask != 0 { delivery?.schedule() }
  }

  private func deliver() {
    guard let handler, isStuck || causes & mask != 0 else { return }
    handler()
    evaluate()
  }

  // MARK: Rings

  /// The memory at a bus address.
  func memory(_ address: UInt64, _ count: Int) -> MemoryWindow {
    for (start, piece) in allocated
    where address >= start && address - start + UInt64(count) <= UInt64(piece.window.count) {
      return piece.window.slice(Int(address - start), count)
    }
    preconditionFailure("no DMA memory at \(address)")
  }

  private func ring(_ low: Int, _ high: Int, _ length: Int) -> (base: UInt64, count: Int) {
    (UInt64(registers[high] ?? 0) << 32 | UInt64(registers[low] ?? 0), Int(registers[length] ?? 0) / 16)
  }

  var receiveCount: Int { Int(registers[Register.receiveLength] ?? 0) / 16 }
  var receiveHead: Int {
    get { Int(registers[Register.receiveHead] ?? 0) }
    set { registers[Register.receiveHead] = UInt32(newValue) }
  }
  var receiveTail: Int { Int(registers[Register.receiveTail] ?? 0) }
  /// Descriptors that the device owns.
  var receiveFree: Int { (receiveTail - receiveHead + receiveCount) % receiveCount }

  func receiveDescriptor(_ index: Int) -> MemoryWindow {
    let (base, _) = ring(Register.receiveBaseLow, Register.receiveBaseHigh, Register.receiveLength)
    return memory(base + UInt64(index * 16), 16)
  }

  /// Fills the descriptor at the head; false if the device owns none.
  @discardableResult
  func fill(
    _ bytes: [UInt8], status: ReceiveStatus = [.done, .endOfPacket], errors: ReceiveErrors = [], length: Int? = nil,
    cause: InterruptCauses = .receiverTimer
  ) -> Bool {
    guard receiveFree > 0 else { return false }
    let descriptor = receiveDescriptor(receiveHead)
    let buffer = memory(descriptor.load(0, as: UInt64.self), bytes.count)
    for (index, byte) in bytes.enumerated() { buffer.store(byte, index) }
    let filled = ReceiveDescriptor(
      address: descriptor.load(0), length: UInt16(length ?? bytes.count), checksum: 0, status: status, errors: errors)
    descriptor.store(filled.fields, 8)
    receiveHead = (receiveHead + 1) % receiveCount
    raise(cause)
    return true
  }

  var transmitCount: Int { Int(registers[Register.transmitLength] ?? 0) / 16 }
  var transmitHead: Int {
    get { Int(registers[Register.transmitHead] ?? 0) }
    set { registers[Register.transmitHead] = UInt32(newValue) }
  }
  var transmitTail: Int { Int(registers[Register.transmitTail] ?? 0) }
  /// Descriptors the device was told of and has not taken.
  var transmitPending: Int { (transmitTail - transmitHead + transmitCount) % transmitCount }

  /// Takes one descriptor from the transmit ring, writes DD back if asked to, and returns it.
  func takeDescriptor() -> TransmitDescriptor? {
    guard transmitHead != transmitTail else { return nil }
    let (base, count) = ring(Register.transmitBaseLow, Register.transmitBaseHigh, Register.transmitLength)
    let window = memory(base + UInt64(transmitHead * 16), 16)
    let descriptor = TransmitDescriptor(low: window.load(0), high: window.load(8))
    transmitHead = (transmitHead + 1) % count
    if descriptor.command.contains(.reportStatus) {
      window.store(descriptor.high | 1 << 32, 8)
      raise(.transmitWrittenBack)
    }
    return descriptor
  }

  /// Takes everything.
  @discardableResult func takeDescriptors() -> [TransmitDescriptor] {
    var all: [TransmitDescriptor] = []
    while let descriptor = takeDescriptor() { all.append(descriptor) }
    return all
  }

  /// The writes to `offset` so far, in order.
  func writes(to offset: Int) -> [UInt32] {
    log.compactMap { if case .write(offset, let value) = $0 { value } else { nil } }
  }
}
