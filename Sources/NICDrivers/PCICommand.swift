import Machine

/// The type-0 configuration header as a driver uses it (PCI 3.0 section 6.1).
enum PCIHeader {
  static let vendorID = 0x00
  static let deviceID = 0x02
  static let command = 0x04
  static let status = 0x06
  static let revision = 0x08
}

/// The command register of a function (PCI 3.0 section 6.2.2).
struct PCICommand: OptionSet {
  let rawValue: UInt32

  static let memorySpace = PCICommand(rawValue: 1 << 1)
  static let busMaster = PCICommand(rawValue: 1 << 2)
  static let interruptDisable = PCICommand(rawValue: 1 << 10)
}

extension FunctionHandle {
  /// The command register.
  var command: PCICommand {
    get { PCICommand(rawValue: readConfiguration(PCIHeader.command, size: 2)) }
    set { writeConfiguration(PCIHeader.command, size: 2, value: newValue.rawValue) }
  }
}
