import IntelNIC
import Machine

/// The register file of an 8254x through its function's handle: the one way in which the driver touches registers. It
/// can be watched at the handle.
struct E1000Registers {
  let function: any FunctionHandle
  /// Reads after which a wait is given up.
  let pollLimit: Int

  @inline(__always) func read(_ offset: Int) -> UInt32 {
    function.read32(bar: Intel8254xBAR.memory, offset: offset)
  }

  @inline(__always) func write(_ offset: Int, _ value: UInt32) {
    function.write32(bar: Intel8254xBAR.memory, offset: offset, value: value)
  }

  /// Reads `offset` until `accept` takes the value; nil after the limit, or if the device is gone.
  func poll(_ offset: Int, until accept: (UInt32) -> Bool) throws(DriverError) -> UInt32? {
    for _ in 0..<pollLimit {
      let value = read(offset)
      guard value != .max else { throw .deviceGone }
      if accept(value) { return value }
    }
    return nil
  }
}

extension E1000Registers {
  /// Quiets the device and resets its MAC (manual section 14.3; PHY and PCI configuration keep their state). Interrupts
  /// are masked and acknowledged afterwards.
  func reset() throws(DriverError) {
    guard read(Register.deviceStatus) != .max else { throw .deviceGone }
    write(Register.interruptMaskClear, InterruptCauses.all.rawValue)
    write(Register.receiveControl, 0)
    write(Register.transmitControl, 0)
    var control = DeviceControl(rawValue: read(Register.deviceControl))
    control.reset = true
    write(Register.deviceControl, control.rawValue)
    guard try poll(Register.deviceControl, until: { !DeviceControl(rawValue: $0).reset }) != nil else {
      throw .resetTimedOut
    }
    write(Register.interruptMaskClear, InterruptCauses.all.rawValue)
    _ = read(Register.interruptCauseRead)
  }

  /// Sets the link up for the internal PHY, which finds out speed and duplex (manual section 14.3 and 14.5).
  func setLinkUp() {
    var control = DeviceControl(rawValue: read(Register.deviceControl))
    control.setLinkUp = true
    control.autoSpeedDetection = true
    control.forceSpeed = false
    control.forceDuplex = false
    control.linkReset = false
    control.phyReset = false
    control.invertLossOfSignal = false
    control.vlanMode = false
    control.receiveFlowControl = false
    control.transmitFlowControl = false
    write(Register.deviceControl, control.rawValue)
  }
}
