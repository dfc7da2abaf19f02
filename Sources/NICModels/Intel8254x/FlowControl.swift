import EventLoop
import IntelNIC
import Memory
import Packets

/// Pause frames (manual section 8.5, IEEE 802.3 31B).
extension Intel8254x {
  func writeTransmitControl(_ value: UInt32) {
    var control = TransmitControl(rawValue: value)
    let sendsXOFF = control.sendXOFF
    control.sendXOFF = false
    store(control.rawValue, Register.transmitControl)
    if sendsXOFF { sendPause(UInt16(truncatingIfNeeded: load(Register.flowControlTransmitTimer))) }
    transmit()
  }

  /// Acts on a MAC control frame. False: it is not passed on to software.
  func acceptControl(_ frame: RawSpan, _ control: ReceiveControl) -> Bool {
    let address = UInt64(load(Register.flowControlAddressLow)) | UInt64(load(Register.flowControlAddressHigh)) << 32
    let destination = frame.loadLittleEndian(0, as: UInt64.self) & 0xFFFF_FFFF_FFFF
    let own = registers.load(Register.receiveAddressLow, as: UInt64.self) & 0xFFFF_FFFF_FFFF
    guard destination == address || destination == own else { return control.passControlFrames }
    guard frame.loadBigEndian(14, as: UInt16.self) == 1 else {
      add(1, to: Statistic.unsupportedFlowControl)
      return control.passControlFrames
    }
    let quanta: UInt16 = frame.loadBigEndian(16)
    add(1, to: quanta == 0 ? Statistic.xonReceived : Statistic.xoffReceived)
    if DeviceControl(rawValue: load(Register.deviceControl)).receiveFlowControl { pause(quanta) }
    return !control.discardPause && control.passControlFrames
  }

  /// The link partner asks for silence of `quanta` times 512 bit times; 0 ends it.
  private func pause(_ quanta: UInt16) {
    guard quanta != 0 else { return pauseEnded() }
    let bitTime = [100, 10, 1][Int(min(phy.speed, 2))]
    isPaused = true
    timers?.pause.arm(at: loop.now + .nanoseconds(Int(quanta) * 512 * bitTime))
    updateStatus()
  }

  func pauseEnded() {
    timers?.pause.cancel()
    guard isPaused else { return }
    isPaused = false
    updateStatus()
    transmit()
  }

  /// Sends a pause frame of our own, outside of the ring; if the wire has no room it is not sent.
  private func sendPause(_ quanta: UInt16) {
    guard isLinkUp, !isLooping, !isTransmitting else { return }
    let frame = scratch.receive.slice(0, 60)
    frame.fill(0, at: 0, count: 60)
    frame.store(load(Register.flowControlAddressLow), 0)
    frame.store(UInt16(truncatingIfNeeded: load(Register.flowControlAddressHigh)), 4)
    frame.store(load(Register.receiveAddressLow), 6)
    frame.store(UInt16(truncatingIfNeeded: load(Register.receiveAddressHigh)), 10)
    frame.storeBigEndian(UInt16(truncatingIfNeeded: load(Register.flowControlType)), 12)
    frame.storeBigEndian(UInt16(1), 14)
    frame.storeBigEndian(quanta, 16)
    if cable.send(frame.bytes) {
      add(1, to: quanta == 0 ? Statistic.xonTransmitted : Statistic.xoffTransmitted)
    }
  }
}
