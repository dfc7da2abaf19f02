import EventLoop
import IntelNIC
import Link
import Machine

/// Starting and stopping.
extension E1000Driver {
  /// Brings the device up as chapter 14 of the manual says: bus mastering, reset, filters, PHY and link, rings,
  /// interrupts. Nothing happens if it runs already. The link may come up later: the client is told.
  ///
  /// - Throws: ``DriverError``; the driver is stopped then, and holds no memory.
  public func start() throws(DriverError) {
    if currentState == .gone { stop() }
    guard currentState == .stopped else { return }
    do {
      try bringUp()
    } catch {
      shutDown()
      throw error
    }
    currentState = .running
    connectInterrupt()
    updateLink()
    guard currentState == .running else { return }
    unmask()
    if isTransmitWanted {
      isTransmitFreed = true
      receivePass.schedule()
    }
  }

  func bringUp() throws(DriverError) {
    let function = registers.function
    guard function.readConfiguration(PCIHeader.vendorID, size: 2) != 0xFFFF else { throw .functionAbsent }
    function.command = function.command.union([.memorySpace, .busMaster]).subtracting(.interruptDisable)
    counted.resets += 1
    try registers.reset()
    disarmWakeUp()
    // Kilobytes of the 64 for receiving; the rest must hold the longest frame that is sent.
    registers.write(Register.packetBufferAllocation, sizes.frame > 8192 ? 40 : 48)
    programFlowControl()
    phyIdentifier = try registers.startPHY(negotiates: settings.link.negotiates)
    registers.setLinkUp()
    if settings.isLinkSet { try programLink() }

    receiveRing = try ReceiveRing(count: settings.receiveDescriptors, sizes: sizes, memory: &memory)
    try transmitRing.open(
      slots: settings.transmitDescriptors, configuration: configuration, sizes: sizes, generation: generation,
      memory: &memory)
    clearStatistics()
    setUpReceiver()
    setUpTransmitter()
    registers.write(Register.interruptThrottling, settings.throttling)
  }

  /// Manual section 14.4.
  private func setUpReceiver() {
    programFilters()
    var checksums = ReceiveChecksumControl()
    checksums.ipOffload = settings.features.contains(.receiveChecksum)
    checksums.transportOffload = settings.features.contains(.receiveChecksum)
    registers.write(Register.receiveChecksumControl, checksums.rawValue)
    registers.write(Register.receiveDelayTimer, 0)
    registers.write(Register.receiveAbsoluteDelay, 0)
    registers.write(Register.receiveBaseLow, UInt32(truncatingIfNeeded: receiveRing.busAddress))
    registers.write(Register.receiveBaseHigh, UInt32(truncatingIfNeeded: receiveRing.busAddress >> 32))
    registers.write(Register.receiveLength, UInt32(receiveRing.count * ReceiveDescriptor.byteCount))
    registers.write(Register.receiveHead, 0)
    registers.write(Register.receiveTail, 0)
    registers.write(Register.receiveControl, receiveControl.rawValue)
    // Only an enabled receiver is given descriptors.
    registers.write(Register.receiveTail, receiveRing.tail)
  }

  /// RCTL for the current sizes and filter.
  var receiveControl: ReceiveControl {
    var control = ReceiveControl()
    control.enabled = true
    control.acceptBroadcast = true
    control.stripCRC = true
    control.longPackets = sizes.isLong
    control.unicastPromiscuous = filter.isPromiscuous
    control.multicastPromiscuous = filter.isPromiscuous || filter.acceptsAllMulticast
    // BSIZE halves from 2048 (or, with BSEX, from an imaginary 32768) on.
    let size = sizes.receiveBuffer
    control.sizeExtension = size > 2048
    let largest = size > 2048 ? 32_768 : 2048
    control.bufferSizeCode = UInt32((largest / size).trailingZeroBitCount)
    return control
  }

