import LinuxABI

// Options and control messages.
extension Generator {
  /// Options that are one number, or that a number is nearly right for, by level. What is not here depends on the host,
  /// on time (TCP_INFO), on memory accounting (SO_RCVBUF), or is more than one call can say (filters, policies,
  /// repair).
  private static let numbers: [(level: Int32, names: [Int32])] = [
    (
      1,
      [
        OptionName.SO_REUSEADDR, OptionName.SO_TYPE, OptionName.SO_ERROR, OptionName.SO_DONTROUTE,
        OptionName.SO_BROADCAST, OptionName.SO_KEEPALIVE, OptionName.SO_OOBINLINE, OptionName.SO_NO_CHECK,
        OptionName.SO_PRIORITY, OptionName.SO_BSDCOMPAT, OptionName.SO_REUSEPORT, OptionName.SO_PASSCRED,
        OptionName.SO_PEERCRED, OptionName.SO_RCVLOWAT, OptionName.SO_SNDLOWAT, OptionName.SO_TIMESTAMP,
        OptionName.SO_ACCEPTCONN, OptionName.SO_TIMESTAMPNS, OptionName.SO_MARK, OptionName.SO_PROTOCOL,
        OptionName.SO_DOMAIN, OptionName.SO_RXQ_OVFL, OptionName.SO_LOCK_FILTER, OptionName.SO_SELECT_ERR_QUEUE,
        OptionName.SO_BINDTOIFINDEX, OptionName.SO_DETACH_FILTER, OptionName.SO_BPF_EXTENSIONS,
        OptionName.SO_CNX_ADVICE, OptionName.SO_PEERGROUPS, OptionName.SO_ZEROCOPY, OptionName.SO_PEEK_OFF,
        OptionName.SO_TXREHASH, OptionName.SO_BUF_LOCK, OptionName.SO_LINGER, OptionName.SO_TIMESTAMPING,
        OptionName.SO_PASSSEC, OptionName.SO_NOFCS, OptionName.SO_BUSY_POLL_BUDGET, OptionName.SO_RCVMARK,
        OptionName.SO_PASSRIGHTS, OptionName.SO_PASSPIDFD, 22, 54, 999,
      ]
    ),
    (
      0,
      [
        OptionName.IP_TOS, OptionName.IP_TTL, OptionName.IP_HDRINCL, OptionName.IP_RECVOPTS, OptionName.IP_RETOPTS,
        OptionName.IP_PKTINFO, OptionName.IP_MTU_DISCOVER, OptionName.IP_RECVERR, OptionName.IP_RECVTTL,
        OptionName.IP_RECVTOS, OptionName.IP_MTU, OptionName.IP_PASSSEC, OptionName.IP_RECVORIGDSTADDR,
        OptionName.IP_NODEFRAG, OptionName.IP_CHECKSUM, OptionName.IP_RECVFRAGSIZE, OptionName.IP_MULTICAST_TTL,
        OptionName.IP_MULTICAST_LOOP, OptionName.IP_MULTICAST_ALL, OptionName.IP_OPTIONS, OptionName.IP_FREEBIND,
        OptionName.IP_TRANSPARENT, OptionName.IP_MINTTL, OptionName.IP_BIND_ADDRESS_NO_PORT, OptionName.IP_UNICAST_IF,
        OptionName.IP_RECVERR_RFC4884, OptionName.IP_PROTOCOL, OptionName.IP_LOCAL_PORT_RANGE,
        OptionName.IP_ROUTER_ALERT, 27, 60,
      ]
    ),
    (
      6,
      [
        OptionName.TCP_NODELAY, OptionName.TCP_CORK, OptionName.TCP_KEEPIDLE, OptionName.TCP_KEEPINTVL,
        OptionName.TCP_KEEPCNT, OptionName.TCP_SYNCNT, OptionName.TCP_LINGER2, OptionName.TCP_DEFER_ACCEPT,
        OptionName.TCP_QUICKACK, OptionName.TCP_THIN_LINEAR_TIMEOUTS, OptionName.TCP_THIN_DUPACK,
        OptionName.TCP_USER_TIMEOUT, OptionName.TCP_FASTOPEN, OptionName.TCP_NOTSENT_LOWAT, OptionName.TCP_SAVE_SYN,
        OptionName.TCP_FASTOPEN_CONNECT, OptionName.TCP_FASTOPEN_NO_COOKIE, OptionName.TCP_INQ,
        OptionName.TCP_IS_MPTCP, OptionName.TCP_REPAIR_QUEUE, OptionName.TCP_QUEUE_SEQ, OptionName.TCP_REPAIR_WINDOW,
        15, 200,
      ]
    ),
    (
      17,
      [
        OptionName.UDP_CORK, OptionName.UDP_NO_CHECK6_TX, OptionName.UDP_NO_CHECK6_RX, OptionName.UDP_SEGMENT,
        OptionName.UDP_GRO, 99,
      ]
    ), (255, [1, 2]), (1000, [1]),
  ]

