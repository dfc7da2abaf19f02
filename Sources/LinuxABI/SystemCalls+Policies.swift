import NetStack
import Packets
import Sockets

// IP_XFRM_POLICY and IP_IPSEC_POLICY (ip(7); Linux `xfrm_user_policy`).
extension SystemCalls {
  /// PAGE_SIZE
  static let pageSize = 4096

  /// What setsockopt(2) says of a policy's length alone; nil: it is looked at.
  static func policyRefusal(_ count: Int) -> Errno? { (1...pageSize).contains(count) ? nil : .EMSGSIZE }

  /// Sets the policy of one direction; without any bytes (a null pointer) both are gone.
  func setPolicy(_ socket: any Socket, _ name: Int32, _ value: UnsafeRawBufferPointer) throws(Errno) {
    if value.isEmpty {
      socket.options.policies = nil
      return
    }
    if let refusal = Self.policyRefusal(value.count) { throw refusal }
    // The policies of PF_KEY sockets, of which there are none.
    guard name == OptionName.IP_XFRM_POLICY else { throw .EOPNOTSUPP }
    guard let information = PolicyInformation(value) else { throw .EINVAL }
    let before = socket.options.policies
    let isInbound = information.direction == 0
    socket.options.policies = SecurityPolicies(
      inbound: isInbound ? information.policy : before?.inbound,
      outbound: isInbound ? before?.outbound : information.policy)
  }
}

/// `struct xfrm_userpolicy_info` and the `struct xfrm_user_tmpl` behind it, checked as Linux's `xfrm_compile_policy`
/// does.
private struct PolicyInformation {
  /// XFRM_POLICY_IN, XFRM_POLICY_OUT
  let direction: UInt8
  /// Nil: it means no datagram of an IPv4 socket.
  let policy: SecurityPolicy?

  /// sizeof(struct xfrm_userpolicy_info), sizeof(struct xfrm_user_tmpl), XFRM_MAX_DEPTH
  private static let (size, templateSize, mostTemplates) = (168, 64, 6)
  private static let (ipv4, ipv6) = (UInt16(SocketDomain.AF_INET), UInt16(SocketDomain.AF_INET6))

  init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= Self.size else { return nil }
    func half(_ offset: Int) -> UInt16 { bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self) }
    func word(_ offset: Int) -> UInt32 { bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
    let (family, destinationLength, sourceLength) = (half(40), bytes[42], bytes[43])
    let (index, action) = (word(156), bytes[161])
    direction = bytes[160]
    // XFRM_SHARE_UNIQUE, XFRM_POLICY_BLOCK, and XFRM_POLICY_OUT: forwarding is no socket's affair.
    guard bytes[163] <= 3, action <= 1, direction <= 1, index == 0 || index & 7 == UInt32(direction) else { return nil }
    let longest: UInt8
    switch family {
    case Self.ipv4: longest = 32
    case Self.ipv6: longest = 128
    default: return nil
    }
    guard destinationLength <= longest, sourceLength <= longest else { return nil }
    guard let needsAssociation = Self.check(bytes, family, isOutbound: direction == 1) else { return nil }
    guard family == Self.ipv4 else {
      policy = nil
      return
    }
    func side(_ address: Int, _ length: UInt8, _ port: Int) -> SecurityPolicy.Side {
      SecurityPolicy.Side(
        address: IPv4Address(rawValue: word(address).bigEndian), prefixLength: Int(length), port: half(port).bigEndian,
        portMask: half(port + 2).bigEndian)
    }
    policy = SecurityPolicy(
      action: action == 1 ? .block : needsAssociation ? .protect : .pass, source: side(16, sourceLength, 36),
      destination: side(0, destinationLength, 32), protocol: bytes[44], interface: Int(Int32(bitPattern: word(48))))
  }

  /// Whether the templates want datagrams to be protected (Linux `validate_tmpl`); nil: they are wrong.
  private static func check(_ bytes: UnsafeRawBufferPointer, _ family: UInt16, isOutbound: Bool) -> Bool? {
    let count = (bytes.count - size) / templateSize
    guard count <= mostTemplates else { return nil }
    var (previous, needsAssociation) = (family, false)
    for i in 0..<count {
      let start = size + i * templateSize
      let (mode, isOptional) = (bytes[start + 48], bytes[start + 50] != 0)
      var own = bytes.loadUnaligned(fromByteOffset: start + 24, as: UInt16.self)
      if own == 0 { own = family }
      switch mode {
      // XFRM_MODE_TUNNEL, XFRM_MODE_BEET, XFRM_MODE_IPTFS: the datagram outside may be of another family.
      case 1, 4, 5: if isOptional, isOutbound { return nil }
      // XFRM_MODE_TRANSPORT, XFRM_MODE_ROUTEOPTIMIZATION, XFRM_MODE_IN_TRIGGER
      case 0, 2, 3: if own != previous { return nil }
      default: return nil
      }
      previous = own
      guard own == ipv4 || own == ipv6, transformProtocols.contains(bytes[start + 20]) else { return nil }
      if !isOptional { needsAssociation = true }
    }
    return needsAssociation
  }

  /// IPPROTO_ROUTING, ESP, AH, DSTOPTS, COMP
  private static let transformProtocols: [UInt8] = [43, 50, 51, 60, 108]
}