  /// Manual section 14.5.
  private func setUpTransmitter() {
    registers.write(Register.transmitBaseLow, UInt32(truncatingIfNeeded: transmitRing.busAddress))
    registers.write(Register.transmitBaseHigh, UInt32(truncatingIfNeeded: transmitRing.busAddress >> 32))
    registers.write(Register.transmitLength, UInt32(transmitRing.count * ReceiveDescriptor.byteCount))
    registers.write(Register.transmitHead, 0)
    registers.write(Register.transmitTail, 0)
    registers.write(Register.transmitDelayTimer, 0)
    registers.write(Register.transmitAbsoluteDelay, 0)
    var gap = TransmitInterPacketGap()
    gap.gap = 8
    gap.gapPart1 = 8
    gap.gapPart2 = 6
    registers.write(Register.transmitInterPacketGap, gap.rawValue)
    var control = TransmitControl()
    control.enabled = true
    control.padShort = true
    control.collisionThreshold = 0x0F
    control.collisionDistance = 0x40
    control.retransmitLate = true
    registers.write(Register.transmitControl, control.rawValue)
  }

  /// Stops in order: the receiver first, then the transmitter once it has sent what was submitted (or has not within
  /// the poll limit: counted), then a reset and no more bus mastering, so that no DMA follows; then all memory is given
  /// back. Buffers that the client still holds are stale from here on. Nothing happens if it is stopped.
  public func stop() {
    guard currentState != .stopped else { return }
    if currentState == .running {
      registers.write(Register.interruptMaskClear, InterruptCauses.all.rawValue)
      var control = receiveControl
      control.enabled = false
      registers.write(Register.receiveControl, control.rawValue)
      drainTransmitter()
      readStatistics()
    }
    counted.transmitAbandoned += UInt64(transmitRing.inFlight)
    let wasRunning = currentState == .running
    shutDown()
    if wasRunning { armWakeUp() }
    setLink(false)
  }

  private func drainTransmitter() {
    // What was submitted since the last doorbell would otherwise be waited for in vain.
    doorbell()
    for _ in 0..<configuration.pollLimit {
      _ = transmitRing.reclaim()
      if transmitRing.inFlight == 0 { return }
      if registers.read(Register.transmitHead) == .max { return }
    }
  }

  /// Ends every activity of driver and device, and gives all memory back.
  func shutDown() {
    let function = registers.function
    function.setInterruptHandler(nil)
    receivePass.cancel()
    stormTimer.cancel()
    // If the device does not come out of reset, or is gone, it loses the bus all the same.
    try? registers.reset()
    function.command = function.command.subtracting(.busMaster)
    currentState = .stopped
    generation &+= 1
    receiveRing = ReceiveRing()
    transmitRing.close()
    memory.giveBack()
    pendingCauses = []
    isMasked = false
    isTransmitFreed = false
    idleRuns = 0
    stormPause = .zero
  }

  /// Changes the MTU. A running driver is stopped and started again, as the sizes of its buffers change with it.
  ///
  /// - Throws: ``DriverError/badConfiguration(_:)`` outside ``E1000Configuration/mtuRange``, or what ``start()``
  ///   throws.
  public func setMTU(_ value: Int) throws(DriverError) {
    guard E1000Configuration.mtuRange.contains(value) else {
      throw .badConfiguration("MTU \(value): it must be 68 to 16110")
    }
    guard value != mtu else { return }
    let wasRunning = currentState == .running
    if wasRunning { stop() }
    sizes = FrameSizes(mtu: value, configuration: configuration)
    if wasRunning { try start() }
  }

  /// ``setMTU(_:)`` for the stack: if it cannot be, the driver runs with its old sizes. If that cannot be either, it
  /// stays stopped and without a link, which is counted.
  public func changeMTU(to value: Int) -> Bool {
    let (before, wasRunning) = (mtu, currentState == .running)
    do throws(DriverError) {
      try setMTU(value)
      return true
    } catch {
      sizes = FrameSizes(mtu: before, configuration: configuration)
      guard wasRunning else { return false }
      do { try start() } catch { reportFailedRestart(error) }
      return false
    }
  }

  private func reportFailedRestart(_ error: DriverError) {
    counted.failedRestarts &+= 1
    if tap.isOn { tap.emit(.driver, .note("\(name): stopped for another MTU, and not to be started again: \(error)")) }
  }
}
