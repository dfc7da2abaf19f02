import Events
import IntelNIC
import Memory

/// Register accesses (manual chapter 13): BAR0 memory-mapped, BAR1 by IOADDR and IODATA (section 13.2.2).
extension Intel8254x {
  public func read(bar: Int, offset: Int, size: Int) -> UInt64 {
    switch bar {
    case Intel8254xBAR.memory:
      guard size == 4, offset & 3 == 0 else { return refusedRead(size, .accessSize) }
      guard offset >= 0, offset < Intel8254xBAR.memoryByteCount else { return refusedRead(size, .unknownRegister) }
      let value = readRegister(offset)
      if tap.isOn { traceRead(bar, offset, dispatch.table.label(at: offset), value) }
      return UInt64(value)
    case Intel8254xBAR.io:
      return readIO(offset, size)
    default:
      return refusedRead(size, .unknownRegister)
    }
  }

  public func write(bar: Int, offset: Int, size: Int, value: UInt64) {
    switch bar {
    case Intel8254xBAR.memory:
      guard size == 4, offset & 3 == 0 else { return refuse(.accessSize) }
      guard offset >= 0, offset < Intel8254xBAR.memoryByteCount else { return refuse(.unknownRegister) }
      if tap.isOn { traceWrite(bar, offset, dispatch.table.label(at: offset), UInt32(truncatingIfNeeded: value)) }
      writeRegister(offset, UInt32(truncatingIfNeeded: value))
    case Intel8254xBAR.io:
      writeIO(offset, size, value)
    default:
      refuse(.unknownRegister)
    }
  }

  private func refusedRead(_ size: Int, _ error: GuestError) -> UInt64 {
    refuse(error)
    return size >= 8 ? .max : (1 << UInt64(max(size, 0) * 8)) - 1
  }

  private func traceRead(_ bar: Int, _ offset: Int, _ name: String, _ value: UInt32) {
    tap.emit(.model, .registerRead(bar: bar, offset: offset, name: name, value: UInt64(value), size: 4))
  }

  private func traceWrite(_ bar: Int, _ offset: Int, _ name: String, _ value: UInt32) {
    tap.emit(.model, .registerWrite(bar: bar, offset: offset, name: name, value: UInt64(value), size: 4))
  }

  // MARK: The I/O window

  private func readIO(_ offset: Int, _ size: Int) -> UInt64 {
    guard size == 4 else { return refusedRead(size, .accessSize) }
    switch offset {
    case Intel8254xBAR.ioAddress:
      if tap.isOn { traceRead(Intel8254xBAR.io, offset, "IOADDR", ioAddress) }
      return UInt64(ioAddress)
    case Intel8254xBAR.ioData:
      guard isValidIOAddress else { return refusedRead(size, .ioAddress) }
      let value = readRegister(Int(ioAddress))
      if tap.isOn { traceRead(Intel8254xBAR.io, offset, dispatch.table.label(at: Int(ioAddress)), value) }
      return UInt64(value)
    default:
      return refusedRead(size, .unknownRegister)
    }
  }

  private func writeIO(_ offset: Int, _ size: Int, _ value: UInt64) {
    guard size == 4 else { return refuse(.accessSize) }
    let word = UInt32(truncatingIfNeeded: value)
    switch offset {
    case Intel8254xBAR.ioAddress:
      if tap.isOn { traceWrite(Intel8254xBAR.io, offset, "IOADDR", word) }
      ioAddress = word
    case Intel8254xBAR.ioData:
      guard isValidIOAddress else { return refuse(.ioAddress) }
      if tap.isOn { traceWrite(Intel8254xBAR.io, offset, dispatch.table.label(at: Int(ioAddress)), word) }
      writeRegister(Int(ioAddress), word)
    default:
      refuse(.unknownRegister)
    }
  }

  /// Internal registers and memories: offsets below 1FFFFh, on 32-bit boundaries.
  private var isValidIOAddress: Bool { ioAddress < UInt32(Intel8254xBAR.memoryByteCount) && ioAddress & 3 == 0 }

