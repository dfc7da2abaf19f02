import EventLoop
import Events
import IntelNIC

/// Interrupts and their moderation (manual sections 13.4.17 to 13.4.21, 13.4.30, 13.4.31, 13.4.41, 13.4.44; application
/// note 450). INTx is a level: asserted while ICR and IMS have a bit in common, not sooner after its last assertion
/// than ITR allows.
extension Intel8254x {
  /// Sets causes in ICR and asserts the line if one of them is enabled.
  @inline(__always) func raise(_ causes: InterruptCauses) {
    let old = load(Register.interruptCauseRead)
    let new = old | causes.rawValue
    // The line already follows causes that are set.
    guard new != old else { return }
    store(new, Register.interruptCauseRead)
    updateInterruptPin()
  }

  /// Makes the line's level follow ICR, IMS and ITR.
  @inline(never) func updateInterruptPin() {
    let causes = load(Register.interruptCauseRead) & load(Register.interruptMaskSet)
    guard causes != 0 else {
      if pinAsserted { setPin(false, 0) }
      return
    }
    guard !pinAsserted else { return }
    let interval = load(Register.interruptThrottling)
    if interval != 0 {
      let earliest = lastInterrupt + .nanoseconds(Int(interval) * InterruptDelay.throttleUnitNanoseconds)
      if loop.now < earliest {
        timers?.throttle.arm(at: earliest)
        return
      }
    }
    timers?.throttle.cancel()
    lastInterrupt = loop.now
    count.interrupts &+= 1
    setPin(true, causes)
  }

  private func setPin(_ asserted: Bool, _ causes: UInt32) {
    pinAsserted = asserted
    if tap.isOn { tap.emit(.model, .interrupt(line: name, asserted: asserted, causes: causes)) }
    slot?.setInterruptPin(asserted)
  }

  func throttleChanged() {
    timers?.throttle.cancel()
    updateInterruptPin()
  }

  // MARK: Receive delay (RDTR, RADV)

  /// A frame was stored: RXT0 now, or when no frame came for RDTR, or RADV after the first one.
  @inline(__always) func delayReceiveInterrupt() {
    let delay = load(Register.receiveDelayTimer)
    if delay == 0 { raise(.receiverTimer) } else { armReceiveDelay(delay) }
  }

  private func armReceiveDelay(_ delay: UInt32) {
    guard let timers else { return }
    timers.receivePacket.arm(at: loop.now + .nanoseconds(Int(delay) * InterruptDelay.unitNanoseconds))
    let absolute = load(Register.receiveAbsoluteDelay)
    if absolute != 0, !timers.receiveAbsolute.isArmed {
      timers.receiveAbsolute.arm(at: loop.now + .nanoseconds(Int(absolute) * InterruptDelay.unitNanoseconds))
    }
  }

  func receiveDelayExpired() {
    timers?.receivePacket.cancel()
    timers?.receiveAbsolute.cancel()
    raise(.receiverTimer)
  }

  /// RDTR.FPD: what waits is reported now.
  func flushReceiveDelay() {
    guard let timers, timers.receivePacket.isArmed || timers.receiveAbsolute.isArmed else { return }
    receiveDelayExpired()
  }

  // MARK: Transmit delay (TIDV, TADV)

  /// A descriptor with RS and IDE was written back: TXDW when none followed for TIDV, or TADV after the first one.
  /// False: TIDV is 0 (which is not allowed), TXDW comes at once.
  func armTransmitDelay() -> Bool {
    let delay = load(Register.transmitDelayTimer)
    guard delay != 0, let timers else { return false }
    isReportDelayed = true
    timers.transmitPacket.arm(at: loop.now + .nanoseconds(Int(delay) * InterruptDelay.unitNanoseconds))
    let absolute = load(Register.transmitAbsoluteDelay)
    if absolute != 0, !timers.transmitAbsolute.isArmed {
      timers.transmitAbsolute.arm(at: loop.now + .nanoseconds(Int(absolute) * InterruptDelay.unitNanoseconds))
    }
    return true
  }

  func transmitDelayExpired() {
    endTransmitDelay()
    raise(.transmitWrittenBack)
  }

  /// TXDW has been reported: what the timers were to report is reported with it (section 13.4.44).
  func endTransmitDelay() {
    isReportDelayed = false
    timers?.transmitPacket.cancel()
    timers?.transmitAbsolute.cancel()
  }
}
