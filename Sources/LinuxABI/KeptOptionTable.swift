import Sockets

// The options that are one number, by level (socket(7), ip(7), tcp(7), udp(7)).
extension KeptOption {
  static let table: [Int64: KeptOption] = {
    var table: [Int64: KeptOption] = [:]
    for (level, options) in [
      (OptionName.SOL_SOCKET, socketLevel), (Protocol.IPPROTO_IP, internetLevel), (Protocol.IPPROTO_TCP, streamLevel),
      (Protocol.IPPROTO_UDP, datagramLevel),
    ] {
      for (names, option) in options { for name in names { table[key(level, name)] = option } }
    }
    return table
  }()

  private typealias Entry = (names: [Int32], option: KeptOption)

  private static let socketLevel: [Entry] = [
    (
      [
        OptionName.SO_DEBUG, OptionName.SO_RXQ_OVFL, OptionName.SO_WIFI_STATUS,
        OptionName.SO_NOFCS, OptionName.SO_SELECT_ERR_QUEUE, OptionName.SO_PREFER_BUSY_POLL, OptionName.SO_RCVMARK,
        OptionName.SO_RCVPRIORITY,
      ], KeptOption(rule: .flag)
    ),
    ([OptionName.SO_NO_CHECK], KeptOption(rule: .flag, field: \SocketOptions.omitsSums)),
    ([OptionName.SO_LOCK_FILTER], KeptOption(rule: .lock)),
    ([OptionName.SO_BSDCOMPAT], KeptOption(rule: .ignored)),
    ([OptionName.SO_MARK], KeptOption(rule: .any, field: \SocketOptions.mark)),
    ([OptionName.SO_BUSY_POLL], KeptOption(rule: .range(0...Int32.max))),
    ([OptionName.SO_MAX_PACING_RATE, OptionName.SO_INCOMING_CPU], KeptOption(rule: .any, initial: -1)),
    ([OptionName.SO_BUSY_POLL_BUDGET], KeptOption(rule: .forgotten(0...65_535), isWriteOnly: true)),
    ([OptionName.SO_CNX_ADVICE], KeptOption(rule: .ignored, isWriteOnly: true)),
    (
      [OptionName.SO_PEEK_OFF],
      KeptOption(
        rule: .any, unknown: ([.ping, .raw], .EOPNOTSUPP), isUnknownToGet: true, field: \SocketOptions.peekOffset)
    ),
    (
      [OptionName.SO_ZEROCOPY],
      KeptOption(rule: .range(0...1), unknown: ([.ping, .raw], .EOPNOTSUPP), field: \SocketOptions.reportsZeroCopy)
    ),
    ([OptionName.SO_BUF_LOCK], KeptOption(rule: .range(0...3), field: \SocketOptions.lockedBuffers)),
    (
      [OptionName.SO_TXREHASH],
      KeptOption(
        rule: .replaced(-1...1, -1, by: 1), initial: 1, unknown: ([.datagram, .ping, .raw], .EOPNOTSUPP),
        isUnknownToGet: true)
    ),
    ([OptionName.SO_BPF_EXTENSIONS], KeptOption(rule: .readOnly, initial: 64)),
    ([OptionName.SO_INCOMING_NAPI_ID], KeptOption(rule: .readOnly)),
  ]

  private static let internetLevel: [Entry] = [
    (
      [
        OptionName.IP_PKTINFO, OptionName.IP_RECVTTL,
        OptionName.IP_RECVTOS, OptionName.IP_PASSSEC, OptionName.IP_RECVORIGDSTADDR,
      ], KeptOption(rule: .flag)
    ),
    ([OptionName.IP_CHECKSUM], KeptOption(rule: .flag, field: \SocketOptions.tellsSums)),
    ([OptionName.IP_RECVFRAGSIZE], KeptOption(rule: .flag, unknown: ([.stream], .EINVAL))),
    ([OptionName.IP_NODEFRAG], KeptOption(rule: .flag, unknown: ([.stream, .datagram, .ping], .ENOPROTOOPT))),
    ([OptionName.IP_RECVOPTS], KeptOption(rule: .flag, field: \SocketOptions.receivesOptions)),
    ([OptionName.IP_RETOPTS], KeptOption(rule: .flag, field: \SocketOptions.receivesReturnOptions)),
    ([OptionName.IP_RECVERR_RFC4884], KeptOption(rule: .range(0...1))),
    (
      [OptionName.IP_FREEBIND],
      KeptOption(rule: .flag, field: \SocketOptions.bindsForeignAddresses, length: 1...Int.max)
    ),
    ([OptionName.IP_TRANSPARENT], KeptOption(rule: .flag, field: \SocketOptions.isTransparent, length: 1...Int.max)),
    ([OptionName.IP_BIND_ADDRESS_NO_PORT], KeptOption(rule: .flag, field: \SocketOptions.bindsAddressOnly)),
    ([OptionName.IP_MINTTL], KeptOption(rule: .range(0...255), field: \SocketOptions.minimumTTL, length: 1...Int.max)),
    ([OptionName.IP_LOCAL_PORT_RANGE], KeptOption(rule: .ports, field: \SocketOptions.portRange, length: 4...4)),
  ]

  private static let streamLevel: [Entry] = [
    ([OptionName.TCP_SAVE_SYN], KeptOption(rule: .range(0...2), field: \SocketOptions.savesSyn)),
    // Without cookies of earlier connections every connection opens the ordinary way (RFC 7413 4.1).
    ([OptionName.TCP_FASTOPEN], KeptOption(rule: .limited(0...Int32.max, most: 4096), stage: .unconnected)),
    ([OptionName.TCP_FASTOPEN_CONNECT], KeptOption(rule: .range(0...1), stage: .idle)),
    ([OptionName.TCP_FASTOPEN_NO_COOKIE], KeptOption(rule: .range(0...1), stage: .unconnected)),
    ([OptionName.TCP_INQ], KeptOption(rule: .range(0...1))),
    // Departure times count for a queueing discipline only.
    ([OptionName.TCP_TX_DELAY], KeptOption(rule: .range(0...(1 << 28 - 1)))),
    (
      [OptionName.TCP_RTO_MAX_MS],
      KeptOption(rule: .range(1000...120_000), field: \SocketOptions.maximumRetransmitTimeout)
    ),
    (
      [OptionName.TCP_RTO_MIN_US],
      KeptOption(rule: .milliseconds(most: 200_000), field: \SocketOptions.minimumRetransmitTimeout)
    ),
    (
      [OptionName.TCP_DELACK_MAX_US],
      KeptOption(rule: .milliseconds(most: 200_000), field: \SocketOptions.maximumAckDelay)
    ),
    ([OptionName.TCP_IS_MPTCP], KeptOption(rule: .readOnly)),
  ]

  private static let datagramLevel: [Entry] = [
    ([OptionName.UDP_NO_CHECK6_TX, OptionName.UDP_NO_CHECK6_RX], KeptOption(rule: .flag)),
    ([OptionName.UDP_GRO], KeptOption(rule: .flag, field: \SocketOptions.joinsDatagrams)),
    ([OptionName.UDP_SEGMENT], KeptOption(rule: .range(0...65_535), field: \SocketOptions.segmentSize)),
    // What IPsec and L2TP put into UDP is not unwrapped here.
    ([OptionName.UDP_ENCAP], KeptOption(rule: .choice([0, 2, 3], .ENOPROTOOPT))),
  ]
}
