/// An option of a DHCP message as a value, to be written.
public struct DHCPOption: Sendable, Equatable {
  public var code: DHCPOptionCode
  /// A body longer than 255 bytes is written as several options (RFC 3396).
  public var body: [UInt8]

  public init(_ code: DHCPOptionCode, _ body: [UInt8]) {
    self.code = code
    self.body = body
  }
  public init(_ type: DHCPMessageType) { self.init(.messageType, [type.rawValue]) }
  public init(_ code: DHCPOptionCode, _ addresses: IPv4Address...) {
    self.init(code, addresses.flatMap { bigEndianBytes($0.rawValue) })
  }
  /// A number in as many bytes as its type has.
  public init(_ code: DHCPOptionCode, number: some FixedWidthInteger) { self.init(code, bigEndianBytes(number)) }
  public init(_ code: DHCPOptionCode, text: String) { self.init(code, [UInt8](text.utf8)) }
}

/// The octets of `value` in network order.
func bigEndianBytes<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
  (0..<T.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> T(T.bitWidth - 8 - 8 * $0)) }
}

extension DHCPMessage {
  /// The content of a DHCP message for Ethernet as values, to be written.
  public struct Fields: Sendable, Equatable {
    /// BOOTREQUEST or BOOTREPLY.
    public var isRequest: Bool
    public var transactionIdentifier: UInt32
    public var seconds: UInt16
    public var wantsBroadcast: Bool
    public var clientAddress: IPv4Address
    public var yourAddress: IPv4Address
    public var serverAddress: IPv4Address
    public var relayAddress: IPv4Address
    public var clientHardwareAddress: MACAddress
    /// file, at most 127 bytes of UTF-8: what is beyond is cut off.
    public var bootFile: String
    public var options: [DHCPOption]

    public init(
      isRequest: Bool, transactionIdentifier: UInt32, clientHardwareAddress: MACAddress, seconds: UInt16 = 0,
      wantsBroadcast: Bool = false, clientAddress: IPv4Address = .any, yourAddress: IPv4Address = .any,
      serverAddress: IPv4Address = .any, relayAddress: IPv4Address = .any, bootFile: String = "",
      options: [DHCPOption]
    ) {
      self.isRequest = isRequest
      self.transactionIdentifier = transactionIdentifier
      self.seconds = seconds
      self.wantsBroadcast = wantsBroadcast
      self.clientAddress = clientAddress
      self.yourAddress = yourAddress
      self.serverAddress = serverAddress
      self.relayAddress = relayAddress
      self.clientHardwareAddress = clientHardwareAddress
      self.bootFile = bootFile
      self.options = options
    }

    /// The message as bytes, with the end option and padded to the 300 bytes of BOOTP (RFC 1542 2.1).
    public func encoded() -> [UInt8] {
      var bytes: [UInt8] = [isRequest ? 1 : 2, 1, 6, 0]
      bytes += bigEndianBytes(transactionIdentifier)
      bytes += bigEndianBytes(seconds)
      bytes += [wantsBroadcast ? 0x80 : 0, 0]
      for address in [clientAddress, yourAddress, serverAddress, relayAddress] {
        bytes += bigEndianBytes(address.rawValue)
      }
      bytes += clientHardwareAddress.octets
      bytes += [UInt8](repeating: 0, count: DHCPField.bootFile - bytes.count)
      bytes += bootFile.utf8.prefix(127)
      bytes += [UInt8](repeating: 0, count: DHCPField.magicCookie - bytes.count)
      bytes += [0x63, 0x82, 0x53, 0x63]
      for option in options {
        var rest = option.body[...]
        repeat {
          let part = rest.prefix(255)
          bytes += [option.code.rawValue, UInt8(part.count)] + part
          rest = rest.dropFirst(255)
        } while !rest.isEmpty
      }
      bytes.append(255)
      if bytes.count < 300 { bytes += [UInt8](repeating: 0, count: 300 - bytes.count) }
      return bytes
    }
  }
}