  /// Whose value is a port, a time, a process or a mark of the host.
  private static let secrets: [(Int32, [Int32])] = [
    (1, [OptionName.SO_PEERCRED, OptionName.SO_PEERGROUPS]), (0, [OptionName.IP_MTU]),
    (6, [OptionName.TCP_QUEUE_SEQ]),
  ]

  private func option(_ slot: Int) -> (Int32, Int32) {
    let own: Int32 =
      switch kinds[slot] {
      case .stream: 6
      case .datagram: 17
      default: 255
      }
    let level = chance(0.9) ? one(of: [1, 1, 0, 0, own]) : one(of: Self.numbers.map(\.level))
    let name = one(of: Self.numbers.first { $0.level == level }!.names)
    // Where there are no ports Linux tells octets of the message in their place; the time stamps of datagrams that were
    // sent bring the packets along.
    let isPort =
      level == 0 && name == OptionName.IP_RECVORIGDSTADDR && kinds[slot] != .stream && kinds[slot] != .datagram
    let isStamp = level == 1 && name == OptionName.SO_TIMESTAMPING && kinds[slot] != .stream
    return (level, isPort ? OptionName.IP_RECVTTL : isStamp ? OptionName.SO_TIMESTAMP : name)
  }

  mutating func getOption() {
    let slot = slot()
    let (level, name) = option(slot)
    let room = chance(0.7) ? 4 : one(of: [0, 1, 2, 3, 5, 8, 12, 16])
    add(
      .getsockopt, chance(0.98) ? .slot(slot) : descriptor(), .number(Int(level)), .number(Int(name)),
      pointer(.room(room)), pointer(.integer(chance(0.97) ? Int32(room) : -1)),
      isSecret: Self.secrets.contains { $0.0 == level && $0.1.contains(name) })
  }

  mutating func setOption() {
    let slot = slot()
    let fd = chance(0.98) ? Argument.slot(slot) : descriptor()
    if chance(0.3) {
      let (level, name, values) = one(of: Self.structured)
      let value = one(of: values)
      let length = chance(0.9) ? value.count : number(0...20)
      let bytes = value + Array(repeating: 0, count: max(0, length - value.count))
      add(.setsockopt, fd, .number(Int(level)), .number(Int(name)), pointer(.bytes(bytes)), .number(length))
      return
    }
    let (level, name) = option(slot)
    let drawn =
      chance(0.6) ? Int32(number(0...1)) : one(of: [2, 3, 4, 7, 127, 128, 255, 256, 300, 70000, -1, -2, Int32.max])
    // Beside lo, which has the index 1, this machine may have any interfaces.
    let value = name == OptionName.SO_BINDTOIFINDEX && drawn > 1 ? 70000 : drawn
    let length = chance(0.85) ? 4 : one(of: [0, 1, 2, 3, 5, 8, 12, 16])
    let bytes = withUnsafeBytes(of: value) { Array($0) } + Array(repeating: 0, count: 12)
    add(
      .setsockopt, fd, .number(Int(level)), .number(Int(name)), pointer(.bytes(bytes)),
      .number(chance(0.98) ? length : -1))
  }

  private static func words(_ values: Int...) -> [UInt8] { values.withUnsafeBytes { Array($0) } }
  private static func integers(_ values: Int32...) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

