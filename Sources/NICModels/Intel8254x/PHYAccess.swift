import EventLoop
import IntelNIC

/// MDIC and the timing of the link (manual sections 13.4.7 and 8.6).
extension Intel8254x {
  /// One access to the PHY, complete at once; cause MDAC if asked for.
  func accessPHY(_ value: UInt32) {
    var access = MDIControl(rawValue: value)
    access.ready = true
    access.error = false
    let register = UInt8(truncatingIfNeeded: access.register)
    var effect = PHY.Effect.none
    if access.phy != UInt32(PHYRegister.internalAddress) {
      access.error = true
      access.data = 0xFFFF
      // Drivers look for a PHY at all addresses: no error of theirs.
    } else if access.operation == 2 {
      access.data = phy.read(register)
    } else if access.operation == 1 {
      effect = phy.write(register, access.data)
    } else {
      access.error = true
      refuse(.mdiAccess)
    }
    store(access.rawValue & 0x7FFF_FFFF, Register.mdiControl)
    switch effect {
    case .none: break
    case .renegotiate: negotiateAgain()
    case .update:
      updateLoopback()
      updateStatus()
    }
    if access.interrupt { raise(.mdiAccessComplete) }
  }

  /// PHY reset by CTRL.PHY_RST or the bus.
  func resetPHY() {
    phy.reset()
    negotiateAgain()
  }

  /// Takes the link down and brings it up after the time of auto-negotiation, if there is a partner.
  func negotiateAgain() {
    phy.takeDown()
    updateLoopback()
    updateStatus()
    if phy.canSettle {
      timers?.negotiation.arm(at: loop.now + options.negotiation)
    } else {
      timers?.negotiation.cancel()
    }
  }

  func negotiationEnded() {
    guard phy.canSettle else { return }
    phy.settle()
    updateStatus()
  }

  /// RCTL has a new value.
  func receiveControlChanged() {
    updateLoopback()
    renewReceiveSettings()
  }

  /// Loopback by RCTL.LBM or in the PHY.
  func updateLoopback() {
    isLooping = phy.isLoopback || ReceiveControl(rawValue: load(Register.receiveControl)).loopback != 0
    if isLooping { isStalled = false }
  }
}
