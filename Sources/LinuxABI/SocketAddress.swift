import Packets

/// `struct sockaddr_in` as bytes: family (host order), port and address (network order), eight bytes of padding.
public enum SocketAddress {
  /// sizeof(struct sockaddr_in).
  public static let byteCountIPv4 = 16

  /// What bind(2) and connect(2) were given.
  enum Decoded: Equatable {
    case inet(Endpoint)
    /// AF_UNSPEC: connect(2) takes it as "disconnect", bind(2) only with the wildcard address.
    case unspecified(Endpoint)
  }

  /// Decodes `bytes` as Linux's AF_INET code does: EINVAL if shorter than `sockaddr_in` (AF_UNSPEC needs only the
  /// family), EAFNOSUPPORT for another family.
  static func decode(_ bytes: UnsafeRawBufferPointer) throws(Errno) -> Decoded {
    guard bytes.count >= 2 else { throw .EINVAL }
    let family = Int32(bytes.loadUnaligned(fromByteOffset: 0, as: UInt16.self))
    if family == SocketDomain.AF_UNSPEC {
      return .unspecified(bytes.count >= byteCountIPv4 ? endpoint(bytes) : Endpoint(.any, 0))
    }
    guard bytes.count >= byteCountIPv4 else { throw .EINVAL }
    guard family == SocketDomain.AF_INET else { throw .EAFNOSUPPORT }
    return .inet(endpoint(bytes))
  }

  /// Port and address, whatever the family.
  static func endpoint(_ bytes: UnsafeRawBufferPointer) -> Endpoint {
    let port = UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
    let address = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
    return Endpoint(IPv4Address(rawValue: address), port)
  }

  /// The 16 bytes of the `sockaddr_in` of `endpoint`.
  public static func encode(_ endpoint: Endpoint) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: byteCountIPv4)
    bytes[0] = UInt8(SocketDomain.AF_INET)
    bytes[2] = UInt8(endpoint.port >> 8)
    bytes[3] = UInt8(truncatingIfNeeded: endpoint.port)
    let address = endpoint.address.v4?.rawValue ?? 0
    for i in 0..<4 { bytes[4 + i] = UInt8(truncatingIfNeeded: address >> UInt32(24 - 8 * i)) }
    return bytes
  }
}
