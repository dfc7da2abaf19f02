import EventLoop
import Events
import IntelNIC
import Link

/// Interrupts and the budgeted pass (as Linux's NAPI does it).
///
/// **No wake-up is lost.** The device writes a descriptor back before it sets a cause in ICR; ICR keeps a cause until
/// it is read, masked or not; only the handler reads it, and a pass follows every reading. So a frame that was written
/// back before the handler's reading is seen by the scan of that pass, and one that came later has left its cause in
/// ICR: the write to IMS at the end of the pass raises the line at once. The same holds for TXDW and LSC: the link's
/// state is read in the pass, after the cause. The look at the ring after that write is for devices that keep less than
/// the manual promises. A pass that ends early for its budget leaves everything masked and runs again.
extension E1000Driver {
  /// The causes that the driver wants to hear of now. TXDW only if somebody waits for a buffer.
  var wantedCauses: InterruptCauses {
    var causes: InterruptCauses = [
      .receiverTimer, .receiverOverrun, .receiveMinimumThreshold, .linkStatusChange,
    ]
    if isTransmitWanted { causes.insert(.transmitWrittenBack) }
    return causes
  }

  /// The interrupt handler: one reading of the cause, one write to mask, no work.
  func handleInterrupt() {
    guard currentState == .running else { return }
    let value = registers.read(Register.interruptCauseRead)
    guard value != .max else { return deviceVanished() }
    guard value != 0 else {
      // Another function's, if the line is shared.
      counted.spuriousInterrupts &+= 1
      countIdleRun()
      return
    }
    counted.interrupts &+= 1
    mask()
    pendingCauses.formUnion(InterruptCauses(rawValue: value))
    receivePass.schedule()
  }

  func mask() {
    registers.write(Register.interruptMaskClear, InterruptCauses.all.rawValue)
    isMasked = true
  }

  func unmask() {
    isMasked = false
    registers.write(Register.interruptMaskSet, wantedCauses.rawValue)
  }

  /// The pass: link, received frames up to the budget, finished transmissions, and interrupts on again.
  func runReceivePass() {
    guard currentState == .running else { return }
    counted.receivePasses &+= 1
    let current = generation
    let causes = pendingCauses
    pendingCauses = []
    let client = self.client
    var worked = false

    if causes.contains(.receiverOverrun) { counted.receiverOverruns &+= 1 }
    if causes.contains(.linkStatusChange) {
      worked = updateLink()
      guard generation == current, currentState == .running else { return }
    }

    let budget = configuration.receiveBudget
    let received = if let client { receive(limit: budget, client) } else { discardReceived(limit: budget) }
    guard generation == current else { return }
    if received > 0 {
      worked = true
      registers.write(Register.receiveTail, receiveRing.tail)
      counted.receiveTailWrites &+= 1
      client?.receiveBatchEnded()
      guard generation == current else { return }
    }

    if reclaimTransmitted() > 0 { worked = true }
    if isTransmitFreed {
      worked = true
      isTransmitFreed = false
      isTransmitWanted = false
      counted.transmitReadyCalls &+= 1
      client?.transmitReady()
      guard generation == current else { return }
    }
    // What was announced up to here was told of: another run has to have a reason of its own.
    if !isTransmitFreed { receivePass.cancel() }

    guard worked || countIdleRun() else { return }
    if worked {
      idleRuns = 0
      stormPause = .zero
    }
    if receiveRing.isNextDone || isTransmitFreed {
      counted.passesContinued &+= 1
      if !isMasked { mask() }
      receivePass.schedule()
      return
    }
    unmask()
    if receiveRing.isNextDone {
      counted.framesAfterUnmask &+= 1
      mask()
      receivePass.schedule()
    }
  }

  /// Reads the link's state; tells the client if it changed. Returns true if it did.
  @discardableResult func updateLink() -> Bool {
    let value = registers.read(Register.deviceStatus)
    guard value != .max else {
      deviceVanished()
      return true
    }
    let isUp = DeviceStatus(rawValue: value).linkUp
    if isUp, !linkIsUp { resolveFlowControl() }
    return setLink(isUp)
  }

  @discardableResult func setLink(_ isUp: Bool) -> Bool {
    guard isUp != linkIsUp else { return false }
    linkIsUp = isUp
    counted.linkChanges &+= 1
    if tap.isOn {
      tap.emit(.driver, .stateChange(object: name, from: isUp ? "down" : "up", to: isUp ? "up" : "down"))
    }
    client?.linkChanged(isUp: isUp)
    return true
  }
}

/// A device that raises its line for nothing.
extension E1000Driver {
  /// Counts an interrupt or pass without work. After ``E1000Configuration/idleInterruptLimit`` of them the interrupt is
  /// disconnected for a while (1 ms, doubled up to 1 s), after which the ring is looked at and the interrupt tried
  /// again. Returns false if that happened.
  @discardableResult func countIdleRun() -> Bool {
    idleRuns += 1
    guard idleRuns >= configuration.idleInterruptLimit else { return true }
    idleRuns = 0
    counted.interruptStorms += 1
    stormPause = stormPause == .zero ? .milliseconds(1) : min(stormPause * 2, .seconds(1))
    if tap.isOn {
      tap.emit(.driver, .note("\(name): interrupts without a cause, left alone for \(stormPause)"))
    }
    registers.function.setInterruptHandler(nil)
    mask()
    stormTimer.arm(at: loop.now + stormPause)
    return false
  }

  /// The pause is over: connects the interrupt again and looks at everything once.
  func stormIsOver() {
    guard currentState == .running else { return }
    connectInterrupt()
    pendingCauses.insert(.linkStatusChange)
    receivePass.schedule()
  }

  func connectInterrupt() {
    // The handler is taken away whenever the driver stops, at the latest by its end: it is never called without a
    // driver.
    registers.function.setInterruptHandler { [unowned self] in handleInterrupt() }
  }

  /// The registers read all ones. The memory stays until ``stop()``: the device might still write.
  func deviceVanished() {
    counted.deviceLosses += 1
    currentState = .gone
    registers.function.setInterruptHandler(nil)
    receivePass.cancel()
    stormTimer.cancel()
    if tap.isOn { tap.emit(.driver, .note("\(name): \(DriverError.deviceGone)")) }
    setLink(false)
  }
}
