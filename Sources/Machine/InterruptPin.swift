/// The INTx pin of a function: the level that the function gives it, and what of that leaves the device past the
/// command register's Interrupt Disable bit (PCI Local Bus Specification 3.0, 6.2.2 and 6.2.3).
public struct InterruptPin: Sendable {
  /// What the function says.
  public private(set) var isAsserted = false
  /// What the outside sees.
  public private(set) var isDriving = false

  public init() {}

  /// The function sets the level, which the status register shows. True if the outside sees a change.
  public mutating func set(_ asserted: Bool, in configuration: ConfigurationSpace) -> Bool {
    isAsserted = asserted
    configuration.setInterruptStatus(asserted)
    return follow(configuration)
  }

  /// The command register may have changed. True if the outside sees a change.
  public mutating func follow(_ configuration: ConfigurationSpace) -> Bool {
    let drives = isAsserted && !configuration.command.contains(.interruptDisable)
    defer { isDriving = drives }
    return drives != isDriving
  }
}
