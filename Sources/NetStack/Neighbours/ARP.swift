import EventLoop
import Link
import Packets

/// The Address Resolution Protocol on one interface (RFC 826), as Linux speaks it: it answers for its own addresses
/// only, learns from those who ask it, and lets others correct entries that exist.
final class ARP {
  unowned let interface: NetworkInterface
  private var counts = ARPCounters()

  init(interface: NetworkInterface) { self.interface = interface }

  var counters: ARPCounters { counts }

  // MARK: In

  func received(_ bytes: RawSpan, isUnicast: Bool) {
    guard !interface.settings.contains(.noARP) else { return }
    guard let packet = ARPPacket(bytes) else { return refuse("ARP format", bytes) }
    let fields = packet.fields
    let isRequest = fields.operation == .request
    guard isRequest || fields.operation == .reply else { return refuse("ARP operation", bytes) }
    let sender = fields.senderAddress
    guard !fields.senderHardwareAddress.isGroup, fields.senderHardwareAddress != .zero,
      !sender.isMulticast, !sender.isLoopback, sender != .broadcast,
      !fields.targetAddress.isLoopback, !fields.targetAddress.isMulticast
    else { return refuse("ARP addresses", bytes) }
    if isRequest { counts.requestsReceived &+= 1 } else { counts.repliesReceived &+= 1 }
    guard fields.senderHardwareAddress != interface.hardwareAddress else { return }

    if isOwn(sender) {
      counts.conflicts &+= 1
      interface.reportDrop(.ethernet, "address conflict on \(sender)", length: bytes.byteCount)
      // One's own claim is repeated, so that others are not led astray (RFC 5227 2.4 b); a request is answered anyway.
      if sender != fields.targetAddress { return }
    }
    if isRequest && (isOwn(fields.targetAddress) || isProxied(fields.targetAddress)) {
      if sender != .any && !isOwn(sender) {
        interface.neighbours.entry(for: sender)?.learn(
          fields.senderHardwareAddress, isConfirmation: false, overrides: true)
      }
      reply(to: fields)
      return
    }
    guard sender != .any, let entry = interface.neighbours.existing(sender) else { return }
    let isGratuitous = sender == fields.targetAddress
    let cache = interface.neighbours!
    let isUnlocked = cache.loop.now > entry.updated + cache.configuration.lockTime
    entry.learn(
      fields.senderHardwareAddress, isConfirmation: !isRequest && isUnicast && !isGratuitous,
      overrides: isGratuitous || isUnlocked)
  }

  private func isOwn(_ address: IPv4Address) -> Bool {
    interface.addresses.contains { $0.address == address }
  }

  /// True if this host, as a router, answers for `address`: it was told to, and the way there leads elsewhere.
  private func isProxied(_ address: IPv4Address) -> Bool {
    let stack = interface.stack
    guard stack.ip.isRouting, interface.isARPProxy || stack.proxies.contains(address, on: interface.index) else {
      return false
    }
    guard let route = stack.routes.lookUp(address).route else { return false }
    return route.interface !== interface
  }

  private func refuse(_ reason: String, _ bytes: RawSpan) {
    counts.malformed &+= 1
    interface.reportDrop(.ethernet, reason, length: bytes.byteCount)
  }

  // MARK: Out

  /// Asks for `address`: by broadcast, or the one station that is believed to have it.
  func request(_ address: IPv4Address, to station: MACAddress?) {
    let source = interface.source(for: address) ?? .any
    send(
      ARPPacket.Fields(
        operation: .request, senderHardwareAddress: interface.hardwareAddress, senderAddress: source,
        targetAddress: address),
      to: station ?? interface.hardwareBroadcast)
  }

  /// Tells everybody that `address` is ours (RFC 5227 2.3).
  func announce(_ address: IPv4Address) {
    send(
      ARPPacket.Fields(
        operation: .request, senderHardwareAddress: interface.hardwareAddress, senderAddress: address,
        targetAddress: address),
      to: interface.hardwareBroadcast)
  }

  private func reply(to request: ARPPacket.Fields) {
    send(
      ARPPacket.Fields(
        operation: .reply, senderHardwareAddress: interface.hardwareAddress, senderAddress: request.targetAddress,
        targetHardwareAddress: request.senderHardwareAddress, targetAddress: request.senderAddress),
      to: request.senderHardwareAddress)
  }

  private func send(_ fields: ARPPacket.Fields, to destination: MACAddress) {
    let length = EthernetField.headerLength + ARPField.length
    guard interface.isUp, let buffer = interface.reserve(capacity: length) else { return }
    let window = buffer.window
    window.store(destination, at: EthernetField.destination)
    window.store(interface.hardwareAddress, at: EthernetField.source)
    window.storeBigEndian(EtherType.arp.rawValue, EthernetField.etherType)
    let start = EthernetField.headerLength
    window.storeBigEndian(0x0001_0800_0604_0000 | UInt64(fields.operation.rawValue), start)
    window.store(fields.senderHardwareAddress, at: start + ARPField.senderHardwareAddress)
    window.storeBigEndian(fields.senderAddress.rawValue, start + ARPField.senderAddress)
    window.store(fields.targetHardwareAddress, at: start + ARPField.targetHardwareAddress)
    window.storeBigEndian(fields.targetAddress.rawValue, start + ARPField.targetAddress)
    if fields.operation == .request { counts.requestsSent &+= 1 } else { counts.repliesSent &+= 1 }
    interface.send(buffer, length: length, offload: .none)
  }
}
