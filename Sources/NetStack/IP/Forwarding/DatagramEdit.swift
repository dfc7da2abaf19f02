import Memory
import Packets

/// What NAPT changes in a datagram: one address, and the port or ICMP identifier that belongs to it.
struct AddressRewrite: BitwiseCopyable {
  enum Side: BitwiseCopyable { case source, destination }
  var side: Side
  var address: UInt32
  var port: UInt16
  /// The datagram is an ICMP error: in the datagram that it quotes the other side is changed, with the port; outside of
  /// the quotation only the address (RFC 5508 4).
  var isError = false
}

/// Changes in a datagram that lies in a buffer, with its checksums brought up to date by the difference (RFC 1624).
enum DatagramEdit {
  /// One hop further, and perhaps with another address. Lengths have been checked: the header is whole, and what
  /// `rewrite` changes is there.
  static func forward(_ datagram: MemoryWindow, length: Int, rewrite: AddressRewrite?) {
    let word: UInt16 = datagram.loadBigEndian(IPv4Field.timeToLive)
    replace(datagram, IPv4Field.timeToLive, with: word &- 0x0100, checksum: IPv4Field.checksum)
    if let rewrite { apply(rewrite, to: datagram, length: length) }
  }

  private static func apply(_ rewrite: AddressRewrite, to datagram: MemoryWindow, length: Int) {
    let transport = Int(datagram.load(0, as: UInt8.self) & 15) &* 4
    if rewrite.isError {
      replaceAddress(datagram, 0, rewrite.side, with: rewrite.address)
      rewriteQuote(rewrite, in: datagram, from: transport &+ ICMPField.headerLength, to: length)
      datagram.store(UInt16(0), transport &+ ICMPField.checksum)
      let sum = InternetChecksum.checksum(of: datagram.bytes(transport, length &- transport))
      datagram.storeBigEndian(sum, transport &+ ICMPField.checksum)
    } else {
      rewriteFlow(rewrite, rewrite.side, in: datagram, from: 0, to: length)
    }
  }

  /// The quoted datagram went the other way: its source is what a destination is here.
  private static func rewriteQuote(_ rewrite: AddressRewrite, in datagram: MemoryWindow, from start: Int, to end: Int) {
    rewriteFlow(rewrite, rewrite.side == .source ? .destination : .source, in: datagram, from: start, to: end)
  }

  /// Changes an address of the header at `start` and the port behind it. A quotation may end before the checksum.
  private static func rewriteFlow(
    _ rewrite: AddressRewrite, _ side: AddressRewrite.Side, in datagram: MemoryWindow, from start: Int, to end: Int
  ) {
    let transport = start &+ Int(datagram.load(start, as: UInt8.self) & 15) &* 4
    let old = replaceAddress(datagram, start, side, with: rewrite.address)
    switch IPProtocol(rawValue: datagram.load(start &+ IPv4Field.protocol)) {
    case .tcp:
      let field = transport &+ 16
      let isThere = field &+ 2 <= end
      if isThere { update(datagram, field, from: old, to: rewrite.address) }
      replace(
        datagram, transport &+ (side == .source ? 0 : 2), with: rewrite.port, checksum: isThere ? field : nil)
    case .udp:
      let field = transport &+ UDPField.checksum
      // Zero: the sender made none (RFC 768).
      let isThere = datagram.load(field, as: UInt16.self) != 0
      if isThere { update(datagram, field, from: old, to: rewrite.address) }
      replace(
        datagram, transport &+ (side == .source ? 0 : 2), with: rewrite.port, checksum: isThere ? field : nil)
      if isThere && datagram.load(field, as: UInt16.self) == 0 { datagram.store(UInt16.max, field) }
    default:
      replace(
        datagram, transport &+ ICMPField.identifier, with: rewrite.port, checksum: transport &+ ICMPField.checksum)
    }
  }

  /// Returns what stood there.
  @discardableResult
  private static func replaceAddress(
    _ datagram: MemoryWindow, _ start: Int, _ side: AddressRewrite.Side, with address: UInt32
  ) -> UInt32 {
    let place = start &+ (side == .source ? IPv4Field.source : IPv4Field.destination)
    let old: UInt32 = datagram.loadBigEndian(place)
    datagram.storeBigEndian(address, place)
    update(datagram, start &+ IPv4Field.checksum, from: old, to: address)
    return old
  }

  private static func replace(_ datagram: MemoryWindow, _ place: Int, with new: UInt16, checksum: Int?) {
    let old: UInt16 = datagram.loadBigEndian(place)
    datagram.storeBigEndian(new, place)
    guard let checksum else { return }
    let sum: UInt16 = datagram.loadBigEndian(checksum)
    datagram.storeBigEndian(InternetChecksum.updated(sum, from: old, to: new), checksum)
  }

  private static func update(_ datagram: MemoryWindow, _ checksum: Int, from old: UInt32, to new: UInt32) {
    let sum: UInt16 = datagram.loadBigEndian(checksum)
    datagram.storeBigEndian(InternetChecksum.updated(sum, from: old, to: new), checksum)
  }
}
