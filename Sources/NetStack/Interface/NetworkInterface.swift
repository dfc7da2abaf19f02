import EventLoop
import Events
import Link
import Memory
import Packets

/// An interface of the stack: a device, its addresses, and Ethernet on both sides of it.
///
/// Received frames are handled to completion in ``received(_:_:)``. Sent frames lie in the device's buffers from the
/// start; the doorbell is rung once for all frames of a receive batch or of a turn of the loop.
public final class NetworkInterface {
  public let device: any NetworkDevice
  /// 1 for `lo`, then in order of attachment.
  public let index: Int
  /// True for `lo`: every frame sent comes back.
  public let isLoopback: Bool
  let tap: EventTap
  unowned let stack: NetworkStack
  private let ip: IPv4Layer
  let tcp: TCPLayer
  public internal(set) var name: String
  /// The station address that frames leave with and must be for: the device's own at first.
  public internal(set) var hardwareAddress: MACAddress {
    get { station }
    set { station = newValue }
  }
  // Not public: every frame asks for it.
  private var station: MACAddress
  /// Where frames for everybody go.
  public internal(set) var hardwareBroadcast = MACAddress.broadcast
  public private(set) var neighbours: NeighbourCache!
  private(set) var arp: ARP!
  private var flush: DeferredWork!
  private var hasUnannouncedFrames = false
  private var counts = InterfaceCounters()

  /// Addresses of the interface with their networks; the first one is the primary.
  public internal(set) var addresses: [InterfaceAddress] = []
  /// The primary address as a number, 0 if there is none: the first thing that received datagrams are compared with.
  var primaryAddress: UInt32 = 0
  /// The last source address that was found possible for a unicast datagram, 0 if there is none: the next datagram
  /// mostly has the same. Forgotten when any address of the host changes.
  var acceptedSource: UInt32 = 0
  /// Largest datagram in bytes: the device's, or less if DHCP or the user said so.
  public internal(set) var mtu: Int
  /// The MTU as it was set. `lo` takes any number, though no datagram there is longer than 65,536 bytes, and none can
  /// be when it is below 68 (RFC 791): the interface has no IPv4 then.
  public internal(set) var linkMTU: Int
  var enabled = true
  /// Set by the user; an interface that is down neither sends nor receives.
  public var isEnabled: Bool { enabled }
  /// True if it is enabled and has a carrier.
  public var isUp: Bool { isEnabled && device.isLinkUp }
  /// What the user set besides (netdevice(7)).
  var settings: InterfaceFlags
  /// What a user wants done in software, or left out.
  public var features: InterfaceFeatures
  /// The address that the device came with.
  public let permanentAddress: MACAddress
  /// Frames that a queue in front of the device would hold. There is none; the number is kept.
  public var transmitQueueLength = 1000
  /// True while DHCP has no lease: unicast to port 68 is accepted for an address that is not yet ours (RFC 2131 4.1).
  var acceptsUnconfigured = false
  /// Answers for every address that is reached over another interface (Linux's `proxy_arp`), as a router.
  public var isARPProxy = false
  /// How often each group was joined.
  var groups: [IPv4Address: Int] = [:]
  /// Those that a user asked for besides.
  var hardwareGroups: Set<MACAddress> = []
  /// For how many of all these the device receives a group's frames.
  var groupUses: [MACAddress: Int] = [:]
  private var appliedFilter: ReceiveFilter?

  init(_ device: any NetworkDevice, index: Int, isLoopback: Bool, stack: NetworkStack) {
    self.device = device
    self.index = index
    self.isLoopback = isLoopback
    self.stack = stack
    tap = stack.tap
    ip = stack.ip
    tcp = stack.tcp
    name = device.name
    mtu = min(device.mtu, isLoopback ? 65536 : 65535)
    linkMTU = mtu
    settings = isLoopback ? [] : .multicast
    features = [.genericSegmentation, .genericReceive]
    if isLoopback || device.features.contains(.segmentationIPv4) { features.insert(.segmentation) }
    permanentAddress = device.hardwareAddress
    station = device.hardwareAddress
    neighbours = NeighbourCache(interface: self, loop: stack.loop, configuration: stack.configuration.neighbours)
    arp = ARP(interface: self)
    flush = DeferredWork(on: stack.loop) { [unowned self] in ringDoorbell() }
    applyFilter()
    startUsing(MACAddress(multicast: .allHosts))
  }

  public var counters: InterfaceCounters { counts }
  public var arpCounters: ARPCounters { arp.counters }

  // MARK: Sending

  /// Tells the device what to let through, if that has changed.
  func applyFilter() {
    var filter = ReceiveFilter(station: hardwareAddress)
    filter.isPromiscuous = settings.contains(.promiscuous)
    filter.acceptsAllMulticast = settings.contains(.allMulticast)
    guard filter != appliedFilter else { return }
    appliedFilter = filter
    device.apply(filter)
  }

  /// A buffer for a frame of at most `capacity` bytes; nil if the device is busy or the interface down.
  @inline(__always)
  func reserve(capacity: Int) -> TransmitBuffer? {
    if let buffer = device.reserve(capacity: capacity) { return buffer }
    counts.transmitBusy &+= 1
    return nil
  }

  func discard(_ buffer: TransmitBuffer) { device.release(buffer) }

