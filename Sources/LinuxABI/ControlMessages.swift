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
  ///
  /// - Parameters:
  ///   - options: those of its header.
  ///   - isPart: not all of it was read, or it was only looked at.
  mutating func describe(
    _ datagram: ReceivedDatagram, options: [UInt8] = [], isPart: Bool = false, for socket: any Socket,
    on loop: any EventLoop
  ) {
    func wants(_ name: Int32) -> Bool { KeptOption.value(Protocol.IPPROTO_IP, name, of: socket) != 0 }
    stamp(datagram.time, isOwn: false, for: socket, on: loop)
    func flagged(_ name: Int32) -> Bool { KeptOption.value(OptionName.SOL_SOCKET, name, of: socket) != 0 }
    if flagged(OptionName.SO_RXQ_OVFL), datagram.drops != 0 {
      append(OptionName.SOL_SOCKET, OptionName.SO_RXQ_OVFL, SystemCalls.bytes(of: datagram.drops))
    }
    // Nobody here marks packets or gives them a priority.
    if flagged(OptionName.SO_RCVMARK) {
      append(OptionName.SOL_SOCKET, OptionName.SO_MARK, SystemCalls.bytes(of: UInt32(0)))
    }
    if flagged(OptionName.SO_RCVPRIORITY) {
      append(OptionName.SOL_SOCKET, OptionName.SO_PRIORITY, SystemCalls.bytes(of: UInt32(0)))
    }
    if datagram.segmentSize != 0, socket.options.joinsDatagrams != 0 {
      append(Protocol.IPPROTO_UDP, OptionName.UDP_GRO, SystemCalls.bytes(of: Int32(datagram.segmentSize)))
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
    if !options.isEmpty {
      if wants(OptionName.IP_RECVOPTS) { append(Protocol.IPPROTO_IP, OptionName.IP_RECVOPTS, options) }
      if wants(OptionName.IP_RETOPTS) {
        append(Protocol.IPPROTO_IP, OptionName.IP_RETOPTS, Self.returned(options))
      }
    }
    if wants(OptionName.IP_RECVORIGDSTADDR), socket.kind.transport == .datagram {
      append(
        Protocol.IPPROTO_IP, OptionName.IP_RECVORIGDSTADDR,
        SocketAddress.encode(Endpoint(datagram.destination, socket.localEndpoint.port)))
    }
    // The sum is known if it was needed before all of the datagram was copied (Linux `skb_checksum_init`:
    // CHECKSUM_BREAK).
    if datagram.partialSum != 0, wants(OptionName.IP_CHECKSUM),
      isPart || datagram.length + UDPField.headerLength <= 76 || socket.options.filter != nil
    {
      append(Protocol.IPPROTO_IP, OptionName.IP_CHECKSUM, SystemCalls.bytes(of: datagram.partialSum))
    }
    if datagram.largestFragment != 0, wants(OptionName.IP_RECVFRAGSIZE) {
      append(Protocol.IPPROTO_IP, OptionName.IP_RECVFRAGSIZE, SystemCalls.bytes(of: Int32(datagram.largestFragment)))
    }
  }

  /// The options that an answer would have: record route and time stamps (Linux `ip_options_echo`; datagrams with a
  /// source route do not get here).
  private static func returned(_ options: [UInt8]) -> [UInt8] {
    var found: [UInt8: ArraySlice<UInt8>] = [:]
    var offset = 0
    while offset < options.count, options[offset] != 0 {
      let length = options[offset] == 1 || offset + 1 == options.count ? 1 : max(1, Int(options[offset + 1]))
      found[options[offset]] = options[offset..<min(offset + length, options.count)]
      offset += length
    }
    let kept = (found[0x07] ?? []) + (found[0x44] ?? [])
    return kept + [UInt8](repeating: 0, count: (4 - kept.count & 3) & 3)
  }

  /// SO_TIMESTAMP and its kin, then SO_TIMESTAMPING (Linux `__sock_recv_timestamp`).
  ///
  /// - Parameter isOwn: the time is that of a datagram that was sent.
  mutating func stamp(_ instant: Instant, isOwn: Bool, for socket: any Socket, on loop: any EventLoop) {
    let time = loop.epochNanoseconds + instant.nanoseconds
    let (seconds, fraction) = (time / 1_000_000_000, time % 1_000_000_000)
    let stamp = socket.options.timestamp
    if stamp != 0 {
      let isFine = stamp == OptionName.SO_TIMESTAMPNS || stamp == OptionName.SO_TIMESTAMPNS_NEW
      append(
        OptionName.SOL_SOCKET, stamp,
        SystemCalls.bytes(of: Int64(seconds)) + SystemCalls.bytes(of: Int64(isFine ? fraction : fraction / 1000)))
    }
    let wanted = socket.options.timestamping
    guard wanted & TimestampingFlags.SOFTWARE != 0, isOwn || wanted & TimestampingFlags.RX_SOFTWARE != 0 else { return }
    // struct scm_timestamping: software, an unused one, that of a device.
    append(
      OptionName.SOL_SOCKET, socket.options.timestampingName,
      SystemCalls.bytes(of: Int64(seconds)) + SystemCalls.bytes(of: Int64(fraction))
        + [UInt8](repeating: 0, count: 32))
  }

  /// What is said of an entry of the error queue: the time if asked for, and `struct sock_extended_err` with who said
  /// so (Linux `ip_recv_error`).
  mutating func describe(_ entry: QueuedError, for socket: any Socket, on loop: any EventLoop) {
    if entry.origin == .icmp || entry.origin == .transmitTime {
      stamp(entry.time, isOwn: entry.origin == .transmitTime, for: socket, on: loop)
    }
    let errno: Errno? = entry.origin == .transmitTime ? .ENOMSG : entry.error?.errno
    let offender = entry.offender.map { SocketAddress.encode(Endpoint($0, 0)) } ?? [UInt8](repeating: 0, count: 16)
    append(
      Protocol.IPPROTO_IP, OptionName.IP_RECVERR,
      SystemCalls.bytes(of: errno?.rawValue ?? 0) + [entry.origin.rawValue, entry.type, entry.code, 0]
        + SystemCalls.bytes(of: entry.info) + SystemCalls.bytes(of: entry.data) + offender)
  }

  /// TCP_INQ: how much more there is to read.
  mutating func describe(unread: Int) {
    append(Protocol.IPPROTO_TCP, OptionName.TCP_INQ, SystemCalls.bytes(of: Int32(clamping: unread)))
  }
}
