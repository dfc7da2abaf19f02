extension PCIScan {
  /// The rest of a window, given out from the bottom up.
  private struct Supply {
    var next: UInt64
    let last: UInt64

    init(_ window: ClosedRange<UInt64>) {
      next = window.lowerBound
      last = window.upperBound
    }

    /// Moves up to a multiple of `alignment`, a power of two.
    mutating func align(to alignment: UInt64) {
      let (sum, overflow) = next.addingReportingOverflow(alignment - 1)
      next = overflow ? .max : sum & ~(alignment - 1)
    }

    mutating func take(_ byteCount: UInt64) -> UInt64? {
      var trial = self
      trial.align(to: byteCount)
      guard trial.next <= last, byteCount - 1 <= last - trial.next else { return nil }
      let start = trial.next
      let (sum, overflow) = start.addingReportingOverflow(byteCount)
      next = overflow ? .max : sum
      return start
    }
  }

  /// Gives addresses to every base address register and opens the bridges' windows.
  mutating func assignResources() {
    var members: [UInt8: [Int]] = [:]
    for (index, function) in found.enumerated() { members[function.address.bus, default: []].append(index) }
    var memory = Supply(windows.memory)
    var io = Supply(windows.io)
    assign(bus: 0, members, &memory, &io)
    for index in found.indices { finish(index) }
  }

  /// Functions of the bus first, largest registers first, then the bridges and what is behind them. Every bus number
  /// was given to one bridge, deeper than its own bus, so the recursion ends.
  private mutating func assign(bus: UInt8, _ members: [UInt8: [Int]], _ memory: inout Supply, _ io: inout Supply) {
    let functions = members[bus] ?? []
    let wanted = functions.flatMap { index in found[index].bars.map { (index, $0) } }
      .sorted { $0.1.byteCount > $1.1.byteCount }
    for (index, bar) in wanted {
      let address = found[index].address
      guard let start = bar.isIO ? io.take(bar.byteCount) : memory.take(bar.byteCount) else {
        issues.append(.noAddressSpace(address, bar: bar.index, byteCount: bar.byteCount))
        // A ROM without address is no reason not to answer to the rest.
        if bar.isIO {
          found[index].unassigned.io = true
        } else if bar.index != BaseAddressRegister.romIndex {
          found[index].unassigned.memory = true
        }
        continue
      }
      write(address, bar.offset, 4, UInt32(truncatingIfNeeded: start))
      if bar.is64Bit { write(address, bar.offset + 4, 4, UInt32(truncatingIfNeeded: start >> 32)) }
    }
    for index in functions where found[index].secondary != 0 {
      let address = found[index].address
      memory.align(to: 1 << 20)
      io.align(to: 1 << 12)
      let starts = (memory: memory.next, io: io.next)
      assign(bus: found[index].secondary, members, &memory, &io)
      memory.align(to: 1 << 20)
      io.align(to: 1 << 12)
      // A window whose base is above its limit is closed.
      var (base, limit) = (UInt32(0xFFF0), UInt32(0))
      if memory.next > starts.memory {
        base = UInt32(truncatingIfNeeded: starts.memory >> 16) & 0xFFF0
        limit = UInt32(truncatingIfNeeded: (memory.next - 1) >> 16) & 0xFFF0
      }
      write(address, PCIRegister.memoryBase, 4, limit << 16 | base)
      (base, limit) = (0xF0, 0)
      if io.next > starts.io {
        base = UInt32(truncatingIfNeeded: starts.io >> 8) & 0xF0
        limit = UInt32(truncatingIfNeeded: (io.next - 1) >> 8) & 0xF0
      }
      write(address, PCIRegister.ioBase, 2, limit << 8 | base)
      write(address, PCIRegister.prefetchableBase, 4, 0x0000_FFF0)
      write(address, PCIRegister.prefetchableBaseUpper, 4, 0)
      write(address, PCIRegister.prefetchableLimitUpper, 4, 0)
    }
  }

  private mutating func finish(_ index: Int) {
    let function = found[index]
    var command = PCICommand(rawValue: UInt16(truncatingIfNeeded: read(function.address, PCIRegister.command, 2)))
    if function.isBridge {
      if function.secondary != 0 { command.formUnion([.io, .memory, .busMaster]) }
    } else {
      if function.bars.contains(where: \.isIO), !function.unassigned.io { command.insert(.io) }
      if function.bars.contains(where: { !$0.isIO }), !function.unassigned.memory { command.insert(.memory) }
    }
    write(function.address, PCIRegister.command, 2, UInt32(command.rawValue))

    let pin = read(function.address, PCIRegister.interruptPin, 1)
    guard pin != 0 else { return }
    guard pin <= 4 else {
      issues.append(.unknownInterruptPin(function.address, pin: UInt8(truncatingIfNeeded: pin)))
      return
    }
    guard windows.interruptLines.count == 4 else { return }
    let line = windows.interruptLines[(Int(pin) - 1 + Int(function.address.device) + function.swizzle) % 4]
    write(function.address, PCIRegister.interruptLine, 1, UInt32(truncatingIfNeeded: line))
  }
}

/// What a bus scan found.
public struct PCIScanResult: Sendable, Equatable {
  /// In the order of finding: a bus's functions, then what is behind its bridges.
  public let devices: [PCIDevice]
  /// What the scan could not make sense of, or had no room for.
  public let issues: [PCIScanIssue]
}

/// Something wrong with a function that a bus scan met.
public enum PCIScanIssue: Error, Sendable, Hashable, CustomStringConvertible {
  case unknownHeader(PCIAddress, type: UInt8)
  /// The bits that a base address register lets software write are no power of two, or its type is reserved.
  case unusableBAR(PCIAddress, bar: Int, mask: UInt64)
  case noAddressSpace(PCIAddress, bar: Int, byteCount: UInt64)
  case unknownInterruptPin(PCIAddress, pin: UInt8)
  /// The capability list comes back to a place where it has been.
  case capabilityLoop(PCIAddress, offset: Int)
  /// The capability list leads into the header.
  case capabilityInHeader(PCIAddress, offset: Int)
  case bridgeKeepsNoNumbers(PCIAddress)
  /// More bridges in a row than a machine has, or one that shows itself behind itself.
  case bridgesTooDeep(PCIAddress, limit: Int)
  case noBusNumbers(PCIAddress)
  case tooManyFunctions(limit: Int)

  public var description: String {
    func hex(_ value: some BinaryInteger) -> String { "0x" + String(value, radix: 16) }
    return switch self {
    case .unknownHeader(let address, let type): "\(address): header type \(hex(type)) is unknown"
    case .unusableBAR(let address, let bar, let mask):
      "\(address): BAR \(bar) cannot be sized (it keeps \(hex(mask)) of all ones)"
    case .noAddressSpace(let address, let bar, let byteCount):
      "\(address): no room for the \(byteCount) bytes of BAR \(bar)"
    case .unknownInterruptPin(let address, let pin): "\(address): interrupt pin \(pin) does not exist"
    case .capabilityLoop(let address, let offset): "\(address): the capability list loops at \(hex(offset))"
    case .capabilityInHeader(let address, let offset): "\(address): a capability lies in the header at \(hex(offset))"
    case .bridgeKeepsNoNumbers(let address): "\(address): the bridge does not keep its bus numbers"
    case .bridgesTooDeep(let address, let limit): "\(address): more than \(limit) bridges in a row, or a loop"
    case .noBusNumbers(let address): "\(address): no bus number is left for what is behind it"
    case .tooManyFunctions(let limit): "more than \(limit) functions"
    }
  }
}
