import EventLoop
import IntelNIC
import Memory
import Packets

/// Pause frames (manual section 8.7, IEEE 802.3 31B).
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

  // MARK: Pause frames of our own

  /// The receive buffer got fuller: the partner is asked for silence at FCRTH, if CTRL.TFCE allows it, and once more if
  /// a frame was lost for want of room (section 8.7.5).
  func receiveBufferFilled(overflowing: Bool = false) {
    guard DeviceControl(rawValue: load(Register.deviceControl)).transmitFlowControl else { return }
    let isHigh = receiveBuffer.fill >= Int(load(Register.flowControlThresholdHigh))
    guard overflowing ? pausesAsked == 1 : pausesAsked == 0 && isHigh else { return }
    pausesAsked &+= 1
    sendPause(UInt16(truncatingIfNeeded: load(Register.flowControlTransmitTimer)))
  }

  /// The receive buffer got emptier: at FCRTL the partner may go on, if FCRTL.XONE says so.
  func receiveBufferDrained() {
    let threshold = load(Register.flowControlThresholdLow)
    guard pausesAsked > 0, receiveBuffer.fill <= Int(threshold & 0xFFF8) else { return }
    pausesAsked = 0
    let control = DeviceControl(rawValue: load(Register.deviceControl))
    if threshold >> 31 != 0, control.transmitFlowControl { sendPause(0) }
  }

  /// Sends a pause frame, outside of the ring: after the frame that is under way, and as soon as the wire has room.
  func sendPause(_ quanta: UInt16) {
    pauseOwed = nil
    guard isLinkUp, !isLooping else { return }
    guard !isTransmitting else {
      pauseOwed = quanta
      timers?.transmitContinuation.schedule()
      return
    }
    let frame = scratch.pause
    frame.fill(0, at: 0, count: frame.count)
    frame.store(load(Register.flowControlAddressLow), 0)
    frame.store(UInt16(truncatingIfNeeded: load(Register.flowControlAddressHigh)), 4)
    frame.store(load(Register.receiveAddressLow), 6)
    frame.store(UInt16(truncatingIfNeeded: load(Register.receiveAddressHigh)), 10)
    frame.storeBigEndian(UInt16(truncatingIfNeeded: load(Register.flowControlType)), 12)
    frame.storeBigEndian(UInt16(1), 14)
    frame.storeBigEndian(quanta, 16)
    guard cable.send(frame.bytes) else {
      pauseOwed = quanta
      return
    }
    count.pausesSent &+= 1
    add(1, to: quanta == 0 ? Statistic.xonTransmitted : Statistic.xoffTransmitted)
  }
}
