import EventLoop
import NetStack
import Packets
import Sockets

/// What recvmsg(2) reports beside the bytes: the `struct cmsghdr` messages of a received datagram, in Linux's order
/// (socket(7), ip(7); Linux `sock_recv_cmsgs`, `ip_cmsg_recv_offset`).
struct ControlMessages {
  private(set) var bytes: [UInt8] = []
  /// Something did not fit (MSG_CTRUNC).
  private(set) var isTruncated = false
  private let room: Int

  /// sizeof(struct cmsghdr)
  private static let headerSize = 16

  /// `room`: bytes that the program has for them.
  init(room: Int) { self.room = room }

  /// Appends a message, or as much of it as fits (Linux `put_cmsg`).
  mutating func append(_ level: Int32, _ type: Int32, _ data: [UInt8]) {
    let left = room - bytes.count
    guard left >= Self.headerSize else {
      isTruncated = true
      return
    }
    var length = Self.headerSize + data.count
    if left < length {
      isTruncated = true
      length = left
    }
    bytes += SystemCalls.bytes(of: UInt(length)) + SystemCalls.bytes(of: level) + SystemCalls.bytes(of: type)
    bytes += data.prefix(length - Self.headerSize)
    bytes += [UInt8](repeating: 0, count: min((length + 7) & ~7, left) - length)
  }

  /// The messages that the options of `socket` ask for about `datagram`.
  mutating func describe(_ datagram: ReceivedDatagram, for socket: any Socket, on loop: any EventLoop) {
    func wants(_ name: Int32) -> Bool { KeptOption.value(Protocol.IPPROTO_IP, name, of: socket) != 0 }
    let stamp = socket.options.timestamp
    if stamp != 0 {
      let time = loop.epochNanoseconds + datagram.time.nanoseconds
      let isFine = stamp == OptionName.SO_TIMESTAMPNS || stamp == OptionName.SO_TIMESTAMPNS_NEW
      let fraction = time % 1_000_000_000
      append(
        OptionName.SOL_SOCKET, stamp,
        SystemCalls.bytes(of: Int64(time / 1_000_000_000))
          + SystemCalls.bytes(of: Int64(isFine ? fraction : fraction / 1000)))
    }
    let address = SystemCalls.bytes(of: (datagram.destination.v4?.rawValue ?? 0).bigEndian)
    if wants(OptionName.IP_PKTINFO) {
      // struct in_pktinfo: interface, local address, address of the header.
      append(
        Protocol.IPPROTO_IP, OptionName.IP_PKTINFO,
        SystemCalls.bytes(of: Int32(datagram.interfaceIndex)) + address + address)
    }
    if wants(OptionName.IP_RECVTTL) {
      append(Protocol.IPPROTO_IP, OptionName.IP_TTL, SystemCalls.bytes(of: Int32(datagram.ttl)))
    }
    if wants(OptionName.IP_RECVTOS) { append(Protocol.IPPROTO_IP, OptionName.IP_TOS, [datagram.tos]) }
    if wants(OptionName.IP_RECVORIGDSTADDR), socket.kind.transport == .datagram {
      append(
        Protocol.IPPROTO_IP, OptionName.IP_RECVORIGDSTADDR,
        SocketAddress.encode(Endpoint(datagram.destination, socket.localEndpoint.port)))
    }
  }
}
