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
  /// Value after a power-up or device reset; state of EEPROM, PHY and link apart.
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
