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

extension PCIAddress: Codable {
  /// The address in text, as `00:03.0` with hexadecimal bus and device; nil for anything else.
  public init?(_ text: some StringProtocol) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2 else { return nil }
    let rest = parts[1].split(separator: ".", omittingEmptySubsequences: false)
    guard rest.count == 2, let bus = UInt8(parts[0], radix: 16), let device = UInt8(rest[0], radix: 16), device < 32,
      let function = UInt8(rest[1], radix: 8), function < 8
    else { return nil }
    self.init(bus: bus, device: device, function: function)
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let address = PCIAddress(text) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a PCI address: \(text)")
    }
    self = address
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
