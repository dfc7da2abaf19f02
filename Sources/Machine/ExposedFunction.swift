/// The entries of a function in the machine's table.
struct FunctionEntries {
  var configuration = -1
  /// By index of the base address register.
  var bars: InlineArray<7, Int> = .init(repeating: -1)
}

extension MachineTable {
  /// Enters a function's configuration space, whose bytes are at `offset`, and its base address registers.
  func publish(
    _ configuration: ConfigurationSpace, at id: UInt16, _ offset: Int, name: String, registers: [Int: RegisterFile]
  ) throws(MachineError) -> FunctionEntries {
    var entries = FunctionEntries()
    entries.configuration = try add(
      .configuration, function: id, busAddress: 0, offset: offset, byteCount: UInt64(configuration.byteCount),
      name: name)
    for bar in configuration.bars {
      let file = registers[bar.index]
      let flags: UInt8 = (bar.isIO ? 1 : 0) | (bar.is64Bit ? 2 : 0) | (bar.isPrefetchable ? 4 : 0)
      entries.bars[bar.index] = try add(
        file == nil ? .aperture : .registers, function: id, bar: UInt8(bar.index), flags: flags, busAddress: 0,
        offset: file?.offset ?? 0, byteCount: file.map { UInt64($0.window.count) } ?? bar.byteCount,
        decodedByteCount: bar.byteCount, name: name)
    }
    return entries
  }

  /// Software may have given the function's bus another number, or its base address registers other addresses.
  func follow(_ configuration: ConfigurationSpace, at id: UInt16, _ entries: FunctionEntries) {
    update(entries.configuration, function: id, busAddress: 0)
    for bar in configuration.bars {
      update(entries.bars[bar.index], function: id, busAddress: configuration.address(of: bar))
    }
  }
}

/// A function that the machine shows to who reads its memory, but that is on no bus of it: it is served to another
/// machine.
final class ExposedFunction {
  let address: PCIAddress
  /// Its configuration space has moved into the machine's memory.
  private let function: any PCIFunction
  private let entries: FunctionEntries

  init(_ function: any PCIFunction, at address: PCIAddress, _ entries: FunctionEntries) {
    self.function = function
    self.address = address
    self.entries = entries
  }

  func isAt(_ device: UInt8, _ number: UInt8) -> Bool { address.device == device && address.function == number }

  func follow(in table: MachineTable) { table.follow(function.configuration, at: address.routingID, entries) }
}

extension PCIBus {
  /// Settles `function` at a free place of the root bus in the machine's memory and table, without putting it on the
  /// bus.
  func expose(
    _ function: any PCIFunction, at address: PCIAddress, name: String, registers: [Int: RegisterFile]
  ) throws(MachineError) {
    guard address.bus == 0 else { throw .badSlot(address, reason: "a served function has its place on bus 0") }
    let isReserved = exposed.contains { $0.address == address }
    guard root.slot(device: address.device, function: address.function) == nil, !isReserved else {
      throw .slotTaken(address)
    }
    guard !function.configuration.isSettled else {
      throw .badSlot(address, reason: "the function is already plugged in")
    }
    let place = table.configurationSlot(segment: root.ordinal, device: address.device, function: address.function)
    function.configuration.settle(in: place.window)
    let entries = try table.publish(
      function.configuration, at: address.routingID, place.offset, name: name, registers: registers)
    let shown = ExposedFunction(function, at: address, entries)
    exposed.append(shown)
    let table = table
    function.configuration.decodeChanged = { [weak shown] in shown?.follow(in: table) }
  }
}
