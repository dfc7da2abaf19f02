import Packets

/// A `struct ifreq` (netdevice(7)): 16 bytes of name, and 24 of a union.
struct InterfaceRequest {
  private var fields: UserStructure
  var bytes: [UInt8] { fields.bytes }

  static let byteCount = 40

  /// EFAULT for too few bytes.
  init(_ bytes: [UInt8]) throws(Errno) {
    guard bytes.count >= Self.byteCount else { throw .EFAULT }
    fields = UserStructure(bytes.prefix(Self.byteCount))
  }

  init(name: String) {
    fields = UserStructure(repeatElement(0, count: Self.byteCount))
    put(name: name)
  }

  /// The name as it stands there: `lo:1` is another address of `lo`, as names of addresses once were.
  var label: String { String(octets: fields.name(0..<15)) }
  /// The name of the interface in it.
  var device: String { String(label.prefix { $0 != ":" }) }
  var isAlias: Bool { label.contains(":") }

  /// The union as a number.
  var number: Int32 { fields.load(16) }
  var flags: UInt16 { fields.load(16) }
  /// The union as a `struct sockaddr`: family, IPv4 address, hardware address.
  var family: UInt16 { fields.load(16) }
  var address: IPv4Address { fields.ipv4(16) }
  var hardwareAddress: MACAddress { fields.hardwareAddress(16) }
  /// The union as a name (SIOCSIFNAME).
  var newName: [UInt8] { fields.name(16..<31) }
  /// The union as a pointer.
  var pointer: UInt { fields.load(16) }

  /// Writes the union's first bytes.
  mutating func put(_ value: [UInt8]) { fields.bytes.replaceSubrange(16..<(16 + value.count), with: value) }

  mutating func put(_ address: IPv4Address) {
    put(SocketAddress.encode(Endpoint(address, 0)))
  }

  mutating func put(name: String) {
    let name = name.octets.prefix(15)
    fields.bytes.replaceSubrange(0..<16, with: name + [UInt8](repeating: 0, count: 16 - name.count))
  }
}

extension String {
  /// A name of octets, as those of interfaces are: every octet is a character (ISO 8859-1), so that none is lost and no
  /// two names are one.
  init(octets: some Sequence<UInt8>) {
    self.init(String.UnicodeScalarView(octets.map { Unicode.Scalar($0) }))
  }

  /// The octets of such a name.
  var octets: [UInt8] { unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) } }
}
