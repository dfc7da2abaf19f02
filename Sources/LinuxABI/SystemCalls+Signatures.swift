import NetStack
import Packets
import Sockets

// TCP_MD5SIG and TCP_MD5SIG_EXT (tcp(7); Linux `tcp_v4_parse_md5_keys`).
extension SystemCalls {
  /// `struct tcp_md5sig`: offsets behind the address, and its size.
  private enum SignatureField {
    static let (flags, prefixLength, keyLength, interface, key, end) = (128, 129, 130, 132, 136, 216)
    static let longestKey = 80
  }

  func setSignatureKey(_ socket: any Socket, _ name: Int32, _ value: UnsafeRawBufferPointer) throws(Errno) {
    guard value.count >= SignatureField.end,
      value.loadUnaligned(as: UInt16.self) == UInt16(SocketDomain.AF_INET)
    else { throw .EINVAL }
    // TCP_MD5SIG_FLAG_PREFIX, TCP_MD5SIG_FLAG_IFINDEX
    let (hasPrefix, hasInterface) = (value[SignatureField.flags] & 1 != 0, value[SignatureField.flags] & 2 != 0)
    let isExtended = name == OptionName.TCP_MD5SIG_EXT
    var prefixLength = 32
    if isExtended, hasPrefix {
      prefixLength = Int(value[SignatureField.prefixLength])
      guard prefixLength <= 32 else { throw .EINVAL }
    }
    // Only an interface with others below it (a VRF) can be named.
    let interface = value.loadUnaligned(fromByteOffset: SignatureField.interface, as: Int32.self)
    guard !isExtended || !hasInterface || interface == 0 else { throw .EINVAL }
    let count = Int(value.loadUnaligned(fromByteOffset: SignatureField.keyLength, as: UInt16.self))
    let address = IPv4Address(rawValue: value.loadUnaligned(fromByteOffset: 4, as: UInt32.self).bigEndian)
    let bytes = value[SignatureField.key..<(SignatureField.key + min(count, SignatureField.longestKey))]
    let key = TCPSignatureKey(
      address: address, prefixLength: prefixLength, isForInterface: hasInterface, bytes: Array(bytes))
    let before = socket.options.signatureKeys
    if count == 0 {
      guard let left = before?.removing(key) else { throw .ENOENT }
      socket.options.signatureKeys = left
    } else {
      guard count <= SignatureField.longestKey else { throw .EINVAL }
      socket.options.signatureKeys = before?.adding(key) ?? TCPSignatureKeys(key)
    }
  }
}
