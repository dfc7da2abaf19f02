import Packets
import Sockets

extension SystemCalls {
  /// A system call as a program makes it: by number, with up to six arguments, pointers being addresses in `memory`.
  /// Returns the result, or the negated errno (ENOSYS for a number this layer does not answer).
  public func call(_ number: Int, _ arguments: [UInt], in memory: UserMemory) async -> Int {
    guard let call = SystemCallNumber(rawValue: number) else { return -Int(Errno.ENOSYS.rawValue) }
    let frame = Arguments(words: arguments, memory: memory)
    do {
      // Linux looks the descriptor up before it looks at the pointers.
      if call != .socket && call != .poll { _ = try socketFor(call, frame.int(0)) }
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

    /// The buffer of pointer argument `i` and length argument `j`, a `size_t`.
    func buffer(_ i: Int, _ j: Int) throws(Errno) -> UnsafeMutableRawBufferPointer {
      guard word(j) <= UInt(Int.max) else { throw .EFAULT }
      // The kernel moves at most this much in one call (MAX_RW_COUNT).
      return try memory.bytes(word(i), min(Int(word(j)), 0x7FFF_F000))
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
    func vectors(_ address: UInt, _ count: UInt) throws(Errno) -> [UnsafeMutableRawBufferPointer] {
      guard count <= UInt(SystemCalls.maximumVectors) else { throw .EINVAL }
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
    case .read: return try await read(a.int(0), try a.buffer(1, 2))
    case .write: return try await write(a.int(0), UnsafeRawBufferPointer(try a.buffer(1, 2)))
    case .readv: return try await readv(a.int(0), try a.vectors(a.word(1), a.word(2)))
    case .writev:
      return try await writev(a.int(0), try a.vectors(a.word(1), a.word(2)).map { UnsafeRawBufferPointer($0) })
    case .sendto:
      let bytes = UnsafeRawBufferPointer(try a.buffer(1, 2))
      return try await sendto(a.int(0), bytes, flags: a.int(3), to: try a.destination(4, 5))
    case .recvfrom:
      let result = try await recvfrom(a.int(0), try a.buffer(1, 2), flags: a.int(3))
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

  /// Offsets in `struct msghdr` (x86-64): name 0, namelen 8, iov 16, iovlen 24, control 32, controllen 40, flags 48.
  private func sendmsg(_ a: Arguments) async throws(Errno) -> Int {
    let header = a.word(1)
    let name = try a.memory.load(header, as: UInt.self)
    let nameLength = try a.memory.load(header &+ 8, as: Int32.self)
    let vectors = try a.vectors(
      try a.memory.load(header &+ 16, as: UInt.self), try a.memory.load(header &+ 24, as: UInt.self))
    var destination: Endpoint?
    if name != 0 && nameLength > 0 {
      guard nameLength <= 128 else { throw .EINVAL }
      destination = try Arguments.destination(UnsafeRawBufferPointer(try a.memory.bytes(name, Int(nameLength))))
    }
    let bytes = vectors.flatMap { Array($0) }
    // The array must stay where it is while the call waits for room.
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(bytes.count, 1), alignment: 16)
    defer { copy.deallocate() }
    copy.copyBytes(from: bytes)
    return try await sendto(
      a.int(0), UnsafeRawBufferPointer(rebasing: copy[..<bytes.count]), flags: a.int(2), to: destination)
  }

  private func recvmsg(_ a: Arguments) async throws(Errno) -> Int {
    let header = a.word(1)
    let vectors = try a.vectors(
      try a.memory.load(header &+ 16, as: UInt.self), try a.memory.load(header &+ 24, as: UInt.self))
    let total = vectors.reduce(0) { $0 + $1.count }
    let gathered = UnsafeMutableRawBufferPointer.allocate(byteCount: max(total, 1), alignment: 16)
    defer { gathered.deallocate() }
    let result = try await recvfrom(
      a.int(0), UnsafeMutableRawBufferPointer(rebasing: gathered[..<total]), flags: a.int(2))
    var offset = 0
    for vector in vectors where offset < min(result.count, total) {
      let part = min(vector.count, min(result.count, total) - offset)
      vector.copyMemory(from: UnsafeRawBufferPointer(rebasing: gathered[offset..<(offset + part)]))
      offset += part
    }
    let name = try a.memory.load(header, as: UInt.self)
    if name != 0, let source = result.source {
      let room = Int(try a.memory.load(header &+ 8, as: Int32.self))
      let bytes = SocketAddress.encode(source)
      try a.memory.copy(bytes.prefix(max(room, 0)), to: name)
      try a.memory.store(Int32(bytes.count), at: header &+ 8)
    }
    try a.memory.store(UInt(0), at: header &+ 40)
    try a.memory.store(result.fullCount > total ? MessageFlags.MSG_TRUNC : 0, at: header &+ 48)
    return result.count
  }

  private func control(_ call: SystemCallNumber, _ a: Arguments) async throws(Errno) -> Int {
    switch call {
    case .close: try await close(a.int(0))
    case .dup: return Int(try dup(a.int(0)))
    case .dup2: return Int(try await dup3(a.int(0), a.int(1), flags: 0, allowsSame: true))
    case .dup3: return Int(try await dup3(a.int(0), a.int(1), flags: a.int(2)))
    case .fcntl: return try fcntl(a.int(0), a.int(1), a.long(2))
    case .setsockopt:
      let length = Int(a.int(4))
      guard length >= 0 else { throw .EINVAL }
      try setsockopt(a.int(0), a.int(1), a.int(2), UnsafeRawBufferPointer(try a.memory.bytes(a.word(3), length)))
    case .getsockopt:
      let room = try a.memory.load(a.word(4), as: Int32.self)
      guard room >= 0 else { throw .EINVAL }
      let bytes: [UInt8] = try getsockopt(a.int(0), a.int(1), a.int(2))
      let part = bytes.prefix(Int(room))
      try a.memory.copy(part, to: a.word(3))
      try a.memory.store(Int32(part.count), at: a.word(4))
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
    case ControlRequest.FIONREAD, ControlRequest.SIOCOUTQ:
      try a.memory.store(try ioctl(a.int(0), request), at: a.word(2))
    case 0x8900...0x89FF:
      let bytes = Array(try a.memory.bytes(a.word(2), Self.interfaceRequestSize))
      try a.memory.copy(try ioctl(a.int(0), request, interfaceRequest: bytes), to: a.word(2))
    default: _ = try ioctl(a.int(0), request)
    }
    return 0
  }
}