  /// Sends a complete frame.
  @inline(__always)
  func send(_ buffer: TransmitBuffer, length: Int, offload: TransmitOffload) {
    counts.sentFrames &+= 1
    counts.sentBytes &+= UInt64(truncatingIfNeeded: length)
    if tap.isOn { describe(buffer.window.bytes(0, length), direction: "tx", leaving: offload) }
    device.submit(buffer, length: length, offload: offload)
    if !hasUnannouncedFrames {
      hasUnannouncedFrames = true
      flush.schedule()
    }
  }

  func sendResolved(_ frame: WaitingFrame, to destination: MACAddress) {
    frame.buffer.window.store(destination, at: 0)
    send(frame.buffer, length: frame.length, offload: frame.offload)
  }

  private func ringDoorbell() {
    guard hasUnannouncedFrames else { return }
    hasUnannouncedFrames = false
    counts.doorbells &+= 1
    device.doorbell()
  }

  /// A datagram could not be delivered because its neighbour does not answer.
  func reportUnreachable(_ frame: WaitingFrame) {
    guard frame.length > EthernetField.headerLength else { return }
    stack.icmp.reportUnreachable(frame.buffer.window.bytes(14, frame.length - EthernetField.headerLength))
  }

  /// `offload`: what is left to the device, which sees the frame after this event.
  private func describe(_ frame: RawSpan, direction: String, leaving offload: TransmitOffload = TransmitOffload()) {
    let left: FrameDescription.Offload =
      offload.segmentSize > 0
      ? .segmentation(Int(offload.segmentSize)) : offload.insertsTransportChecksum ? .checksum : .nothing
    let summary = FrameDescription.describe(frame, offload: left)
    tap.emit(.ethernet, .frame(direction: direction, length: frame.byteCount, summary: summary))
  }

  func reportDrop(_ layer: EventLayer, _ reason: String, length: Int) {
    if tap.isOn { tap.emit(layer, .dropped(reason: "\(name): \(reason)", length: length)) }
  }
}

extension NetworkInterface: NetworkDeviceClient {
  public func received(_ frame: RawSpan, _ metadata: ReceiveMetadata) {
    let length = frame.byteCount
    counts.receivedFrames &+= 1
    counts.receivedBytes &+= UInt64(truncatingIfNeeded: length)
    if tap.isOn { describe(frame, direction: "rx") }
    guard length >= EthernetField.headerLength else {
      counts.droppedShort &+= 1
      return reportDrop(.ethernet, "short frame", length: length)
    }
    guard enabled else { return }
    let destination = frame.loadBigEndian(0, as: UInt64.self) >> 16
    let isGroup = destination & 0x0100_0000_0000 != 0
    guard isGroup || destination == station.rawValue else {
      counts.droppedOtherHost &+= 1
      return reportDrop(.ethernet, "other host", length: length)
    }
    guard frame.octet(EthernetField.source) & 1 == 0 else {
      counts.droppedGroupSource &+= 1
      return reportDrop(.ethernet, "group source", length: length)
    }
    deliver(frame, typeAt: EthernetField.etherType, metadata, isGroup: isGroup)
  }

  /// Hands the payload behind the type field to its protocol.
  @inline(__always)
  private func deliver(_ frame: RawSpan, typeAt offset: Int, _ metadata: ReceiveMetadata, isGroup: Bool) {
    switch frame.loadBigEndian(offset, as: UInt16.self) {
    case EtherType.ipv4.rawValue:
      ip.received(frame.clamped(offset &+ 2), metadata, self, isLinkGroup: isGroup)
    case EtherType.arp.rawValue:
      arp.received(frame.clamped(offset &+ 2), isUnicast: !isGroup)
    case EtherType.vlan.rawValue where offset == EthernetField.etherType:
      receivedTagged(frame, metadata, isGroup: isGroup)
    default:
      counts.droppedUnknownType &+= 1
      reportDrop(.ethernet, "unknown type", length: frame.byteCount)
    }
  }

  /// A tag with VLAN identifier 0 carries a priority only (IEEE 802.1Q 9.6): the frame belongs to this interface. Those
  /// of a VLAN belong to interfaces that do not exist.
  @inline(never)
  private func receivedTagged(_ frame: RawSpan, _ metadata: ReceiveMetadata, isGroup: Bool) {
    guard frame.byteCount >= EthernetField.headerLength + 4 else {
      counts.droppedShort &+= 1
      return reportDrop(.ethernet, "short frame", length: frame.byteCount)
    }
    let tag = VLANTag(rawValue: frame.loadBigEndian(EthernetField.headerLength))
    guard tag.identifier == 0 else {
      counts.droppedOtherVLAN &+= 1
      return reportDrop(.ethernet, "VLAN \(tag.identifier)", length: frame.byteCount)
    }
    deliver(frame, typeAt: EthernetField.etherType + 4, metadata, isGroup: isGroup)
  }

  public func receiveBatchEnded() {
    tcp.receiveBatchEnded()
    stack.udp.receiveBatchEnded()
    ringDoorbell()
  }

  public func transmitReady() { stack.transmitReady(self) }

  public func linkChanged(isUp: Bool) {
    if isEnabled { stateChanged(isUp: isUp) }
  }
}

extension MemoryWindow {
  /// Stores a hardware address at `offset`.
  @inline(__always)
  func store(_ address: MACAddress, at offset: Int) {
    storeBigEndian(UInt32(truncatingIfNeeded: address.rawValue >> 16), offset)
    storeBigEndian(UInt16(truncatingIfNeeded: address.rawValue), offset &+ 4)
  }
}
