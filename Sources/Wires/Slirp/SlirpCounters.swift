/// What a ``SlirpWire`` has done so far.
public struct SlirpCounters: Sendable, Equatable {
  /// Frames from the port that went into libslirp, and their bytes; what fragments make up is one frame.
  public var sent: UInt64 = 0
  public var sentBytes: UInt64 = 0
  /// Frames of libslirp that the port took, and their bytes.
  public var delivered: UInt64 = 0
  public var deliveredBytes: UInt64 = 0
  /// Frames of libslirp that were copied into the queue first.
  public var queued: UInt64 = 0
  /// Frames of libslirp that were lost because the queue was full.
  public var dropped: UInt64 = 0
  /// Times the port had no room.
  public var refusedByPort: UInt64 = 0
  /// Times the sockets were no longer read because frames waited for the port.
  public var pauses: UInt64 = 0
  /// Frames of the port that waited for their turn: short ones, and those sent from inside a delivery.
  public var nested: UInt64 = 0
  /// Fragments of IPv4 that were put together, or wait for others of their datagram.
  public var fragments: UInt64 = 0
  /// Datagrams of which a piece never came, or that had to make room for others.
  public var abandonedDatagrams: UInt64 = 0
  /// Frames of the port that were kept from libslirp.
  public var refused = SlirpRefusals()
  /// Calls into libslirp: sockets looked at, sockets listed, and timer ticks.
  public var polls: UInt64 = 0
  public var fills: UInt64 = 0
  public var ticks: UInt64 = 0
  /// Changes of what the loop watches.
  public var watchChanges: UInt64 = 0
  /// Times libslirp complained of the guest.
  public var guestErrors: UInt64 = 0
  public init() {}
}

/// Frames that did not go into libslirp because they were not well formed, by what was wrong with them.
public struct SlirpRefusals: Sendable, Equatable {
  /// Shorter than an Ethernet header.
  public var length: UInt64 = 0
  /// Neither ARP nor IP: libslirp has no answer.
  public var ignoredType: UInt64 = 0
  /// NC-SI, which talks to a network controller, not to a network.
  public var management: UInt64 = 0
  public var arp: UInt64 = 0
  public var ipv4: UInt64 = 0
  /// Fragments of impossible size or place, or that overlap others.
  public var fragment: UInt64 = 0
  /// IPv6 packets of wrong length, or with extension headers.
  public var ipv6: UInt64 = 0
  public var icmp: UInt64 = 0
  /// UDP of wrong length or with port 0.
  public var udp: UInt64 = 0
  public var tcp: UInt64 = 0
  /// TCP whose urgent pointer lies outside the segment.
  public var urgent: UInt64 = 0
  public var dhcp: UInt64 = 0
  public var tftp: UInt64 = 0
  public init() {}

  public var total: UInt64 {
    length + ignoredType + management + arp + ipv4 + fragment + ipv6 + icmp + udp + tcp + urgent + dhcp + tftp
  }

  mutating func count(_ fault: GuestFrameFault) {
    switch fault {
    case .length: length &+= 1
    case .ignoredType: ignoredType &+= 1
    case .management: management &+= 1
    case .arp: arp &+= 1
    case .ipv4: ipv4 &+= 1
    case .fragment: fragment &+= 1
    case .ipv6: ipv6 &+= 1
    case .icmp: icmp &+= 1
    case .udp: udp &+= 1
    case .tcp: tcp &+= 1
    case .urgent: urgent &+= 1
    case .dhcp: dhcp &+= 1
    case .tftp: tftp &+= 1
    }
  }
}
