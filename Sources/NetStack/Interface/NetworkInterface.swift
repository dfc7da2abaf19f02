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
  let hardwareAddress: MACAddress
  public private(set) var neighbours: NeighbourCache!
  private(set) var arp: ARP!
  /// The first six octets of a frame for this station, as a number.
  private let ownDestination: UInt64
  private var flush: DeferredWork!
  private var hasUnannouncedFrames = false
  private var counts = InterfaceCounters()

  /// Addresses of the interface with their networks; the first one is the primary.
  public private(set) var addresses: [IPv4Subnet] = []
  /// The primary address as a number, 0 if there is none: the first thing that received datagrams are compared with.
  private(set) var primaryAddress: UInt32 = 0
  /// The last source address that was found possible for a unicast datagram, 0 if there is none: the next datagram mostly
  /// has the same. Forgotten when any address of the host changes.
  var acceptedSource: UInt32 = 0
  /// Largest datagram in bytes: the device's, or less if DHCP or the user said so.
  public private(set) var mtu: Int
  private var enabled = true
  /// Set by the user; an interface that is down neither sends nor receives.
  public var isEnabled: Bool { enabled }
  /// True if it is enabled and has a carrier.
  public var isUp: Bool { isEnabled && device.isLinkUp }
  public var name: String { device.name }
  /// True while DHCP has no lease: unicast to port 68 is accepted for an address that is not yet ours (RFC 2131 4.1).
  var acceptsUnconfigured = false
  private var groups: [IPv4Address: Int] = [:]

  init(_ device: any NetworkDevice, index: Int, isLoopback: Bool, stack: NetworkStack) {
    self.device = device
    self.index = index
    self.isLoopback = isLoopback
    self.stack = stack
    tap = stack.tap
    ip = stack.ip
    tcp = stack.tcp
    mtu = min(device.mtu, isLoopback ? 65536 : 65535)
    hardwareAddress = device.hardwareAddress
    ownDestination = device.hardwareAddress.rawValue
    neighbours = NeighbourCache(interface: self, loop: stack.loop, configuration: stack.configuration.neighbours)
    arp = ARP(interface: self)
    flush = DeferredWork(on: stack.loop) { [unowned self] in ringDoorbell() }
  }

  public var counters: InterfaceCounters { counts }
  public var arpCounters: ARPCounters { arp.counters }

  // MARK: Addresses

  /// Adds an address, its connected route, and announces it (RFC 5227 2.3).
  public func add(_ address: IPv4Subnet) {
    guard !addresses.contains(where: { $0.address == address.address }) else { return }
    addresses.append(address)
    addressesChanged()
    if address.prefixLength < 32 && !isLoopback {
      try? stack.routes.add(
        Route(prefix: address, interface: self, preferredSource: address.address, isConnected: true))
    }
    if isUp && !isLoopback { arp.announce(address.address) }
  }

  /// Removes an address and the routes that stand on it; TCP connections from it end.
  public func remove(_ address: IPv4Address) {
    guard let place = addresses.firstIndex(where: { $0.address == address }) else { return }
    let removed = addresses.remove(at: place)
    addressesChanged()
    stack.routes.remove { route in
      route.interface === self
        && (route.preferredSource == address
          || route.gateway.map { gateway in
            removed.contains(gateway) && !addresses.contains { $0.contains(gateway) }
          } ?? false)
    }
    tcp.addressRemoved(IPAddress(address))
  }

  /// True if the address of this host is one of the interface's own.
  func isHome(of address: IPv4Address) -> Bool {
    isLoopback ? address.isLoopback : addresses.contains { $0.address == address }
  }

  private func addressesChanged() {
    primaryAddress = addresses.first?.address.rawValue ?? 0
    stack.routes.invalidate()
    stack.localAddressesChanged()
  }

  /// The address to speak from to `destination`: the one whose network holds it, else the primary.
  func source(for destination: IPv4Address) -> IPv4Address? {
    (addresses.first { $0.contains(destination) } ?? addresses.first)?.address
  }

  /// Limits datagrams to `mtu` bytes, 68 (RFC 791) to the device's own limit.
  public func setMTU(_ mtu: Int) {
    self.mtu = min(max(mtu, 68), device.mtu)
    stack.routes.invalidate()
  }

  /// Takes the interface up or down.
  public func setEnabled(_ enabled: Bool) {
    guard enabled != isEnabled else { return }
    self.enabled = enabled
    stateChanged(isUp: isUp)
  }

  private func stateChanged(isUp: Bool) {
    stack.routes.invalidate()
    if !isUp { neighbours.flush() }
    if tap.isOn {
      tap.emit(
        .ethernet, .stateChange(object: "link \(name)", from: isUp ? "down" : "up", to: isUp ? "up" : "down"))
    }
    if isUp && !isLoopback { for address in addresses { arp.announce(address.address) } }
    tcp.linkChanged(self, isUp: isUp)
    stack.linkChanged(self, isUp: isUp)
  }

  // MARK: Multicast

  /// Accepts datagrams to `group`, as often as it is asked until it is left as often. The group's reports (IGMP) are not
  /// sent: a switch that snoops floods groups that it has not heard of.
  func join(_ group: IPv4Address) { groups[group, default: 0] += 1 }

  func leave(_ group: IPv4Address) {
    guard let count = groups[group] else { return }
    groups[group] = count > 1 ? count - 1 : nil
  }

  func isMember(of group: IPv4Address) -> Bool {
    group == IPv4Address(224, 0, 0, 1) || groups[group] != nil
  }

  // MARK: Sending

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
    guard isGroup || destination == ownDestination else {
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

  /// A tag with VLAN identifier 0 carries a priority only (IEEE 802.1Q 9.6): the frame belongs to this interface. Those of
  /// a VLAN belong to interfaces that do not exist.
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
