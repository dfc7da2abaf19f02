/// Offsets of the fields of a DHCP message from its start, in bytes (RFC 2131 2).
public enum DHCPField {
  public static var operation: Int { 0 }
  public static var hardwareType: Int { 1 }
  public static var hardwareLength: Int { 2 }
  public static var hops: Int { 3 }
  public static var transactionIdentifier: Int { 4 }
  public static var seconds: Int { 8 }
  public static var flags: Int { 10 }
  public static var clientAddress: Int { 12 }
  public static var yourAddress: Int { 16 }
  public static var serverAddress: Int { 20 }
  public static var relayAddress: Int { 24 }
  public static var clientHardwareAddress: Int { 28 }
  public static var serverName: Int { 44 }
  public static var bootFile: Int { 108 }
  public static var magicCookie: Int { 236 }
  public static var options: Int { 240 }
}

/// The code of a DHCP option (RFC 2132). Open to values without a name.
@frozen public struct DHCPOptionCode: RawRepresentable, Hashable, Sendable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  public static let subnetMask = DHCPOptionCode(rawValue: 1)
  public static let router = DHCPOptionCode(rawValue: 3)
  public static let domainNameServer = DHCPOptionCode(rawValue: 6)
  public static let hostName = DHCPOptionCode(rawValue: 12)
  public static let domainName = DHCPOptionCode(rawValue: 15)
  public static let interfaceMTU = DHCPOptionCode(rawValue: 26)
  public static let broadcastAddress = DHCPOptionCode(rawValue: 28)
  public static let requestedAddress = DHCPOptionCode(rawValue: 50)
  public static let leaseTime = DHCPOptionCode(rawValue: 51)
  public static let overload = DHCPOptionCode(rawValue: 52)
  public static let messageType = DHCPOptionCode(rawValue: 53)
  public static let serverIdentifier = DHCPOptionCode(rawValue: 54)
  public static let parameterRequestList = DHCPOptionCode(rawValue: 55)
  public static let message = DHCPOptionCode(rawValue: 56)
  public static let maximumMessageSize = DHCPOptionCode(rawValue: 57)
  public static let renewalTime = DHCPOptionCode(rawValue: 58)
  public static let rebindingTime = DHCPOptionCode(rawValue: 59)
  public static let vendorClass = DHCPOptionCode(rawValue: 60)
  public static let clientIdentifier = DHCPOptionCode(rawValue: 61)
  public static let tftpServerName = DHCPOptionCode(rawValue: 66)
  public static let bootFile = DHCPOptionCode(rawValue: 67)
  public static let domainSearch = DHCPOptionCode(rawValue: 119)
  public static let classlessRoutes = DHCPOptionCode(rawValue: 121)
}

/// What a DHCP message wants (RFC 2132 9.6).
@frozen public enum DHCPMessageType: UInt8, Sendable {
  case discover = 1
  case offer
  case request
  case decline
  case acknowledge
  case negativeAcknowledge
  case release
  case inform
}

/// A view of a DHCP message (RFC 2131, options of RFC 2132): the UDP payload.
@frozen public struct DHCPMessage: ~Escapable {
  public let bytes: RawSpan

  /// Nil if the message is too short for its fixed part or lacks the magic cookie.
  @_lifetime(copy message)
  public init?(_ message: RawSpan) {
    guard message.byteCount >= DHCPField.options,
      message.loadBigEndian(DHCPField.magicCookie, as: UInt32.self) == 0x6382_5363
    else { return nil }
    bytes = message
  }

  /// op: true for BOOTREQUEST, client to server.
  public var isRequest: Bool { bytes.octet(0) == 1 }
  /// op: true for BOOTREPLY, server to client.
  public var isReply: Bool { bytes.octet(0) == 2 }
  /// xid
  public var transactionIdentifier: UInt32 { bytes.loadBigEndian(DHCPField.transactionIdentifier) }
  /// secs
  public var seconds: UInt16 { bytes.loadBigEndian(DHCPField.seconds) }
  /// The BROADCAST flag.
  public var wantsBroadcast: Bool { bytes.octet(DHCPField.flags) & 0x80 != 0 }
  /// ciaddr
  public var clientAddress: IPv4Address { bytes.ipv4Address(DHCPField.clientAddress) }
  /// yiaddr
  public var yourAddress: IPv4Address { bytes.ipv4Address(DHCPField.yourAddress) }
  /// siaddr
  public var serverAddress: IPv4Address { bytes.ipv4Address(DHCPField.serverAddress) }
  /// giaddr
  public var relayAddress: IPv4Address { bytes.ipv4Address(DHCPField.relayAddress) }
  /// chaddr, where the hardware is Ethernet.
  public var clientHardwareAddress: MACAddress? {
    bytes.octet(DHCPField.hardwareType) == 1 && bytes.octet(DHCPField.hardwareLength) == 6
      ? bytes.macAddress(DHCPField.clientHardwareAddress) : nil
  }

