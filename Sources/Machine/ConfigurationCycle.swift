import Events

/// What a configuration cycle and a bus reset do to a function, wherever they come from: the buses of this machine, or
/// the client of a served function.
extension PCIFunction {
  /// Reads 1, 2 or 4 aligned bytes of configuration space; `slot` names the function for the tap.
  public func readConfiguration(_ offset: Int, size: Int, as slot: some FunctionSlot, tap: EventTap) -> UInt32 {
    let value = configuration.read(offset, size: size)
    if tap.isOn { announce(slot.address, write: false, offset, value, size, tap) }
    return value
  }

  /// Writes 1, 2 or 4 aligned bytes of configuration space, with all that follows from it.
  public func writeConfiguration(
    _ offset: Int, size: Int, value: UInt32, as slot: some FunctionSlot, tap: EventTap
  ) {
    if tap.isOn { announce(slot.address, write: true, offset, value, size, tap) }
    guard configuration.write(offset, size: size, value: value) else { return }
    configurationWritten(offset: offset, size: size)
  }

  /// RST#: the pin goes low, configuration space and registers have their reset values.
  public func busReset(in slot: some FunctionSlot) {
    slot.setInterruptPin(false)
    configuration.reset()
    reset()
  }

  private func announce(
    _ address: PCIAddress, write: Bool, _ offset: Int, _ value: UInt32, _ size: Int, _ tap: EventTap
  ) {
    tap.emit(
      .machine,
      .configurationAccess(function: "\(address)", write: write, offset: offset, value: value, size: size))
  }
}
