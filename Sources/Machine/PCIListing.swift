extension PCIDevice {
  /// The function in the manner of `lspci -nn -vv`: a line of what it is, then a tab-indented line for each fact.
  public var listing: String {
    func hex(_ value: some BinaryInteger, _ digits: Int) -> String { PCINames.hex(value, digits) }
    let classNumber = UInt16(truncatingIfNeeded: classCode >> 8)
    var first =
      "\(address) \(PCINames.deviceClass(classNumber)) [\(hex(classNumber, 4))]: \(PCINames.vendor(vendorID)) "
      + "\(PCINames.device(vendorID, deviceID)) [\(hex(vendorID, 4)):\(hex(deviceID, 4))]"
    if revision != 0 { first += " (rev \(hex(revision, 2)))" }
    var lines = [first]
    if headerType == 0, subsystemVendorID != 0 || subsystemID != 0 {
      lines.append(
        "Subsystem: \(PCINames.vendor(subsystemVendorID)) Device [\(hex(subsystemVendorID, 4)):\(hex(subsystemID, 4))]")
    }
    lines.append("Control: " + commandFlags)
    lines.append("Status: " + statusFlags)
    if interruptPin != 0 {
      let letter = interruptPin <= 4 ? String(UnicodeScalar(0x40 + interruptPin)) : "?"
      lines.append("Interrupt: pin \(letter) routed to IRQ \(interruptLine)")
    }
    lines += resources.map(\.listing)
    if let bridge { lines += bridge.listing }
    lines += capabilities.map { "Capabilities: [\(hex($0.offset, 2))] \($0.summary)" }
    if capabilityListIsBroken { lines.append("Capabilities: <chain broken>") }
    return lines.joined(separator: "\n\t")
  }

  /// Bits of the command register as `lspci` words them.
  public var commandFlags: String {
    let names: [(Int, String)] = [
      (0, "I/O"), (1, "Mem"), (2, "BusMaster"), (3, "SpecCycle"), (4, "MemWINV"), (5, "VGASnoop"), (6, "ParErr"),
      (7, "Stepping"), (8, "SERR"), (9, "FastB2B"), (10, "DisINTx"),
    ]
    return names.map { "\($1)\(command >> UInt16($0) & 1 == 1 ? "+" : "-")" }.joined(separator: " ")
  }

  /// Bits of the status register as `lspci` words them.
  public var statusFlags: String {
    func sign(_ bit: UInt16) -> String { status >> bit & 1 == 1 ? "+" : "-" }
    let speeds = ["fast", "medium", "slow", "??"]
    return
      "Cap\(sign(4)) 66MHz\(sign(5)) UDF\(sign(6)) FastB2B\(sign(7)) ParErr\(sign(8)) "
      + "DEVSEL=\(speeds[Int(status >> 9 & 3)]) >TAbort\(sign(11)) <TAbort\(sign(12)) <MAbort\(sign(13)) "
      + ">SERR\(sign(14)) <PERR\(sign(15)) INTx\(sign(3))"
  }
}

extension PCIResource {
  var listing: String {
    let place = address == 0 ? "<unassigned>" : PCINames.hex(address, kind == .io ? 4 : 8)
    let disabled = isEnabled ? "" : " [disabled]"
    let size = byteCount.map { " [size=\(Self.words($0))]" } ?? ""
    let prefetch = isPrefetchable ? "prefetchable" : "non-prefetchable"
    return switch kind {
    case .io: "Region \(index): I/O ports at \(place)\(disabled)\(size)"
    case .memory32: "Region \(index): Memory at \(place) (32-bit, \(prefetch))\(disabled)\(size)"
    case .memory64: "Region \(index): Memory at \(place) (64-bit, \(prefetch))\(disabled)\(size)"
    case .rom: "Expansion ROM at \(place)\(disabled)\(size)"
    }
  }

  /// A size in the largest unit that divides it.
  static func words(_ byteCount: UInt64) -> String {
    var count = byteCount
    for unit in ["", "K", "M", "G", "T"] {
      if count < 1024 || count % 1024 != 0 { return "\(count)\(unit)" }
      count /= 1024
    }
    return "\(count)P"
  }
}

extension PCIBridgeRouting {
  var listing: [String] {
    func hex(_ value: some BinaryInteger, _ digits: Int) -> String { PCINames.hex(value, digits) }
    func line(_ name: String, _ window: Window?, _ digits: Int) -> String {
      guard let window else { return "\(name) behind bridge: [disabled]" }
      let size = PCIResource.words(window.last - window.first &+ 1)
      return "\(name) behind bridge: \(hex(window.first, digits))-\(hex(window.last, digits)) [size=\(size)]"
    }
    return [
      "Bus: primary=\(hex(primary, 2)), secondary=\(hex(secondary, 2)), subordinate=\(hex(subordinate, 2))",
      line("I/O", io, 4), line("Memory", memory, 8), line("Prefetchable memory", prefetchable, 16),
    ]
  }
}

extension Sequence<PCIDevice> {
  /// All functions in the manner of `lspci -nn -vv`, an empty line between them.
  public var listing: String { map(\.listing).joined(separator: "\n\n") }
}