  // MARK: Dispatch

  /// Reads the register at `offset`, a multiple of four inside the register file, with all that reading it does.
  private func readRegister(_ offset: Int) -> UInt32 {
    count.registerReads &+= 1
    guard let entry = dispatch.entry(at: offset) else {
      refuse(.unknownRegister)
      return 0
    }
    switch entry.behaviour {
    case .interruptCause:
      let value = load(offset)
      if value != 0 {
        store(0, offset)
        updateInterruptPin()
      }
      return value
    case .counter:
      let value = load(offset)
      store(0, offset)
      return value
    case .counterHigh:
      let value = load(offset)
      registers.store(UInt64(0), offset &- 4)
      return value
    default:
      return load(offset)
    }
  }

  /// Writes the register at `offset`, a multiple of four inside the register file, with all that writing it does.
  private func writeRegister(_ offset: Int, _ value: UInt32) {
    count.registerWrites &+= 1
    guard let entry = dispatch.entry(at: offset) else { return refuse(.unknownRegister) }
    switch entry.behaviour {
    case .transmitTail:
      store(value & entry.writable, offset)
      count.transmitDoorbells &+= 1
      transmit()
    case .receiveTail:
      store(value & entry.writable, offset)
      count.receiveDoorbells &+= 1
      receiveCursor.extend(to: Int(load(offset)))
      if isBehind { catchUpReceiving() }
    case .interruptCause:
      store(load(offset) & ~(value & entry.writeOneToClear), offset)
      updateInterruptPin()
    case .interruptCauseSet:
      raise(InterruptCauses(rawValue: value & entry.writable))
    case .interruptMaskSet:
      store(load(offset) | value & entry.writable, offset)
      updateInterruptPin()
    case .interruptMaskClear:
      store(load(Register.interruptMaskSet) & ~value, Register.interruptMaskSet)
      updateInterruptPin()
    default:
      writeColdRegister(offset, value, entry)
    }
  }

  private func writeColdRegister(_ offset: Int, _ value: UInt32, _ entry: RegisterDispatch.Entry) {
    let old = load(offset)
    let new = (old & ~entry.writable | value & entry.writable) & ~(value & entry.writeOneToClear)
    switch entry.behaviour {
    case .storage, .receiveChecksum, .packetBuffer, .addressFilter, .receiveAbsoluteDelay:
      store(new, offset)
      renewReceiveSettings()
    case .packetBufferAllocation: writePacketBufferAllocation(new)
    case .control: writeControl(new, changed: new ^ old)
    case .extendedControl: writeExtendedControl(new)
    case .eepromControl: writeEEPROMControl(new)
    case .eepromRead: readEEPROM(value)
    case .mdiControl: accessPHY(value)
    case .interruptThrottle:
      store(new, offset)
      throttleChanged()
    case .receiveControl:
      store(new, offset)
      receiveControlChanged()
      catchUpReceiving()
    case .receiveBase, .receiveHead:
      store(new, offset)
      receiveCursor.forget()
      catchUpReceiving()
    case .receiveDelay:
      store(new & 0xFFFF, offset)
      renewReceiveSettings()
      if InterruptDelay(rawValue: value).flush { flushReceiveDelay() }
    case .transmitControl: writeTransmitControl(new)
    case .transmitBase, .transmitHead:
      store(new, offset)
      // A ring that is set up anew does not continue a frame of the old one.
      assembly.abandon()
      transmitGeneration &+= 1
    case .wakeControl: writeWakeUpControl(new)
    case .wakeStatus: store(old & ~value, offset)
    case .status, .counter, .counterLow, .counterHigh: break
    case .transmitTail, .receiveTail, .interruptCause, .interruptCauseSet, .interruptMaskSet, .interruptMaskClear:
      preconditionFailure("\(dispatch.table.label(at: offset)) is dispatched before")
    }
  }
}
