/// Where a function sits: bus, device and function number, as in `00:03.0`.
public struct PCIAddress: Hashable, Sendable, Comparable, CustomStringConvertible {
  public let bus: UInt8
  /// 0...31.
  public let device: UInt8
  /// 0...7.
  public let function: UInt8

  public init(bus: UInt8, device: UInt8, function: UInt8) {
    precondition(device < 32 && function < 8)
    self.bus = bus
    self.device = device
    self.function = function
  }

  /// The address with the given ``routingID``.
  public init(routingID: UInt16) {
    bus = UInt8(routingID >> 8)
    device = UInt8(routingID >> 3 & 31)
    function = UInt8(routingID & 7)
  }

  /// Bus, device and function in one number, as ECAM and DMA requester IDs use it.
  public var routingID: UInt16 { UInt16(bus) << 8 | UInt16(device) << 3 | UInt16(function) }

  public static func < (a: PCIAddress, b: PCIAddress) -> Bool { a.routingID < b.routingID }

  public var description: String {
    func hex(_ n: UInt8) -> String { (n < 16 ? "0" : "") + String(n, radix: 16) }
    return "\(hex(bus)):\(hex(device)).\(function)"
  }
}
