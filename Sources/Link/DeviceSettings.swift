// Values of ``DeviceDiagnostics``. The bits of the sets are those of linux/ethtool.h, where the names come from.

/// A driver, and where its device is.
public struct DriverInformation: Equatable, Sendable {
  /// At most 31 characters.
  public var name: String
  /// The device's place on its bus, for example `0000:00:03.0`; at most 31 characters.
  public var busAddress: String

  public init(name: String, busAddress: String) {
    self.name = name
    self.busAddress = busAddress
  }
}

/// Ways over which a link can run, and what is said with them (ETHTOOL_LINK_MODE_, the first 32).
public struct LinkModes: OptionSet, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public static let base10Half = Self(rawValue: 1 << 0)
  public static let base10Full = Self(rawValue: 1 << 1)
  public static let base100Half = Self(rawValue: 1 << 2)
  public static let base100Full = Self(rawValue: 1 << 3)
  public static let base1000Half = Self(rawValue: 1 << 4)
  public static let base1000Full = Self(rawValue: 1 << 5)
  /// Auto-negotiation.
  public static let negotiation = Self(rawValue: 1 << 6)
  /// The port is for twisted pairs.
  public static let twistedPair = Self(rawValue: 1 << 7)
}

/// Which pair of the cable sends (ETH_TP_MDI).
public enum PairCrossover: UInt8, Sendable {
  case unknown = 0
  case straight = 1
  case crossed = 2
  case automatic = 3
}

/// How a link is.
public struct LinkSettings: Equatable, Sendable {
  public var supported: LinkModes
  public var advertised: LinkModes
  /// Mbit/s; nil while there is no link.
  public var speed: UInt32?
  /// Nil while there is no link.
  public var isFullDuplex: Bool?
  public var negotiates: Bool
  /// As the cable is used.
  public var crossover: PairCrossover
  /// As was asked for: a ``PairCrossover``, or another number that was taken for ``PairCrossover/automatic``.
  public var crossoverControl: UInt8

  public init(
    supported: LinkModes, advertised: LinkModes, speed: UInt32?, isFullDuplex: Bool?, negotiates: Bool,
    crossover: PairCrossover, crossoverControl: UInt8
  ) {
    self.supported = supported
    self.advertised = advertised
    self.speed = speed
    self.isFullDuplex = isFullDuplex
    self.negotiates = negotiates
    self.crossover = crossover
    self.crossoverControl = crossoverControl
  }
}

/// How a link shall be.
public struct LinkRequest: Equatable, Sendable {
  public var negotiates: Bool
  /// With negotiation: what to offer.
  public var advertised: LinkModes
  /// Without: Mbit/s, and 0 for half, 1 for full duplex. Any other number is invalid.
  public var speed: UInt32
  public var duplex: UInt8
  /// As ``LinkSettings/crossoverControl``; 0 leaves it as it is.
  public var crossoverControl: UInt8

  public init(negotiates: Bool, advertised: LinkModes, speed: UInt32, duplex: UInt8, crossoverControl: UInt8) {
    self.negotiates = negotiates
    self.advertised = advertised
    self.speed = speed
    self.duplex = duplex
    self.crossoverControl = crossoverControl
  }
}

/// Flow control by pause frames (IEEE 802.3 31B).
public struct PauseParameters: Equatable, Sendable {
  /// What is in force is negotiated with the link.
  public var negotiates: Bool
  /// The device is silent when the other end asks for it.
  public var receives: Bool
  /// The device asks for silence when its buffer gets full.
  public var transmits: Bool

  public init(negotiates: Bool = false, receives: Bool = false, transmits: Bool = false) {
    self.negotiates = negotiates
    self.receives = receives
    self.transmits = transmits
  }
}

/// Descriptors of the rings.
public struct RingSizes: Equatable, Sendable {
  public var receive: Int
  public var transmit: Int
  public var receiveLimit: Int
  public var transmitLimit: Int

  public init(receive: Int, transmit: Int, receiveLimit: Int, transmitLimit: Int) {
    self.receive = receive
    self.transmit = transmit
    self.receiveLimit = receiveLimit
    self.transmitLimit = transmitLimit
  }
}

/// What wakes a sleeping system (WAKE_).
public struct WakeUpEvents: OptionSet, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The link changes.
  public static let link = Self(rawValue: 1)
  /// A frame for the station, for a group of it, for everybody.
  public static let unicast = Self(rawValue: 2)
  public static let multicast = Self(rawValue: 4)
  public static let broadcast = Self(rawValue: 8)
  /// A frame with the station's address sixteen times in it.
  public static let magicPacket = Self(rawValue: 0x20)
}

/// Registers of a device, in an order that the driver and a decoder agree on.
public struct RegisterDump: Equatable, Sendable {
  /// Which order, and of which device.
  public var version: UInt32
  public var words: [UInt32]

  public init(version: UInt32, words: [UInt32]) {
    self.version = version
    self.words = words
  }
}
