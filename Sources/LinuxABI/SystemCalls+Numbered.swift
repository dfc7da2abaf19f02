import Packets
import Sockets

extension SystemCalls {
  /// A system call as a program makes it: by number, with up to six arguments, pointers being addresses in `memory`.
  /// Returns the result, or the negated errno (ENOSYS for a number this layer does not answer).
  public func call(_ number: Int, _ arguments: [UInt], in memory: UserMemory) async -> Int {
    guard let call = SystemCallNumber(rawValue: number) else { return -Int(Errno.ENOSYS.rawValue) }
    let frame = Arguments(words: arguments, memory: memory)
    do {
      // Linux looks the descriptor up before it looks at the pointers, but not before it looks at plain numbers.
      switch call {
      case .socket, .poll, .dup2, .dup3, .close, .sendto: break
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

    /// The buffer of pointer argument `i` and length argument `j`, a `size_t`. Nil for one that the program does not
    /// have: EFAULT, but only when there is something to be moved.
    func buffer(_ i: Int, _ j: Int) throws(Errno) -> UnsafeMutableRawBufferPointer? {
      guard word(j) <= UInt(Int.max) else { throw .EFAULT }
      // The kernel moves at most this much in one call (MAX_RW_COUNT).
      return try? memory.bytes(word(i), min(Int(word(j)), 0x7FFF_F000))
    }

    /// An address argument: EINVAL for a length that no `sockaddr` has.
    func address(_ i: Int, _ j: Int) throws(Errno) -> UnsafeRawBufferPointer {
      let length = Int(int(j))
      guard (0...128).contains(length) else { throw .EINVAL }
      return UnsafeRawBufferPointer(try memory.bytes(word(i), length))
    }

    /// A destination that may be NULL.
    func destination(_ i: Int, _ j: Int) throws(Errno) -> Endpoint? {
      guard word(i) != 0 else { return nil }
      return try Self.destination(try address(i, j))
    }

    static func destination(_ bytes: UnsafeRawBufferPointer) throws(Errno) -> Endpoint? {
      switch try SocketAddress.decode(bytes) {
      case .inet(let endpoint): return endpoint
      // udp(7): AF_UNSPEC is taken like AF_INET by sendto.
      case .unspecified(let endpoint): return endpoint
      }
    }

    /// Stores `endpoint` at pointer `i`, cut to the length at pointer `j`, which then holds the full length.
    func storeAddress(_ endpoint: Endpoint, _ i: Int, _ j: Int) throws(Errno) {
      let length = try memory.load(word(j), as: Int32.self)
      guard length >= 0 else { throw .EINVAL }
      let bytes = SocketAddress.encode(endpoint)
      try memory.copy(bytes.prefix(Int(length)), to: word(i))
      try memory.store(Int32(bytes.count), at: word(j))
    }

    /// The `struct iovec` array at `address`.
    func vectors(
      _ address: UInt, _ count: UInt, tooMany: Errno = .EINVAL
    ) throws(Errno) -> [UnsafeMutableRawBufferPointer] {
      guard count <= UInt(SystemCalls.maximumVectors) else { throw tooMany }
      var vectors: [UnsafeMutableRawBufferPointer] = []
      for i in 0..<count {
        let base = try memory.load(address &+ i &* 16, as: UInt.self)
        let length = try memory.load(address &+ i &* 16 &+ 8, as: UInt.self)
        guard length <= UInt(Int.max) else { throw .EINVAL }
        vectors.append(try memory.bytes(base, Int(length)))
      }
      return vectors
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
    case .read:
      guard let buffer = try a.buffer(1, 2) else { return try await receiveNowhere(a.int(0), flags: 0) }
      return try await read(a.int(0), buffer)
    case .write:
      guard let buffer = try a.buffer(1, 2) else { return try await sendFromNowhere(a.int(0), flags: 0) }
      return try await write(a.int(0), UnsafeRawBufferPointer(buffer))
    case .readv: return try await readv(a.int(0), try a.vectors(a.word(1), a.word(2)))
    case .writev:
      return try await writev(a.int(0), try a.vectors(a.word(1), a.word(2)).map { UnsafeRawBufferPointer($0) })
    case .sendto:
      // A stream has no use for the address, and does not look at it.
      let kind = try socketFor(call, a.int(0)).kind
      let isStream = kind.transport == .stream
      var destination: Endpoint?
      if isStream {
        if a.word(4) != 0 { _ = try a.address(4, 5) }
      } else if kind.transport == .ping, a.word(2) < 8 {
        // Too short for a header: that counts before what the address says.
        if a.word(4) != 0 { _ = try a.address(4, 5) }
        throw .EINVAL
      } else {
        destination = try a.destination(4, 5)
      }
      guard let buffer = try a.buffer(1, 2) else { return try await sendFromNowhere(a.int(0), flags: a.int(3)) }
      return try await sendto(a.int(0), UnsafeRawBufferPointer(buffer), flags: a.int(3), to: destination)
    case .recvfrom:
      guard let buffer = try a.buffer(1, 2) else { return try await receiveNowhere(a.int(0), flags: a.int(3)) }
      let result = try await recvfrom(a.int(0), buffer, flags: a.int(3))
      if a.word(4) != 0, let source = result.source {
        try a.storeAddress(source, 4, 5)
      } else if a.word(4) != 0 {
        try a.memory.store(Int32(0), at: a.word(5))
      }
      return result.count
    case .sendmsg: return try await sendmsg(a)
    default: return try await recvmsg(a)
    }
  }

  /// A read into memory that the program does not have: waits and fails like any other, and turns into EFAULT with what
  /// it got. A datagram is lost thereby, bytes of a stream are not, as in Linux.
  private func receiveNowhere(_ descriptor: Int32, flags: Int32) async throws(Errno) -> Int {
    let isStream = try file(descriptor).socket.kind.transport == .stream
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 1, alignment: 1)
    defer { scratch.deallocate() }
    let stays = isStream && flags & MessageFlags.MSG_OOB == 0
    let result = try await recvfrom(descriptor, scratch, flags: stays ? flags | MessageFlags.MSG_PEEK : flags)
    guard result.count == 0 else { throw .EFAULT }
    return 0
  }

  /// A write of bytes that the program does not have: errors of the stream come first.
  private func sendFromNowhere(_ descriptor: Int32, flags: Int32) async throws(Errno) -> Int {
    if try file(descriptor).socket.kind.transport == .stream {
      _ = try await sendto(descriptor, UnsafeRawBufferPointer(start: nil, count: 0), flags: flags)
    }
    throw .EFAULT
  }

  private func control(_ call: SystemCallNumber, _ a: Arguments) async throws(Errno) -> Int {
    switch call {
    case .close: try await close(a.int(0))
    case .dup: return Int(try dup(a.int(0)))
    case .dup2: return Int(try await dup3(a.int(0), a.int(1), flags: 0, allowsSame: true))
    case .dup3: return Int(try await dup3(a.int(0), a.int(1), flags: a.int(2)))
    case .fcntl: return try fcntl(a.int(0), a.int(1), a.long(2))
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
      for (i, entry) in entries.enumerated() {
        try a.memory.store(entry.returned, at: address &+ UInt(i) &* 8 &+ 6)
      }
      return ready
    }
    return 0
  }

  private func deviceControl(_ a: Arguments) throws(Errno) -> Int {
    let request = UInt(UInt32(truncatingIfNeeded: a.word(1)))
    switch request {
    case ControlRequest.FIONBIO:
      _ = try ioctl(a.int(0), request, try a.memory.load(a.word(2), as: Int32.self))
    case ControlRequest.SIOCGIFCONF:
      // struct ifconf: int ifc_len; char *ifc_buf.
      let room = try a.memory.load(a.word(2), as: Int32.self)
      let target = try a.memory.load(a.word(2) &+ 8, as: UInt.self)
      let all = interfaceList()
      let size = Self.interfaceRequestSize
      let part = target == 0 ? all[...] : all.prefix(max(0, Int(room)) / size * size)
      if target != 0 { try a.memory.copy(part, to: target) }
      try a.memory.store(Int32(part.count), at: a.word(2))
    case ControlRequest.FIONREAD, ControlRequest.SIOCOUTQ, ControlRequest.SIOCATMARK:
      try a.memory.store(try ioctl(a.int(0), request), at: a.word(2))
    case 0x8900...0x89FF:
      let bytes = Array(try a.memory.bytes(a.word(2), Self.interfaceRequestSize))
      try a.memory.copy(try ioctl(a.int(0), request, interfaceRequest: bytes), to: a.word(2))
    default: _ = try ioctl(a.int(0), request)
    }
    return 0
  }
}
