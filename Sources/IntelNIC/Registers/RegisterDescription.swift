/// What kind of thing a register is: dispatch in a model, colour in a dump.
public enum RegisterBehaviour: UInt8, Sendable, BitwiseCopyable, CaseIterable {
  /// Plain storage: reads give what the readable bits hold, writes change the writable bits.
  case storage
  case control, status, extendedControl
  case eepromControl, eepromRead
  case mdiControl
  case interruptCause, interruptCauseSet, interruptMaskSet, interruptMaskClear, interruptThrottle
  case receiveControl, receiveBase, receiveHead, receiveTail, receiveDelay, receiveAbsoluteDelay, receiveChecksum
  case transmitControl, transmitBase, transmitHead, transmitTail
  /// RAL, RAH, MTA: the station, multicast and broadcast filters.
  case addressFilter
  /// A 32-bit statistics counter: cleared by reading, saturating.
  case counter
  /// The halves of a 64-bit statistics counter; reading the high half clears both.
  case counterLow, counterHigh
  case wakeControl, wakeStatus
  /// The window on the packet buffer memory.
  case packetBuffer
  /// PBA: the transmit side's part follows the receive side's.
  case packetBufferAllocation

  /// What an access does besides reading and writing the bits that the masks name, for people.
  public var summary: String {
    switch self {
    case .storage: "storage"
    case .control: "resets MAC or PHY; link, speed, duplex, flow control, VLAN mode"
    case .status: "shows link, speed, duplex and pause"
    case .extendedControl: "reloads from the EEPROM"
    case .eepromControl: "drives the pins of the Microwire EEPROM"
    case .eepromRead: "reads a word of the EEPROM"
    case .mdiControl: "reads or writes a register of the PHY"
    case .interruptCause: "a read clears all causes, a write of 1 clears one"
    case .interruptCauseSet: "sets causes; reads 0"
    case .interruptMaskSet: "a write of 1 enables a cause"
    case .interruptMaskClear: "a write of 1 disables a cause; reads 0"
    case .interruptThrottle: "least distance of two interrupts, in units of 256 ns"
    case .receiveControl: "starts and stops the receiver; filters, buffer size, loopback"
    case .receiveBase, .receiveHead: "the receive ring"
    case .receiveTail: "gives descriptors to the receiver"
    case .receiveDelay: "delays RXT0 from the last frame on, in units of 1.024 us; FPD ends the delay"
    case .receiveAbsoluteDelay: "delays RXT0 from the first frame on, in units of 1.024 us"
    case .receiveChecksum: "which checksums of received frames are checked"
    case .transmitControl: "starts and stops the transmitter; SWXOFF sends a pause frame"
    case .transmitBase, .transmitHead: "the transmit ring"
    case .transmitTail: "gives descriptors to the transmitter"
    case .addressFilter: "address filter"
    case .counter: "counts to all ones; a read clears it"
    case .counterLow: "low half of a 64-bit count"
    case .counterHigh: "high half of a 64-bit count; a read clears both"
    case .wakeControl: "power management events; PME bits as in configuration space"
    case .wakeStatus: "what woke the system; a write of 1 clears"
    case .packetBuffer: "window on the packet buffer memory"
    case .packetBufferAllocation: "TXA is what RXA leaves of 64 KiB"
    }
  }
}

/// One row of a controller's register table: a register, or an array of equal registers.
public struct RegisterDescription: Sendable, Equatable {
  /// Byte offset in the memory-mapped register file (of element 0 of an array).
  public let offset: Int
  /// The manual's abbreviation, for example `CTRL`.
  public let abbreviation: String
  /// The manual's full name.
  public let name: String
  /// Section of the manual.
  public let section: String
  /// Value after a power-up or device reset; what comes from EEPROM, PHY and link apart.
  public let reset: UInt32
  /// Bits that reading shows; the others read 0.
  public let readable: UInt32
  /// Bits that a write replaces.
  public let writable: UInt32
  /// Bits that a write of 1 clears.
  public let writeOneToClear: UInt32
  /// Bits that a read clears.
  public let clearOnRead: UInt32
  public let behaviour: RegisterBehaviour
  /// Number of elements, and bytes from one to the next.
  public let count: Int
  public let stride: Int
  public let fields: [BitField]

  public init(
    _ offset: Int, _ abbreviation: String, _ name: String, _ section: String, reset: UInt32 = 0,
    readable: UInt32 = .max, writable: UInt32 = .max, writeOneToClear: UInt32 = 0, clearOnRead: UInt32 = 0,
    _ behaviour: RegisterBehaviour = .storage, count: Int = 1, stride: Int = 4, fields: [BitField] = []
  ) {
    self.offset = offset
    self.abbreviation = abbreviation
    self.name = name
    self.section = section
    self.reset = reset
    self.readable = readable
    self.writable = writable
    self.writeOneToClear = writeOneToClear
    self.clearOnRead = clearOnRead
    self.behaviour = behaviour
    self.count = count
    self.stride = stride
    self.fields = fields
  }

  /// Offsets of all elements.
  public var offsets: StrideTo<Int> { Swift.stride(from: offset, to: offset + count * stride, by: stride) }

  /// The abbreviation with the index of the element at `elementOffset`: `CTRL`, `RAL[3]`.
  public func label(at elementOffset: Int) -> String {
    count == 1 ? abbreviation : "\(abbreviation)[\((elementOffset - offset) / stride)]"
  }

  /// The named fields of `value`, lowest first.
  public func decode(_ value: UInt32) -> [(field: String, value: UInt32)] {
    fields.map { ($0.name, $0.value(in: value)) }
  }
}
