import Packets

/// A `struct ifreq` (netdevice(7)): 16 bytes of name, and 24 of a union.
struct InterfaceRequest {
  private(set) var bytes: [UInt8]

  static let byteCount = 40

  /// EFAULT for too few bytes.
  init(_ bytes: [UInt8]) throws(Errno) {
    guard bytes.count >= Self.byteCount else { throw .EFAULT }
    self.bytes = Array(bytes.prefix(Self.byteCount))
  }

  init(name: String) {
    bytes = [UInt8](repeating: 0, count: Self.byteCount)
    put(name: name)
  }

  /// The name as it stands there: `lo:1` is another address of `lo`, as names of addresses once were.
  var label: String { String(octets: bytes.prefix(15).prefix { $0 != 0 }) }
  /// The name of the interface in it.
  var device: String { String(label.prefix { $0 != ":" }) }
  var isAlias: Bool { label.contains(":") }

  /// The union as a number.
  var number: Int32 { load(16) }
  var flags: UInt16 { load(16) }
  /// The union as a `struct sockaddr`: family, IPv4 address, hardware address.
  var family: UInt16 { load(16) }
  var address: IPv4Address { IPv4Address(rawValue: UInt32(bigEndian: load(20))) }
  var hardwareAddress: MACAddress { MACAddress(rawValue: bytes[18..<24].reduce(0) { $0 << 8 | UInt64($1) }) }
  /// The union as a name (SIOCSIFNAME).
  var newName: [UInt8] { Array(bytes[16..<31].prefix { $0 != 0 }) }
  /// The union as a pointer.
  var pointer: UInt { load(16) }

  private func load<T: BitwiseCopyable>(_ offset: Int) -> T {
    bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: T.self) }
  }

  /// Writes the union's first bytes.
  mutating func put(_ value: [UInt8]) { bytes.replaceSubrange(16..<(16 + value.count), with: value) }

  mutating func put(_ address: IPv4Address) {
    put(SocketAddress.encode(Endpoint(address, 0)))
  }

  mutating func put(name: String) {
    let name = name.octets.prefix(15)
    bytes.replaceSubrange(0..<16, with: name + [UInt8](repeating: 0, count: 16 - name.count))
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
