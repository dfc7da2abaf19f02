import NetStack
import Packets
import Sockets

/// What a program gives sendmsg(2) beside the bytes: `struct cmsghdr` messages, checked as Linux does (`udp_cmsg_send`,
/// `ip_cmsg_send`, `__sock_cmsg_send`).
struct SendControl {
  private(set) var datagram = DatagramControl()

  /// sizeof(struct cmsghdr)
  private static let headerSize = 16
  /// SCM_RIGHTS, SCM_CREDENTIALS: taken, and meaningless to these sockets. SCM_TXTIME is SO_TXTIME.
  private static let (rights, credentials): (Int32, Int32) = (1, 2)

  /// - Throws: EINVAL for a message that the socket does not take, that is cut off, or whose value is out of range.
  init(_ bytes: UnsafeRawBufferPointer, to socket: any Socket, _ calls: SystemCalls) throws(Errno) {
    var offset = 0
    let transport = socket.kind.transport
    while bytes.count - offset >= Self.headerSize {
      let length = Int(bitPattern: bytes.loadUnaligned(fromByteOffset: offset, as: UInt.self))
      let level = bytes.loadUnaligned(fromByteOffset: offset + 8, as: Int32.self)
      let type = bytes.loadUnaligned(fromByteOffset: offset + 12, as: Int32.self)
      guard length >= Self.headerSize, length <= bytes.count - offset else { throw .EINVAL }
      let data = UnsafeRawBufferPointer(rebasing: bytes[(offset + Self.headerSize)..<(offset + length)])
      switch level {
      case OptionName.SOL_SOCKET: try takeSocket(type, data, socket)
      case Protocol.IPPROTO_IP where transport != .stream: try takeInternet(type, data, calls)
      case Protocol.IPPROTO_UDP where transport == .datagram:
        guard type == OptionName.UDP_SEGMENT, data.count == 2 else { throw .EINVAL }
        datagram.segmentSize = Int(data.loadUnaligned(as: UInt16.self))
      default: break
      }
      offset += (length + 7) & ~7
    }
  }

  private static func word(_ data: UnsafeRawBufferPointer) throws(Errno) -> Int32 {
    guard data.count == 4 else { throw .EINVAL }
    return data.loadUnaligned(as: Int32.self)
  }

  private mutating func takeSocket(
    _ type: Int32, _ data: UnsafeRawBufferPointer, _ socket: any Socket
  ) throws(Errno) {
    switch type {
    // No queueing discipline or firewall looks at marks and priorities.
    case OptionName.SO_MARK, OptionName.SO_PRIORITY: _ = try Self.word(data)
    case OptionName.SO_TIMESTAMPING, OptionName.SO_TIMESTAMPING_NEW:
      let flags = UInt32(bitPattern: try Self.word(data))
      guard flags & ~TimestampingFlags.perMessage == 0 else { throw .EINVAL }
      datagram.transmitStamps = SocketOptions.stamps(flags)
    case OptionName.SO_TXTIME: guard socket.options.sendsAtTimes, data.count == 8 else { throw .EINVAL }
    case Self.rights, Self.credentials: break
    default: throw .EINVAL
    }
  }

  private mutating func takeInternet(
    _ type: Int32, _ data: UnsafeRawBufferPointer, _ calls: SystemCalls
  ) throws(Errno) {
    switch type {
    case OptionName.IP_PKTINFO:
      // struct in_pktinfo: interface, address to send from, address of the header (not looked at).
      guard data.count == 12 else { throw .EINVAL }
      let index = Int(data.loadUnaligned(as: Int32.self))
      if index != 0 { datagram.interfaceIndex = index }
      let address = UInt32(bigEndian: data.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
      datagram.source = IPv4Address(rawValue: address)
    case OptionName.IP_TTL:
      let ttl = try Self.word(data)
      guard (1...255).contains(ttl) else { throw .EINVAL }
      datagram.timeToLive = UInt8(ttl)
    case OptionName.IP_TOS:
      let tos = data.count == 1 ? Int32(data[0]) : try Self.word(data)
      guard (0...255).contains(tos) else { throw .EINVAL }
      datagram.typeOfService = UInt8(tos)
    case OptionName.IP_RETOPTS:
      datagram.headerOptions = try calls.headerOptions(UnsafeRawBufferPointer(rebasing: data.prefix(40)))
    case OptionName.IP_PROTOCOL: guard (1...255).contains(try Self.word(data)) else { throw .EINVAL }
    default: throw .EINVAL
    }
  }
}
