/// The flags of an interface (netdevice(7), SIOCGIFFLAGS).
public struct InterfaceFlags: OptionSet, Sendable {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  public static let up = Self(rawValue: 0x0001)
  public static let broadcast = Self(rawValue: 0x0002)
  public static let debug = Self(rawValue: 0x0004)
  public static let loopback = Self(rawValue: 0x0008)
  public static let noTrailers = Self(rawValue: 0x0020)
  public static let running = Self(rawValue: 0x0040)
  public static let noARP = Self(rawValue: 0x0080)
  public static let promiscuous = Self(rawValue: 0x0100)
  public static let allMulticast = Self(rawValue: 0x0200)
  public static let multicast = Self(rawValue: 0x1000)
  public static let portSelect = Self(rawValue: 0x2000)
  public static let autoMedia = Self(rawValue: 0x4000)
  public static let dynamic = Self(rawValue: 0x8000)

  /// Those that a user sets, besides ``up``; the others say what the interface is.
  static let settable: Self = [
    .debug, .noTrailers, .noARP, .promiscuous, .allMulticast, .multicast, .portSelect, .autoMedia, .dynamic,
  ]
}

/// Offloads that Linux does in software where the device does not (ethtool(8), `-K`). They are kept for who asks: here
/// segments are cut by the device or by the connection itself.
public struct InterfaceFeatures: OptionSet, Sendable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// TSO
  public static let segmentation = Self(rawValue: 1)
  /// GSO
  public static let genericSegmentation = Self(rawValue: 2)
  /// GRO
  public static let genericReceive = Self(rawValue: 4)
}
