import EventLoop
import Link
import Memory
import Packets

/// The way from one local address to one destination: what a flow looks up once and keeps (Linux's `dst` entry).
///
/// It holds the Ethernet and IPv4 headers as a template of five machine words, so that a datagram costs one look-up of
/// nothing: reserve a device buffer, write the transport header and payload into it, submit.
public final class Path {
  public let source: IPAddress
  public let destination: IPAddress
  public let interface: NetworkInterface
  /// Largest datagram of the way, in bytes.
  public var mtu: Int
  /// What the route says of connections.
  let limits: Route.Limits
  /// What the device does to frames by itself.
  public let features: DeviceFeatures
  /// Who gets the frames: the destination itself or a router.
  public let nextHop: IPv4Address
  /// True if the destination is a broadcast address.
  public let isBroadcast: Bool

  private let routes: RoutingTable
  private var generation: UInt64
  private let ip: IPv4Layer
  let loop: any EventLoop
  private var neighbour: Neighbour?
  /// Version of the neighbour entry whose hardware address is in the template; 0: none. Paths that need no neighbour
  /// keep 0 here and nil above.
  private var neighbourVersion: UInt32 = 0
  private let needsNeighbour: Bool
  private var identification: UInt16

  // The template in memory order: octets 0-7 and 8-15 of the frame (Ethernet header, version, TOS), 24-33 (checksum,
  // addresses).
  private var head: UInt64
  private let middle: UInt64
  let sourceWord: UInt32
  let destinationWord: UInt32
  /// Sum of the header's constant words, in the checksum's own unit.
  private let constantSum: UInt32
  private let addressSum: InternetChecksum

  /// The options of every datagram's header (IP_OPTIONS); nil: none.
  let headerOptions: IPv4HeaderOptions?
  /// Octets in front of the transport header: ``plainHeaderLength`` but for datagrams with options.
  let headerLength: Int
  static let plainHeaderLength = EthernetField.headerLength + IPv4Field.minimumLength

  init(
    stack: NetworkStack, interface: NetworkInterface, source: IPv4Address, destination: IPv4Address,
    nextHop: IPv4Address, station: MACAddress?, mtu: Int, isBroadcast: Bool, headerOptions: IPv4HeaderOptions? = nil,
    final: IPv4Address? = nil, limits: Route.Limits = .init()
  ) {
    self.source = IPAddress(source)
    self.destination = IPAddress(final ?? destination)
    self.headerOptions = headerOptions
    headerLength = Path.plainHeaderLength + (headerOptions?.bytes.count ?? 0)
    self.interface = interface
    self.nextHop = nextHop
    self.isBroadcast = isBroadcast
    self.mtu = mtu
    self.limits = limits
    // Devices fill in and cut up what has a plain header only.
    features =
      headerOptions == nil ? interface.device.features : interface.device.features.intersection([.trusted])
    routes = stack.routes
    generation = stack.routes.generation
    ip = stack.ip
    loop = stack.loop
    needsNeighbour = station == nil
    identification = UInt16(truncatingIfNeeded: stack.random.next())
    let from = interface.hardwareAddress.rawValue
    head = (station ?? .zero).rawValue << 16 | from >> 32
    middle = (from & 0xFFFF_FFFF) << 32 | UInt64(EtherType.ipv4.rawValue) << 16 | 0x4500
    sourceWord = source.rawValue
    destinationWord = destination.rawValue
    constantSum =
      0x4500 + source.rawValue >> 16 + source.rawValue & 0xFFFF + destination.rawValue >> 16 + destination.rawValue
      & 0xFFFF
    addressSum = InternetChecksum(
      source: source, destination: final ?? destination, protocol: IPProtocol(rawValue: 0), length: 0)
  }

  /// False after routes, addresses or the interface's state changed: look the path up again.
  public var isValid: Bool {
    @inline(__always) get { generation == routes.generation }
  }

  /// The path is to be looked up again, whatever the routes say.
  func invalidate() { generation = .max }

  /// The Ethernet header of what comes back on this path.
  var frameHeaderOfAnswers: [UInt8] {
    let (own, other) = (interface.hardwareAddress.rawValue, head >> 16)
    let octets = [own, other].flatMap { address in
      stride(from: 40, through: 0, by: -8).map { UInt8(truncatingIfNeeded: address >> UInt64($0)) }
    }
    return octets + [0x08, 0x00]
  }

  /// Room for a transport header and payload of `transportLength` bytes. Nil: the device's ring is full; the layer is
  /// told by `transmitReady` when that has changed.
  @inline(__always)
  public func reserve(transportLength: Int) -> DatagramBuffer? {
    guard let frame = interface.reserve(capacity: headerLength &+ transportLength) else { return nil }
    let room = frame.window.count &- headerLength
    return DatagramBuffer(window: frame.window.slice(headerLength, room), frame: frame)
  }

  /// Gives a buffer back unused.
  public func cancel(_ buffer: DatagramBuffer) { interface.discard(buffer.frame) }

  /// The sum of the pseudo header for `length` bytes of transport header and payload.
  @inline(__always)
  public func pseudoHeaderSum(_ protocol: IPProtocol, length: Int) -> InternetChecksum {
    var sum = addressSum
    sum.add(UInt32(truncatingIfNeeded: length) &+ UInt32(`protocol`.rawValue))
    return sum
  }

  /// Progress of the transport proves that the neighbour is reachable (RFC 4861 7.3.1).
  public func confirmReachability() {
    if let neighbour { neighbour.confirmed = loop.now }
  }

