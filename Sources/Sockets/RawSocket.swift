import NetStack
import Packets

/// A raw socket of one IP protocol (raw(7)): received messages start with the IP header.
public final class RawSocket: DatagramSocket {
  private let raw: RawEndpoint

  /// Protocol numbers above 255 are Linux's own, of which the IP header carries the low octet.
  public init(on stack: NetworkStack, protocolNumber: Int) {
    raw = stack.raw.open(IPProtocol(rawValue: UInt8(truncatingIfNeeded: protocolNumber)))
    super.init(SocketKind(transport: .raw, protocolNumber: protocolNumber), on: stack, endpoint: raw)
  }

  /// ICMP types that are not received (ICMP_FILTER), one bit each.
  public var filteredICMPTypes: UInt32 {
    get { raw.filteredICMPTypes }
    set { raw.filteredICMPTypes = newValue }
  }

  /// In place of a port stands the protocol, as in Linux.
  public override var localEndpoint: Endpoint {
    Endpoint(raw.local.address, raw.isDeaf ? 0 : UInt16(truncatingIfNeeded: kind.protocolNumber))
  }

  override func bindEndpoint(to local: Endpoint) throws(NetworkError) { try raw.bind(to: local.address) }
  override func connectEndpoint(to remote: Endpoint) throws(NetworkError) { try raw.connect(to: remote.address) }
  override func disconnectEndpoint() { raw.disconnect() }
  override func probe(
    _ start: RawSpan, of length: Int, to destination: Endpoint?, more: Bool, _ control: DatagramControl?
  ) throws(NetworkError) {
    try raw.probe(start, of: length, to: destination?.address, control: control)
  }
  override var headerLength: Int { raw.includesHeader ? 0 : 20 }
  override func sendMessage(
    _ bytes: RawSpan, to destination: Endpoint?, more: Bool, _ control: DatagramControl?
  ) throws(NetworkError) {
    guard !raw.includesHeader, more || gathered != nil else {
      return try raw.send(bytes, to: destination?.address, control: control)
    }
    // MSG_MORE: a datagram grows until a call without. Unlike in UDP that one decides where it goes (Linux
    // `raw_sendmsg`).
    let begun = gathered?.count ?? 0
    do {
      try raw.prepare(bytes, of: begun + bytes.byteCount, to: destination?.address, control: control)
      if gathered == nil { gathered = [] }
      bytes.withUnsafeBytes { gathered?.append(contentsOf: $0) }
      guard !more, let whole = gathered else { return }
      try raw.send(whole.span.bytes, to: destination?.address, control: control)
      gathered = nil
    } catch {
      // Whoever waits for room tries again with the last part.
      if error == .wouldBlock { gathered?.removeSubrange(begun...) } else { gathered = nil }
      throw error
    }
  }

  /// What MSG_MORE has gathered for one datagram.
  private var gathered: [UInt8]?

  public override func get(_ option: ProtocolOption) throws(SocketError) -> ProtocolOption.Value {
    option == .headerIncluded ? .integer(raw.includesHeader ? 1 : 0) : try super.get(option)
  }

  public override func set(_ option: ProtocolOption, to value: ProtocolOption.Value) throws(SocketError) {
    guard option == .headerIncluded else { return try super.set(option, to: value) }
    guard case .integer(let number) = value else { throw .invalidArgument }
    raw.includesHeader = number != 0
  }
}
