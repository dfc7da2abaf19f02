import Packets

/// A C structure that a program handed over: its fields by their offsets.
struct UserStructure {
  var bytes: [UInt8]

  init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

  func load<T: BitwiseCopyable>(_ offset: Int, as type: T.Type = T.self) -> T {
    bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: T.self) }
  }

  /// The address in a `struct sockaddr_in` that begins at `offset`.
  func ipv4(_ offset: Int) -> IPv4Address { IPv4Address(rawValue: UInt32(bigEndian: load(offset + 4))) }

  /// The hardware address in a `struct sockaddr` that begins at `offset`.
  func hardwareAddress(_ offset: Int) -> MACAddress { MACAddress(octets: bytes[(offset + 2)..<(offset + 8)]) }

  /// A name, which ends with its field or with a zero.
  func name(_ range: Range<Int>) -> [UInt8] { Array(bytes[range].prefix { $0 != 0 }) }
}