  /// Sends the first `transportLength` bytes of a buffer as one datagram (or as one large segment for the device to cut
  /// up), behind Ethernet and IPv4 headers.
  public func submit(
    _ buffer: DatagramBuffer, transportLength: Int, protocol: IPProtocol, offload: SegmentOffload, tos: UInt8 = 0,
    ttl: UInt8 = 64, dontFragment: Bool = true
  ) {
    identification &+= 1
    let id = dontFragment ? identification : ip.identifications.next(sourceWord, destinationWord, `protocol`)
    submit(
      buffer, transportLength: transportLength, protocol: `protocol`, offload: offload, tos: tos, ttl: ttl,
      identification: id, fragment: dontFragment ? 0x4000 : 0)
  }

  /// The same with an identification and a fragment field of the caller's.
  @inline(__always)
  func submit(
    _ buffer: DatagramBuffer, transportLength: Int, protocol: IPProtocol, offload: SegmentOffload, tos: UInt8,
    ttl: UInt8, identification: UInt16, fragment: UInt16
  ) {
    var deviceOffload = TransmitOffload.none
    if let field = offload.checksumOffset {
      let isSegmented = offload.segmentSize > 0
      var sum = pseudoHeaderSum(`protocol`, length: isSegmented ? 0 : transportLength)
      if features.contains(.trusted) {
        buffer.window.storeBigEndian(sum.folded, field)
      } else if features.contains(.transmitChecksum) {
        buffer.window.storeBigEndian(sum.folded, field)
        deviceOffload = TransmitOffload(
          insertsTransportChecksum: true, isTCP: offload.isTCP,
          transportHeaderLength: UInt8(truncatingIfNeeded: offload.transportHeaderLength),
          segmentSize: UInt16(truncatingIfNeeded: offload.segmentSize))
      } else {
        buffer.window.store(UInt16(0), field)
        sum.add(buffer.window.bytes(0, transportLength))
        buffer.window.storeBigEndian(sum.transportChecksum, field)
      }
    }
    if headerLength != Path.plainHeaderLength {
      return submitWithOptions(
        buffer, transportLength, `protocol`, tos: tos, ttl: ttl, identification: identification, fragment: fragment)
    }
    let total = offload.segmentSize > 0 ? 0 : UInt64(truncatingIfNeeded: IPv4Field.minimumLength &+ transportLength)
    // Octets 16-23: total length, identification, flags and offset, TTL, protocol.
    let variable =
      total << 48 | UInt64(identification) << 32 | UInt64(fragment) << 16 | UInt64(ttl) << 8
      | UInt64(`protocol`.rawValue)
    var sum = UInt64(constantSum) &+ UInt64(tos) &+ variable >> 48 &+ (variable >> 32) & 0xFFFF
    sum &+= (variable >> 16) & 0xFFFF &+ variable & 0xFFFF
    sum = sum & 0xFFFF &+ sum >> 16
    sum = sum & 0xFFFF &+ sum >> 16
    let checksum = offload.segmentSize > 0 ? 0 : UInt64(~UInt16(truncatingIfNeeded: sum))
    let usable = !needsNeighbour || refreshNeighbour()
    let frame = buffer.frame.window
    frame.storeBigEndian(head, 0)
    frame.storeBigEndian(middle | UInt64(tos), 8)
    frame.storeBigEndian(variable, 16)
    frame.storeBigEndian(checksum << 48 | UInt64(sourceWord) << 16 | UInt64(destinationWord >> 16), 24)
    frame.storeBigEndian(UInt16(truncatingIfNeeded: destinationWord), 32)
    ip.countSent()
    dispatch(buffer.frame, length: Path.plainHeaderLength &+ transportLength, offload: deviceOffload, usable: usable)
  }

  /// Room for a whole datagram of `length` bytes, IPv4 header included; nil: the device is busy.
  func reserveWhole(length: Int) -> DatagramBuffer? {
    let header = EthernetField.headerLength
    guard let frame = interface.reserve(capacity: header + length) else { return nil }
    return DatagramBuffer(window: frame.window.slice(header, frame.window.count - header), frame: frame)
  }

  /// Sends a datagram whose IPv4 header the caller has written; one that is forwarded does not count as this host's.
  func submitWhole(_ buffer: DatagramBuffer, length: Int, isForwarded: Bool = false) {
    let usable = !needsNeighbour || refreshNeighbour()
    buffer.frame.window.storeBigEndian(head, 0)
    buffer.frame.window.storeBigEndian(UInt32(truncatingIfNeeded: middle >> 32), 8)
    buffer.frame.window.storeBigEndian(EtherType.ipv4.rawValue, EthernetField.etherType)
    if !isForwarded { ip.countSent() }
    dispatch(buffer.frame, length: EthernetField.headerLength + length, offload: .none, usable: usable)
  }

  @inline(__always)
  private func dispatch(_ frame: TransmitBuffer, length: Int, offload: TransmitOffload, usable: Bool) {
    if usable {
      interface.send(frame, length: length, offload: offload)
    } else {
      hold(WaitingFrame(buffer: frame, length: length, offload: offload))
    }
  }

  /// True if the template holds the neighbour's address: one comparison while nothing happened to the entry.
  @inline(__always)
  private func refreshNeighbour() -> Bool {
    if let neighbour, neighbour.version == neighbourVersion { return true }
    return resolveNeighbour()
  }

  @inline(never)
  private func resolveNeighbour() -> Bool {
    if neighbour == nil || neighbour!.isEvicted { neighbour = interface.neighbours.entry(for: nextHop) }
    guard let neighbour, neighbour.prepareForUse() else { return false }
    neighbourVersion = neighbour.version
    head = neighbour.hardwareAddress.rawValue << 16 | head & 0xFFFF
    return true
  }

  private func hold(_ frame: WaitingFrame) {
    if let neighbour, !neighbour.isEvicted {
      interface.neighbours.wait(frame, for: neighbour)
    } else {
      interface.discard(frame.buffer)
    }
  }
}
