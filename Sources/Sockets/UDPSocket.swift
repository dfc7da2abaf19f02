import NetStack
import Packets

/// A datagram socket over UDP (udp(7)).
public final class UDPSocket: DatagramSocket {
  private let udp: UDPEndpoint

  public init(on stack: NetworkStack) {
    udp = stack.udp.open()
    super.init(SocketKind(transport: .datagram, protocolNumber: 17), on: stack, endpoint: udp)
  }

  override func optionsChanged(_ options: SocketOptions) {
    udp.reusesAddress = options.reuseAddress
    udp.reusesPort = options.reusePort
    udp.segmentSize = Int(options.segmentSize)
    udp.joinsDatagrams = options.joinsDatagrams != 0
    udp.keepsSums = options.tellsSums != 0
    udp.omitsSums = options.omitsSums != 0
  }

  public override func bindIfNeeded() throws(NetworkError) {
    if udp.local.port == 0 { try udp.bind(to: Endpoint(udp.local.address, 0)) }
  }
  override func bindEndpoint(to local: Endpoint) throws(NetworkError) {
    if options.bindsAddressOnly != 0, local.port == 0 { return try udp.bind(toAddress: local.address) }
    try udp.bind(to: local)
  }
  override func connectEndpoint(to remote: Endpoint) throws(NetworkError) {
    try bindIfNeeded()
    try udp.connect(to: remote)
  }
  override func disconnectEndpoint() { udp.disconnect() }
  override func probe(
    _ start: RawSpan, of length: Int, to destination: Endpoint?, more: Bool, _ control: DatagramControl?
  ) throws(NetworkError) {
    _ =
      more || isCorked
      ? try udp.wayToGather(for: destination, control: control) : try udp.way(to: destination, control: control)
  }

  // MARK: Corking

  /// The bytes that MSG_MORE or UDP_CORK have gathered for one datagram, and where it goes.
  private struct Gathered {
    var bytes: [UInt8] = []
    let way: UDPWay
  }
  private var gathered: Gathered?
  private var isCorked = false
  /// The address and the control messages of a call do not count: another has begun the datagram.
  public var isGathering: Bool { gathered != nil }

  override func sendMessage(
    _ bytes: RawSpan, to destination: Endpoint?, more: Bool, _ control: DatagramControl?
  ) throws(NetworkError) {
    let isGathering = more || isCorked
    guard isGathering || gathered != nil else { return try udp.send(bytes, to: destination, control: control) }
    let begun = gathered?.bytes.count
    if let begun, let way = gathered?.way {
      do { try udp.check(begun + bytes.byteCount, on: way) } catch {
        // What does not fit takes with it what is there.
        gathered = nil
        throw error
      }
    } else {
      // The first call decides where the datagram goes and finds out whether it can, as in Linux.
      let way = try udp.wayToGather(for: destination, control: control)
      try udp.check(bytes.byteCount, on: way)
      try udp.checkSendable()
      gathered = Gathered(way: way)
    }
    bytes.withUnsafeBytes { gathered?.bytes.append(contentsOf: $0) }
    if !isGathering { try sendGathered(after: begun) }
  }

  public override func send(
    _ memory: TransferMemory, to destination: Endpoint?, flags: TransferFlags, control: DatagramControl?
  ) async throws(SocketError) -> Int {
    guard gathered != nil, flags.contains(.probe) || !memory.isComplete else {
      return try await super.send(memory, to: destination, flags: flags, control: control)
    }
    // A probe adds nothing, but ends the datagram as another call would; a part without memory takes it along.
    guard flags.contains(.probe) else {
      gathered = nil
      throw .badMemory
    }
    if !flags.contains(.more), !isCorked { try networked { () throws(NetworkError) in try sendGathered() } }
    return memory.count
  }

  /// Sends what is gathered. If the device is busy its first `begun` bytes stay: whoever waits for room tries again
  /// with the last part.
  private func sendGathered(after begun: Int? = nil) throws(NetworkError) {
    guard var whole = gathered else { return }
    gathered = nil
    do { try udp.send(whole.bytes.span.bytes, on: udp.wayOfGathered(whole.way)) } catch {
      if error == .wouldBlock, let begun {
        whole.bytes.removeSubrange(begun...)
        gathered = whole
      }
      throw error
    }
  }

  public override func get(_ option: ProtocolOption) throws(SocketError) -> ProtocolOption.Value {
    option == .datagramCork ? .integer(isCorked ? 1 : 0) : try super.get(option)
  }

  public override func set(_ option: ProtocolOption, to value: ProtocolOption.Value) throws(SocketError) {
    guard option == .datagramCork else { return try super.set(option, to: value) }
    guard case .integer(let number) = value else { throw .invalidArgument }
    isCorked = number != 0
    if !isCorked { try networked { () throws(NetworkError) in try sendGathered() } }
  }
}