  /// Values with an inside. Times are short, and none is 0, which would be for ever.
  private static let structured: [(Int32, Int32, [[UInt8]])] = [
    (1, OptionName.SO_RCVTIMEO, [words(0, 10_000), words(0, 4_000), words(0, 1_000_000), words(-1, 0), words(0, -1)]),
    (1, OptionName.SO_SNDTIMEO, [words(0, 10_000), words(0, 4_000), words(0, 1_000_000), words(-1, 0), words(0, -1)]),
    (1, OptionName.SO_LINGER, [integers(1, 0), integers(1, 1), integers(0, 0), integers(0, 5), integers(7, 0)]),
    (1, OptionName.SO_BINDTODEVICE, [[108, 111], [108, 111, 0], [110, 111, 110, 101], [], [0]]),
    (
      0, OptionName.IP_OPTIONS, [[], [1, 1, 1, 0], [7, 7, 4, 0, 0, 0, 0], [7, 3, 4], [68, 12, 5, 0, 0, 0, 0], [99]]
    ),
    (
      0, OptionName.IP_ADD_MEMBERSHIP,
      [
        [239, 1, 2, 3, 127, 0, 0, 1], [239, 1, 2, 4, 127, 0, 0, 1], [239, 1, 2, 3] + integers(0, 1),
        [10, 0, 0, 1] + home,
      ]
    ),
    (
      0, OptionName.IP_DROP_MEMBERSHIP,
      [
        [239, 1, 2, 3, 127, 0, 0, 1], [239, 1, 2, 4, 127, 0, 0, 1], [239, 1, 2, 3] + integers(0, 1),
        [10, 0, 0, 1] + home,
      ]
    ),
    (
      0, OptionName.IP_MULTICAST_IF,
      [home, [8, 8, 8, 8], [0, 0, 0, 0], [239, 1, 2, 3, 127, 0, 0, 1], [0, 0, 0, 0, 0, 0, 0, 0] + integers(1)]
    ),
    (6, OptionName.TCP_CONGESTION, [Array("cubic".utf8), Array("reno".utf8), Array("none".utf8), []]),
    (6, OptionName.TCP_ULP, [Array("none".utf8)]),
    (
      0, OptionName.IP_LOCAL_PORT_RANGE,
      [integers(0), integers(Int32(bitPattern: 41000 << 16 | 40000)), integers(40000 << 16 | 1)]
    ),
  ]

  /// Control messages, mostly good ones.
  func control(_ kind: Kind?) -> [UInt8] {
    let messages: [ControlMessage] = [
      ControlMessage(0, OptionName.IP_TTL, one(of: [1, 64, 255, 0, 256, -1])),
      ControlMessage(0, OptionName.IP_TOS, one(of: [0, 4, 0xB8, 255, 256])),
      ControlMessage(0, OptionName.IP_PKTINFO, Self.integers(one(of: [0, 1, 77]), 0, 0)),
      ControlMessage(
        0, OptionName.IP_PKTINFO,
        Self.integers(0) + one(of: [Self.home, [127, 0, 0, 2], [8, 8, 8, 8]]) + Self.integers(0)),
      ControlMessage(0, OptionName.IP_PROTOCOL, one(of: [17, 1, 0, 300])),
      ControlMessage(0, OptionName.IP_RETOPTS, [1, 1, 1, 0]),
      ControlMessage(17, OptionName.UDP_SEGMENT, [3, 0]), ControlMessage(17, OptionName.UDP_SEGMENT, [0, 0, 0, 0]),
      ControlMessage(1, OptionName.SO_MARK, 3), ControlMessage(1, OptionName.SO_PRIORITY, 3),
      ControlMessage(1, OptionName.SO_TIMESTAMPING, one(of: kind == .stream ? [0, 2, 1 << 20] : [0, 1 << 20])),
      ControlMessage(1, 1, [0, 0, 0, 0]),
      ControlMessage(6, 1, 1), ControlMessage(0, 99, 1), ControlMessage(99, 1, []),
    ]
    var message = one(of: messages)
    if chance(0.1) { message.length = one(of: [0, 15, 16, 17, 20, 100, -1, Int.max]) }
    var bytes = message.bytes
    if chance(0.2) { bytes += one(of: messages).bytes }
    if chance(0.08) { bytes.removeLast(number(1...(bytes.count - 1))) }
    return bytes
  }
}
