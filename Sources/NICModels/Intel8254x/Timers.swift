import EventLoop

/// The timers of a controller, made once: interrupt moderation, auto-negotiation, pause, and the continuation of long
/// transmit work.
final class Timers {
  /// ITR.
  let throttle: LoopTimer
  /// RDTR and RADV.
  let receivePacket: LoopTimer
  let receiveAbsolute: LoopTimer
  /// TIDV and TADV.
  let transmitPacket: LoopTimer
  let transmitAbsolute: LoopTimer
  let negotiation: LoopTimer
  let pause: LoopTimer
  let transmitContinuation: DeferredWork

  init(_ device: Intel8254x) {
    let loop = device.loop
    throttle = LoopTimer(on: loop) { [unowned device] in device.updateInterruptPin() }
    receivePacket = LoopTimer(on: loop) { [unowned device] in device.receiveDelayExpired() }
    receiveAbsolute = LoopTimer(on: loop) { [unowned device] in device.receiveDelayExpired() }
    transmitPacket = LoopTimer(on: loop) { [unowned device] in device.transmitDelayExpired() }
    transmitAbsolute = LoopTimer(on: loop) { [unowned device] in device.transmitDelayExpired() }
    negotiation = LoopTimer(on: loop) { [unowned device] in device.negotiationEnded() }
    pause = LoopTimer(on: loop) { [unowned device] in device.pauseEnded() }
    transmitContinuation = DeferredWork(on: loop) { [unowned device] in device.continueTransmit() }
  }

  /// Stops everything but the PHY's timer.
  func cancelModeration() {
    throttle.cancel()
    receivePacket.cancel()
    receiveAbsolute.cancel()
    transmitPacket.cancel()
    transmitAbsolute.cancel()
    pause.cancel()
    transmitContinuation.cancel()
  }
}
