import NetStack
import Sockets

// SO_ATTACH_FILTER and SO_GET_FILTER (socket(7); Linux's filter.rst). SO_DETACH_FILTER is a plain option.
extension SystemCalls {
  /// sizeof(struct sock_filter), sizeof(struct sock_fprog)
  private static let (instructionSize, programSize) = (8, 16)

  /// Attaches a program that decides what the socket receives.
  ///
  /// - Throws: EPERM after SO_LOCK_FILTER, EINVAL for a program that Linux would not take.
  public func attachFilter(_ descriptor: Int32, _ program: [PacketFilter.Instruction]) throws(Errno) {
    let socket = try socketFor(.setsockopt, descriptor)
    try traced(.setsockopt, "\(descriptor), SOL_SOCKET, SO_ATTACH_FILTER", { 0 }) { () throws(Errno) in
      try checkUnlocked(socket)
      guard let filter = PacketFilter(program) else { throw .EINVAL }
      socket.options.filter = filter
    }
  }

  /// Attaches a program that chooses, by its place among them, which of those who share a port by SO_REUSEPORT receives
  /// (SO_ATTACH_REUSEPORT_CBPF).
  ///
  /// - Throws: as ``attachFilter(_:_:)``, and EINVAL if the socket shares no port.
  public func attachSharingProgram(_ descriptor: Int32, _ program: [PacketFilter.Instruction]) throws(Errno) {
    let socket = try socketFor(.setsockopt, descriptor)
    try traced(.setsockopt, "\(descriptor), SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF", { 0 }) { () throws(Errno) in
      try checkUnlocked(socket)
      guard let filter = PacketFilter(program) else { throw .EINVAL }
      _ = try errnoOf { () throws(SocketError) in try socket.exchangeSharingProgram(filter) }
    }
  }

  private func checkUnlocked(_ socket: any Socket) throws(Errno) {
    guard KeptOption.value(OptionName.SOL_SOCKET, OptionName.SO_LOCK_FILTER, of: socket) == 0 else { throw .EPERM }
  }

  /// SO_ATTACH_FILTER or SO_ATTACH_REUSEPORT_CBPF with a `struct sock_fprog`, whose program lies in `memory`.
  func attachProgram(
    _ descriptor: Int32, _ name: Int32, _ value: UnsafeRawBufferPointer, _ memory: UserMemory
  ) throws(Errno) {
    guard value.count == Self.programSize else { throw .EINVAL }
    try checkUnlocked(try file(descriptor).socket)
    let count = Int(value.loadUnaligned(as: UInt16.self))
    let address = value.loadUnaligned(fromByteOffset: 8, as: UInt.self)
    guard address != 0, (1...PacketFilter.limit).contains(count) else { throw .EINVAL }
    let bytes = try memory.bytes(address, count * Self.instructionSize)
    let program = (0..<count).map { i in
      PacketFilter.Instruction(
        code: bytes.loadUnaligned(fromByteOffset: i * 8, as: UInt16.self), ifTrue: bytes[i * 8 + 2],
        ifFalse: bytes[i * 8 + 3], k: bytes.loadUnaligned(fromByteOffset: i * 8 + 4, as: UInt32.self))
    }
    if name == OptionName.SO_ATTACH_FILTER {
      try attachFilter(descriptor, program)
    } else {
      try attachSharingProgram(descriptor, program)
    }
  }

  func detachFilter(_ socket: any Socket) throws(Errno) {
    try checkUnlocked(socket)
    guard socket.options.filter != nil else { throw .ENOENT }
    socket.options.filter = nil
  }

  /// SO_GET_FILTER counts in instructions, and says how many there are to whoever has room for none.
  func storeFilter(_ socket: any Socket, _ a: Arguments, room: Int) throws(Errno) {
    let program = socket.options.filter?.instructions ?? []
    if !program.isEmpty, room > 0 {
      guard room >= program.count else { throw .EINVAL }
      let bytes = program.flatMap { step in
        Self.bytes(of: step.code) + [step.ifTrue, step.ifFalse] + Self.bytes(of: step.k)
      }
      try a.memory.copy(bytes, to: a.word(3))
    }
    try a.memory.store(Int32(program.count), at: a.word(4))
  }
}
