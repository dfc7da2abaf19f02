import EventLoop
import Events
import IntelNIC
import Machine

/// Which driver takes which PCI function: the ID table that a bus scan is matched against.
public struct DriverTable: Sendable {
  /// The drivers of this module.
  public enum Driver: Sendable, Equatable {
    /// ``E1000Driver``
    case e1000
    /// The controller is known, but has no driver here.
    case none
  }

  /// One row: an ID pair, what it is called, what drives it.
  public struct Entry: Sendable, Equatable {
    public let vendor: UInt16
    public let device: UInt16
    public let name: String
    public let driver: Driver

    public init(vendor: UInt16, device: UInt16, name: String, driver: Driver) {
      self.vendor = vendor
      self.device = device
      self.name = name
      self.driver = driver
    }
  }

  public let entries: [Entry]

  public init(entries: [Entry]) { self.entries = entries }

  /// The controllers that ``IntelController`` describes and this module has heard of.
  public static let standard = DriverTable(entries: [
    Entry(.i82540EM, .e1000),
    Entry(.i82545EM, .e1000),
    Entry(.i82574L, .none),
  ])

  /// The row of an ID pair, or nil.
  public func entry(vendor: UInt16, device: UInt16) -> Entry? {
    entries.first { $0.vendor == vendor && $0.device == device }
  }

  /// Reads the function's IDs and hands it to its driver, which resets it and reads its hardware address. The driver
  /// then waits for ``E1000Driver/start()``.
  ///
  /// - Throws: ``DriverError/functionAbsent``, ``DriverError/unsupported(vendor:device:)``,
  ///   ``DriverError/notYetDriven(device:name:)``, or what the driver's initialiser throws.
  public func probe(
    _ function: any FunctionHandle, on loop: any EventLoop, tap: EventTap,
    configuration: E1000Configuration = E1000Configuration()
  ) throws(DriverError) -> E1000Driver {
    let vendor = UInt16(truncatingIfNeeded: function.readConfiguration(PCIHeader.vendorID, size: 2))
    let device = UInt16(truncatingIfNeeded: function.readConfiguration(PCIHeader.deviceID, size: 2))
    guard vendor != .max else { throw .functionAbsent }
    guard let entry = entry(vendor: vendor, device: device) else {
      throw .unsupported(vendor: vendor, device: device)
    }
    switch entry.driver {
    case .e1000: return try E1000Driver(function, on: loop, tap: tap, configuration: configuration)
    case .none: throw .notYetDriven(device: device, name: entry.name)
    }
  }
}

extension DriverTable.Entry {
  fileprivate init(_ controller: IntelController, _ driver: DriverTable.Driver) {
    self.init(
      vendor: IntelPCI.vendor, device: controller.rawValue, name: controller.description, driver: driver)
  }
}
