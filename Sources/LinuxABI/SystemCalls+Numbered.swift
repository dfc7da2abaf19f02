import Packets
import Sockets

extension SystemCalls {
  /// A system call as a program makes it: by number, with up to six arguments, pointers being addresses in `memory`.
  /// Returns the result, or the negated errno (ENOSYS for a number this layer does not answer).
  public func call(_ number: Int, _ arguments: [UInt], in memory: UserMemory) async -> Int {
    guard let call = SystemCallNumber(rawValue: number) else { return -Int(Errno.ENOSYS.rawValue) }
    let frame = Arguments(words: arguments, memory: memory)
    do throws(Errno) {
      // Linux looks the descriptor up before it looks at the pointers, but not before it looks at plain numbers.
      switch call {
      case .socket, .poll, .dup2, .dup3, .close, .sendto, .recvfrom: break
      case .sendmsg, .recvmsg:
        guard frame.int(2) & MessageFlags.MSG_CMSG_COMPAT == 0 else { throw .EINVAL }
        _ = try socketFor(call, frame.int(0))
      // connect(2) looks at the address before it asks whether it is a socket.
      case .fcntl, .ioctl, .dup, .connect: _ = try fileFor(call, frame.int(0))
      default: _ = try socketFor(call, frame.int(0))
      }
      switch call {
      case .read, .write, .readv, .writev, .sendto, .recvfrom, .sendmsg, .recvmsg:
        return try await transfer(call, frame)
      case .socket, .bind, .connect, .listen, .accept, .accept4, .shutdown, .getsockname, .getpeername:
        return try await connection(call, frame)
      case .getsockopt, .setsockopt, .fcntl, .ioctl, .close, .dup, .dup2, .dup3, .poll:
        return try await control(call, frame)
      }
    } catch {
      return -Int(error.rawValue)
    }
  }

  /// The six argument registers, read the way the kernel's prototypes do.
  struct Arguments {
    let words: [UInt]
    let memory: UserMemory

    func word(_ i: Int) -> UInt { i < words.count ? words[i] : 0 }
    func int(_ i: Int) -> Int32 { Int32(truncatingIfNeeded: word(i)) }
    func long(_ i: Int) -> Int { Int(bitPattern: word(i)) }

    /// The buffer of pointer argument `i` and length argument `j`, a `size_t`. One that the program does not have is an
    /// error only when there is something to be moved. Read and write look at all of its length, the socket calls only
    /// at what they will move at most.
    func transfer(_ i: Int, _ j: Int, isChecked: Bool) throws(Errno) -> TransferMemory {
      if isChecked { try UserMemory.checkRange(word(i), word(j)) }
      let count = Int(min(word(j), UInt(SystemCalls.maximumTransfer)))
      try UserMemory.checkRange(word(i), UInt(count))
      return TransferMemory(memory.stretch(word(i), count), count: count)
    }

    /// An address argument: EINVAL for a length that no `sockaddr` has.
    func address(_ i: Int, _ j: Int) throws(Errno) -> UnsafeRawBufferPointer {
      let length = Int(int(j))
      guard (0...128).contains(length) else { throw .EINVAL }
      return UnsafeRawBufferPointer(try memory.bytes(word(i), length))
    }

    static func destination(_ bytes: UnsafeRawBufferPointer) throws(Errno) -> Endpoint? {
      switch try SocketAddress.decode(bytes) {
      case .inet(let endpoint): return endpoint
      // udp(7): AF_UNSPEC is taken like AF_INET by sendto.
      case .unspecified(let endpoint): return endpoint
      }
    }

    /// Stores `endpoint` at pointer `i`, cut to the length at pointer `j`, which holds the full length from then on,
    /// even if there is no memory for the address (Linux `move_addr_to_user`).
    func storeAddress(_ endpoint: Endpoint, _ i: Int, _ j: Int) throws(Errno) {
      let length = try memory.load(word(j), as: Int32.self)
      guard length >= 0 else { throw .EINVAL }
      let bytes = SocketAddress.encode(endpoint)
      try memory.store(Int32(bytes.count), at: word(j))
      try memory.copy(bytes.prefix(Int(length)), to: word(i))
    }

    /// The `struct iovec` array at `address`, cut to what one call moves (Linux `import_iovec`).
    func vectors(
      _ address: UInt, _ count: UInt, tooMany: Errno = .EINVAL
    ) throws(Errno) -> TransferMemory {
      guard count <= UInt(SystemCalls.maximumVectors) else { throw tooMany }
      var total = 0
      var pieces: [UnsafeMutableRawBufferPointer] = []
      var isComplete = true
      for i in 0..<count {
        guard try memory.load(address &+ i &* 16 &+ 8, as: Int.self) >= 0 else { throw .EINVAL }
      }
      for i in 0..<count {
        let base = try memory.load(address &+ i &* 16, as: UInt.self)
        let named = try memory.load(address &+ i &* 16 &+ 8, as: Int.self)
        let length = min(named, SystemCalls.maximumTransfer - total)
        try UserMemory.checkRange(base, UInt(count == 1 ? length : named))
        total += length
        guard isComplete, length > 0 else { continue }
        let piece = memory.stretch(base, length)
        isComplete = piece.count == length
        if !piece.isEmpty { pieces.append(piece) }
      }
      return TransferMemory(pieces, count: total)
    }
  }

