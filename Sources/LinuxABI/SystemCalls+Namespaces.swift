/// A namespace that a descriptor stands for (ioctl_nsfs(2)). A bench has one of each kind; the raw value is that of the
/// CLONE_NEW* flag.
enum Namespace: Int32 {
  case network = 0x4000_0000
  case user = 0x1000_0000

  /// The number that no other namespace gets (NS_GET_ID): those of Linux's first ones.
  var identifier: UInt64 { self == .network ? 3 : 7 }
}

/// Requests of ioctl(2) on a namespace (linux/nsfs.h).
private enum NamespaceRequest {
  static let NS_GET_USERNS: UInt = 0xB701
  static let NS_GET_PARENT: UInt = 0xB702
  static let NS_GET_NSTYPE: UInt = 0xB703
  static let NS_GET_OWNER_UID: UInt = 0xB704
  /// NS_GET_MNTNS_ID, NS_GET_PID_FROM_PIDNS and its kin, NS_MNT_GET_INFO and its kin: what namespaces of processes and
  /// of mounts know.
  static let ofOthers: Set<UInt> = [0x8008_B705, 0x8004_B706, 0x8004_B707, 0x8004_B708, 0x8004_B709]
  static let ofMounts: ClosedRange<UInt> = 0xB70A...0xB70C
  static let NS_GET_ID: UInt = 0x8008_B70D
}

extension SystemCalls {
  /// A descriptor of a namespace (SIOCGSKNS, NS_GET_USERNS), closed on exec.
  func openNamespace(_ namespace: Namespace) throws(Errno) -> Int {
    Int(try table.insert(OpenFile(.namespace(namespace)), closesOnExec: true))
  }

  /// ioctl(2) on a namespace. Returns what the call does: a descriptor, a kind, or 0.
  func namespaceControl(
    _ namespace: Namespace, _ file: OpenFile, _ request: UInt, _ a: Arguments
  ) throws(Errno) -> Int {
    let address = a.word(2)
    switch request {
    // The first user namespace has nobody above it.
    case NamespaceRequest.NS_GET_USERNS:
      guard namespace != .user else { throw .EPERM }
      return try openNamespace(.user)
    case NamespaceRequest.NS_GET_PARENT: throw namespace == .user ? .EPERM : .EINVAL
    case NamespaceRequest.NS_GET_NSTYPE: return Int(namespace.rawValue)
    case NamespaceRequest.NS_GET_OWNER_UID:
      guard namespace == .user else { throw .EINVAL }
      try a.memory.store(UInt32(0), at: address)
    case NamespaceRequest.NS_GET_ID: try a.memory.store(namespace.identifier, at: address)
    case FileRequest.FIBMAP:
      _ = try a.memory.load(address, as: Int32.self)
      throw .EINVAL
    case FileRequest.FIOQSIZE: try a.memory.store(Int64(0), at: address)
    case ControlRequest.FIONREAD: try a.memory.store(Int32(0), at: address)
    case ControlRequest.FIONBIO, ControlRequest.FIOASYNC, ControlRequest.FIOCLEX, ControlRequest.FIONCLEX:
      let isNumbered = request == ControlRequest.FIONBIO || request == ControlRequest.FIOASYNC
      _ = try control(
        a.int(0), file, request, isNumbered ? try a.memory.load(address, as: Int32.self) : 0)
    case let other where NamespaceRequest.ofOthers.contains(other): throw .EINVAL
    // Of these the size of what they take may grow.
    case let other
    where other >> 30 == 2 && NamespaceRequest.ofMounts.contains(other & 0xFFFF)
      && other >> 16 & 0x3FFF >= 16:
      throw .EINVAL
    default: throw .ENOTTY
    }
    return 0
  }
}
