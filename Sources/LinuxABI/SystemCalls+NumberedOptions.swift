import NetStack
import Sockets

// setsockopt(2) and getsockopt(2) with pointers.
extension SystemCalls {
  func setOption(_ a: Arguments) throws(Errno) {
    let socket = try file(a.int(0)).socket
    let length = Int(a.int(4))
    guard length >= 0 else { throw .EINVAL }
    let value: UnsafeMutableRawBufferPointer
    do throws(Errno) { value = try a.memory.bytes(a.word(3), length) } catch {
      if let refusal = Self.refusal(socket, a.int(1), a.int(2), length) { throw refusal }
      // No more is read than counts: of a name up to its end.
      let present = a.memory.stretch(a.word(3), length)
      let isName = a.int(1) == Protocol.IPPROTO_TCP && Self.streamNames.contains(a.int(2))
      let size = Self.size(of: a.int(1), a.int(2), socket)
      // The IP level reads one byte where no `int` fits (ip(7)).
      let needed = a.int(1) == Protocol.IPPROTO_IP && size == 4 && length < 4 ? 1 : size
      guard isName ? present.contains(0) : present.count >= needed else { throw error }
      if a.int(1) == Protocol.IPPROTO_IP, let kept = KeptOption.find(a.int(1), a.int(2)),
        !kept.length.contains(length)
      {
        throw .EINVAL
      }
      value = present
    }
    if a.int(1) == OptionName.SOL_SOCKET,
      [OptionName.SO_ATTACH_FILTER, OptionName.SO_ATTACH_REUSEPORT_CBPF].contains(a.int(2))
    {
      return try attachProgram(a.int(0), a.int(2), UnsafeRawBufferPointer(value), a.memory)
    }
    if a.int(1) == Protocol.IPPROTO_IP, [OptionName.IP_XFRM_POLICY, OptionName.IP_IPSEC_POLICY].contains(a.int(2)),
      length == 0, a.word(3) != 0
    {
      throw .EMSGSIZE
    }
    try setsockopt(a.int(0), a.int(1), a.int(2), UnsafeRawBufferPointer(value))
  }

  func getOption(_ a: Arguments) throws(Errno) {
    let (level, name) = (a.int(1), a.int(2))
    let socket = try file(a.int(0)).socket
    if let refusal = Self.levelRefusal(socket, level, name) { throw refusal }
    let room = try a.memory.load(a.word(4), as: Int32.self)
    guard room >= 0 else { throw .EINVAL }
    if level == OptionName.SOL_SOCKET, name == OptionName.SO_GET_FILTER {
      return try storeFilter(socket, a, room: Int(room))
    }
    if level == Protocol.IPPROTO_TCP, name == OptionName.TCP_SAVED_SYN,
      let saved = (socket as? TCPSocket)?.connection?.savedHeaders, saved.count > room
    {
      // What would be enough is told even so.
      try a.memory.store(Int32(saved.count), at: a.word(4))
      throw .EINVAL
    }
    if level == Protocol.IPPROTO_TCP, name == OptionName.TCP_ZEROCOPY_RECEIVE, let stream = socket as? TCPSocket {
      return try receiveByPages(stream, a, room: Int(room))
    }
    let asked = try askedFilter(a, room: Int(room))
    let bytes =
      if let asked { asked } else { try getsockopt(a.int(0), level, name, room: Int(room)) }
    // An interface's name is told whole or not at all.
    if level == OptionName.SOL_SOCKET, name == OptionName.SO_BINDTODEVICE, !bytes.isEmpty, room < 16 {
      throw .EINVAL
    }
    // The IP level answers in one byte where no `int` fits (ip(7)).
    let isByte =
      level == Protocol.IPPROTO_IP && name != OptionName.IP_MULTICAST_IF && name != OptionName.IP_OPTIONS
      && (1..<4).contains(room) && bytes.dropFirst().allSatisfy { $0 == 0 } && !bytes.isEmpty
    let part = bytes.prefix(isByte ? 1 : Int(room))
    // The protocols store the length first, which is seen where there is no memory for the value.
    if level != OptionName.SOL_SOCKET { try a.memory.store(Int32(part.count), at: a.word(4)) }
    try a.memory.copy(part, to: a.word(3))
    if level == OptionName.SOL_SOCKET { try a.memory.store(Int32(part.count), at: a.word(4)) }
  }

  /// IP_MSFILTER and MCAST_MSFILTER, whose value says what is asked for; nil for other options.
  private func askedFilter(_ a: Arguments, room: Int) throws(Errno) -> [UInt8]? {
    guard a.int(1) == Protocol.IPPROTO_IP, [OptionName.IP_MSFILTER, OptionName.MCAST_MSFILTER].contains(a.int(2)) else {
      return nil
    }
    guard room >= (a.int(2) == OptionName.IP_MSFILTER ? 16 : 144) else { throw .EINVAL }
    return try sourceFilter(
      try file(a.int(0)).socket, a.int(2), UnsafeRawBufferPointer(try a.memory.bytes(a.word(3), room)))
  }
}