  private func connection(_ call: SystemCallNumber, _ a: Arguments) async throws(Errno) -> Int {
    switch call {
    case .socket: return Int(try socket(a.int(0), a.int(1), a.int(2)))
    case .bind: try bind(a.int(0), try a.address(1, 2))
    case .connect: try await connect(a.int(0), try a.address(1, 2))
    case .listen: try listen(a.int(0), backlog: Int(a.int(1)))
    case .accept, .accept4:
      let (number, peer) = try await accept4(a.int(0), flags: call == .accept4 ? a.int(3) : 0)
      if a.word(1) != 0 {
        do {
          try a.storeAddress(peer, 1, 2)
        } catch {
          try await close(number)
          throw error
        }
      }
      return Int(number)
    case .shutdown: try shutdown(a.int(0), a.int(1))
    case .getsockname: try a.storeAddress(try getsockname(a.int(0)), 1, 2)
    default: try a.storeAddress(try getpeername(a.int(0)), 1, 2)
    }
    return 0
  }

  private func transfer(_ call: SystemCallNumber, _ a: Arguments) async throws(Errno) -> Int {
    switch call {
    case .read: return try await read(call, a.int(0), try a.transfer(1, 2, isChecked: true))
    case .write: return try await write(call, a.int(0), try a.transfer(1, 2, isChecked: true))
    // The count is 32 bits wide here, and not in a message.
    case .readv: return try await read(call, a.int(0), try a.vectors(a.word(1), a.word(2) & 0xFFFF_FFFF))
    case .writev: return try await write(call, a.int(0), try a.vectors(a.word(1), a.word(2) & 0xFFFF_FFFF))
    case .sendto:
      let memory = try a.transfer(1, 2, isChecked: false)
      let socket = try socketFor(call, a.int(0))
      let address = a.word(4) == 0 ? nil : try a.address(4, 5)
      return try await send(
        call, a.int(0), memory, flags: a.int(3), to: try Self.destination(address, memory, flags: a.int(3), of: socket))
    case .recvfrom:
      let memory = try a.transfer(1, 2, isChecked: false)
      let result = try await receive(call, a.int(0), memory, flags: a.int(3))
      guard a.word(4) != 0 else { return result.count }
      if let source = result.source {
        try a.storeAddress(source, 4, 5)
      } else {
        guard try a.memory.load(a.word(5), as: Int32.self) >= 0 else { throw .EINVAL }
        try a.memory.store(Int32(0), at: a.word(5))
      }
      return result.count
    case .sendmsg: return try await sendmsg(a)
    default: return try await recvmsg(a)
    }
  }

  /// Where a message goes, looked at when Linux does: not at all for a stream, unless it is to connect first.
  static func destination(
    _ address: UnsafeRawBufferPointer?, _ memory: TransferMemory, flags: Int32, of socket: any Socket
  ) throws(Errno) -> Endpoint? {
    try checkMessage(memory, flags: flags, on: socket)
    if let datagram = socket as? UDPSocket, datagram.isGathering { return nil }
    guard let stream = socket as? TCPSocket else {
      guard let address else { return nil }
      // To raw sockets an address without length is none.
      if socket.kind.transport == .raw, address.isEmpty { return nil }
      guard address.count >= SocketAddress.byteCountIPv4 else { throw .EINVAL }
      // Of all, only ping sockets insist on the family.
      if socket.kind.transport == .ping, address.loadUnaligned(as: UInt16.self) != SocketDomain.AF_INET {
        throw .EAFNOSUPPORT
      }
      return try Arguments.destination(address)
    }
    guard flags & MessageFlags.MSG_FASTOPEN != 0, let address else { return nil }
    guard address.count >= 2 else { throw .EINVAL }
    if address.loadUnaligned(as: UInt16.self) == SocketDomain.AF_UNSPEC { throw .EOPNOTSUPP }
    // A stream that has a connection, an attempt at one or a backlog says so first.
    guard stream.heedsConnectAddress else { return nil }
    return try Arguments.destination(address)
  }

  private func control(_ call: SystemCallNumber, _ a: Arguments) async throws(Errno) -> Int {
    switch call {
    case .close: try await close(a.int(0))
    case .dup: return Int(try dup(a.int(0)))
    case .dup2: return Int(try await dup3(a.int(0), a.int(1), flags: 0, allowsSame: true))
    case .dup3: return Int(try await dup3(a.int(0), a.int(1), flags: a.int(2)))
    case .fcntl: return try await fileControl(a)
    case .setsockopt: try setOption(a)
    case .getsockopt: try getOption(a)
    case .ioctl: return try deviceControl(a)
    default:
      let count = Int(UInt32(truncatingIfNeeded: a.word(1)))
      guard count <= table.limit else { throw .EINVAL }
      let address = a.word(0)
      var entries: [PollDescriptor] = []
      for i in 0..<UInt(count) {
        entries.append(
          PollDescriptor(
            try a.memory.load(address &+ i &* 8, as: Int32.self),
            try a.memory.load(address &+ i &* 8 &+ 4, as: Int16.self)))
      }
      let ready = try await poll(&entries, timeout: a.int(2))
      try UserMemory.checkRange(address, UInt(count) * 8)
      for (i, entry) in entries.enumerated() {
        try a.memory.store(entry.returned, at: address &+ UInt(i) &* 8 &+ 6)
      }
      return ready
    }
    return 0
  }
}