  /// The body of the first option with this code: in the options field, then where option 52 says so in `file` and
  /// `sname` (RFC 2131 4.1). Nil if there is none.
  @_lifetime(copy self)
  public func option(_ code: DHCPOptionCode) -> RawSpan? {
    let main = bytes.extracting(DHCPField.options..<bytes.byteCount)
    if let range = Self.find(code, in: main, from: 0) { return main.extracting(range) }
    for overloaded in overloadedFields {
      let field = bytes.extracting(overloaded)
      if let range = Self.find(code, in: field, from: 0) { return field.extracting(range) }
    }
    return nil
  }

  /// The bodies of all options with this code, one behind the other (RFC 3396 7), as bytes of their own.
  public func joinedOption(_ code: DHCPOptionCode) -> [UInt8]? {
    var result: [UInt8]?
    for region in [DHCPField.options..<bytes.byteCount] + overloadedFields {
      let field = bytes.extracting(region)
      var offset = 0
      while let range = Self.find(code, in: field, from: offset) {
        result = (result ?? []) + field.extracting(range).array
        offset = range.upperBound
      }
    }
    return result
  }

  /// `file` and `sname`, as far as they hold options.
  private var overloadedFields: [Range<Int>] {
    let main = bytes.extracting(DHCPField.options..<bytes.byteCount)
    guard let range = Self.find(.overload, in: main, from: 0), range.count == 1 else { return [] }
    let value = main.octet(range.lowerBound)
    return (value & 1 != 0 ? [DHCPField.bootFile..<DHCPField.magicCookie] : [])
      + (value & 2 != 0 ? [DHCPField.serverName..<DHCPField.bootFile] : [])
  }

  /// Where the body of the next option with this code lies. Reading ends at the end option, at the end of the field, or
  /// at an option that does not fit.
  private static func find(_ code: DHCPOptionCode, in field: RawSpan, from start: Int) -> Range<Int>? {
    var offset = start
    while offset < field.byteCount {
      let found = field.octet(offset)
      if found == 255 { return nil }
      if found == 0 {
        offset += 1
        continue
      }
      guard field.byteCount - offset >= 2 else { return nil }
      let length = Int(field.octet(offset + 1))
      guard field.byteCount - offset - 2 >= length else { return nil }
      if found == code.rawValue { return (offset + 2)..<(offset + 2 + length) }
      offset += 2 + length
    }
    return nil
  }
}

extension DHCPMessage {
  /// Nil if the option is missing or has no known value: then it is a BOOTP message.
  public var messageType: DHCPMessageType? { number(.messageType, UInt8.self).flatMap(DHCPMessageType.init) }
  public var subnetMask: IPv4Address? { address(.subnetMask) }
  public var routers: [IPv4Address] { addresses(.router) }
  public var domainNameServers: [IPv4Address] { addresses(.domainNameServer) }
  public var broadcastAddress: IPv4Address? { address(.broadcastAddress) }
  public var requestedAddress: IPv4Address? { address(.requestedAddress) }
  public var serverIdentifier: IPv4Address? { address(.serverIdentifier) }
  /// Seconds; 0xFFFFFFFF is forever.
  public var leaseTime: UInt32? { number(.leaseTime) }
  /// T1, seconds.
  public var renewalTime: UInt32? { number(.renewalTime) }
  /// T2, seconds.
  public var rebindingTime: UInt32? { number(.rebindingTime) }
  public var interfaceMTU: UInt16? { number(.interfaceMTU) }
  public var domainName: String? { text(.domainName) }
  public var hostName: String? { text(.hostName) }
  /// Why a server said no.
  public var message: String? { text(.message) }

  /// The number in an option of exactly its size.
  public func number<T: FixedWidthInteger & BitwiseCopyable>(_ code: DHCPOptionCode, _ type: T.Type = T.self) -> T? {
    guard let body = option(code), body.byteCount == MemoryLayout<T>.size else { return nil }
    return body.loadBigEndian(0, as: T.self)
  }

  /// The address in an option of exactly four bytes.
  public func address(_ code: DHCPOptionCode) -> IPv4Address? {
    number(code, UInt32.self).map { IPv4Address(rawValue: $0) }
  }

  /// The addresses in an option; bytes behind the last whole address are left out.
  public func addresses(_ code: DHCPOptionCode) -> [IPv4Address] {
    guard let body = option(code) else { return [] }
    return (0..<body.byteCount / 4).map { body.ipv4Address(4 * $0) }
  }

  /// The text in an option, without zero bytes at its end.
  public func text(_ code: DHCPOptionCode) -> String? {
    guard let body = option(code) else { return nil }
    var bytes = body.array
    while bytes.last == 0 { bytes.removeLast() }
    return String(decoding: bytes, as: UTF8.self)
  }
}
