/// A transparent PCI-to-PCI bridge: a type-1 function with a bus behind it. Software numbers that bus and opens the
/// windows through which memory and I/O accesses reach it; DMA from behind it passes while its Bus Master
/// Enable bit is set, interrupts always. (PCI-to-PCI Bridge Architecture Specification 1.2)
public final class PCIBridge: PCIFunction {
  public let configuration: ConfigurationSpace
  /// The bus behind the bridge, once it is plugged in.
  public internal(set) var secondary: PCISegment?

  /// A bridge with the IDs of Intel's 82801 mobile PCI bridge.
  public init(vendor: UInt16 = 0x8086, device: UInt16 = 0x2448) {
    configuration = ConfigurationSpace(vendor: vendor, device: device, classCode: 0x060400, header: .bridge)
  }

  var secondaryNumber: UInt8 { UInt8(configuration.get(PCIRegister.secondaryBus, size: 1)) }
  var subordinateNumber: UInt8 { UInt8(configuration.get(PCIRegister.subordinateBus, size: 1)) }

  /// The ports it forwards (4 KiB granularity, 16 bits), nil while it forwards none.
  var ioWindow: ClosedRange<UInt64>? {
    let base = UInt64(configuration.get(PCIRegister.ioBase, size: 1) & 0xF0) << 8
    let limit = UInt64(configuration.get(PCIRegister.ioLimit, size: 1) & 0xF0) << 8 | 0xFFF
    return configuration.command.contains(.io) && base <= limit ? base...limit : nil
  }

  /// The addresses below 4 GiB it forwards (1 MiB granularity), nil while it forwards none.
  var memoryWindow: ClosedRange<UInt64>? {
    let base = UInt64(configuration.get(PCIRegister.memoryBase, size: 2) & 0xFFF0) << 16
    let limit = UInt64(configuration.get(PCIRegister.memoryLimit, size: 2) & 0xFFF0) << 16 | 0xF_FFFF
    return configuration.command.contains(.memory) && base <= limit ? base...limit : nil
  }

  /// The prefetchable addresses it forwards (1 MiB granularity, 64 bits), nil while it forwards none.
  var prefetchableWindow: ClosedRange<UInt64>? {
    let base =
      UInt64(configuration.get(PCIRegister.prefetchableBaseUpper, size: 4)) << 32
      | UInt64(configuration.get(PCIRegister.prefetchableBase, size: 2) & 0xFFF0) << 16
    let limit =
      UInt64(configuration.get(PCIRegister.prefetchableLimitUpper, size: 4)) << 32
      | UInt64(configuration.get(PCIRegister.prefetchableLimit, size: 2) & 0xFFF0) << 16 | 0xF_FFFF
    return configuration.command.contains(.memory) && base <= limit ? base...limit : nil
  }

  public func attached(to slot: any FunctionSlot) {}
  public func read(bar: Int, offset: Int, size: Int) -> UInt64 { allOnes(size) }
  public func write(bar: Int, offset: Int, size: Int, value: UInt64) {}
  public func configurationWritten(offset: Int, size: Int) {}
  public func reset() {}
}

/// The host bridge at 00:00.0: the function that a kernel finds first. It decodes nothing itself; the bus does.
public final class HostBridge: PCIFunction {
  public let configuration: ConfigurationSpace

  /// The IDs of Intel's 82G33 DRAM controller, host bridge of the Q35 family, whose chipset has ECAM.
  public init(vendor: UInt16 = 0x8086, device: UInt16 = 0x29C0) {
    configuration = ConfigurationSpace(vendor: vendor, device: device, classCode: 0x060000)
  }

  public func attached(to slot: any FunctionSlot) {}
  public func read(bar: Int, offset: Int, size: Int) -> UInt64 { allOnes(size) }
  public func write(bar: Int, offset: Int, size: Int, value: UInt64) {}
  public func configurationWritten(offset: Int, size: Int) {}
  public func reset() {}
}
