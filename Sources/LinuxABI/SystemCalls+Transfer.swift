import NetStack
import Packets
import Sockets

extension SystemCalls {
  /// read(2): 0 at the end of the stream.
  public func read(_ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer) async throws(Errno) -> Int {
    try await read(.read, descriptor, TransferMemory(buffer))
  }

  /// write(2).
  public func write(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) async throws(Errno) -> Int {
    try await write(.write, descriptor, TransferMemory(bytes))
  }

  /// readv(2): into several buffers, filled one after the other; one message for datagram sockets.
  public func readv(_ descriptor: Int32, _ buffers: [UnsafeMutableRawBufferPointer]) async throws(Errno) -> Int {
    try await read(.readv, descriptor, try Self.memory(buffers))
  }

  /// writev(2): several buffers as one write, one message for datagram sockets.
  public func writev(_ descriptor: Int32, _ buffers: [UnsafeRawBufferPointer]) async throws(Errno) -> Int {
    let pieces = buffers.map { UnsafeMutableRawBufferPointer(mutating: $0) }
    return try await write(.writev, descriptor, try Self.memory(pieces))
  }

  private static func memory(_ buffers: [UnsafeMutableRawBufferPointer]) throws(Errno) -> TransferMemory {
    guard buffers.count <= maximumVectors else { throw .EINVAL }
    return TransferMemory(buffers, count: buffers.reduce(0) { $0 + $1.count })
  }

  /// UIO_MAXIOV.
  static let maximumVectors = 1024
  /// What one call moves at most (MAX_RW_COUNT).
  static let maximumTransfer = 0x7FFF_F000

  /// read(2) and readv(2).
  func read(
    _ number: SystemCallNumber, _ descriptor: Int32, _ memory: TransferMemory
  ) async throws(Errno) -> Int {
    try await holding(number, descriptor, "\(descriptor), \(memory.count)", { $0 }) { (socket) async throws(Errno) in
      guard memory.count > 0 else { return 0 }
      return try await errnoOf { () async throws(SocketError) in
        try await socket.receive(into: memory, flags: []).count
      }
    }
  }

  /// write(2) and writev(2).
  func write(
    _ number: SystemCallNumber, _ descriptor: Int32, _ memory: TransferMemory
  ) async throws(Errno) -> Int {
    try await holding(number, descriptor, "\(descriptor), \(memory.count)", { $0 }) { (socket) async throws(Errno) in
      // Unlike write(2) of no bytes, this sends no datagram.
      if number == .writev, memory.count == 0 { return 0 }
      try Self.checkMessage(memory, flags: 0, on: socket)
      return try await errnoOf { () async throws(SocketError) in
        try await socket.send(memory, to: nil, flags: [], control: nil)
      }
    }
  }

  /// What Linux does about a message before it looks at the address: it takes a port if there is none, and then asks:
  /// EMSGSIZE for one that no datagram can hold, EINVAL for one that is too short for an ICMP header, EOPNOTSUPP for
  /// MSG_OOB, EFAULT without that header.
  static func checkMessage(_ memory: TransferMemory, flags: Int32, on socket: any Socket) throws(Errno) {
    let transport = socket.kind.transport
    guard let socket = socket as? DatagramSocket else { return }
    try takePort(socket)
    guard memory.count <= 65_535 else { throw .EMSGSIZE }
    if transport == .ping, memory.count < 8 { throw .EINVAL }
    guard flags & MessageFlags.MSG_OOB == 0 else { throw .EOPNOTSUPP }
    if transport == .ping {
      guard memory.presentCount >= 8 else { throw .EFAULT }
      guard memory.withBytes(2, { $0[1] == 0 && ICMPSocket.types.contains($0[0]) }) else { throw .EINVAL }
    }
  }

  /// Takes an ephemeral port if there is none: EAGAIN if there is none left (Linux `inet_autobind`).
  static func takePort(_ socket: DatagramSocket) throws(Errno) {
    do throws(NetworkError) { try socket.bindIfNeeded() } catch { throw error == .addressInUse ? .EAGAIN : error.errno }
  }

  /// sendto(2); nil sends to the connected peer.
  ///
  /// - Throws: EOPNOTSUPP for MSG_OOB on anything but a stream.
  public func sendto(
    _ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, flags: Int32 = 0, to destination: Endpoint? = nil,
    control: DatagramControl? = nil
  ) async throws(Errno) -> Int {
    try await send(.sendto, descriptor, TransferMemory(bytes), flags: flags, to: destination, control: control)
  }

  /// sendto(2), and sendmsg(2) with `control`.
  func send(
    _ number: SystemCallNumber, _ descriptor: Int32, _ memory: TransferMemory, flags: Int32,
    to destination: Endpoint?, control: DatagramControl? = nil
  ) async throws(Errno) -> Int {
    try await holding(
      number, descriptor, "\(descriptor), \(memory.count), \(flags), \(destination?.text ?? "NULL")", { $0 }
    ) { (socket) async throws(Errno) in
      try Self.checkMessage(memory, flags: flags, on: socket)
      let isStream = socket.kind.transport == .stream
      var transfer: TransferFlags = []
      var control = control
      if flags & MessageFlags.MSG_OOB != 0 { transfer.insert(.outOfBand) }
      if flags & MessageFlags.MSG_DONTWAIT != 0 { transfer.insert(.nonBlocking) }
      if flags & MessageFlags.MSG_MORE != 0 { transfer.insert(.more) }
      if flags & MessageFlags.MSG_ZEROCOPY != 0 { transfer.insert(.zeroCopy) }
      if isStream {
        if flags & MessageFlags.MSG_FASTOPEN != 0 { transfer.insert(.connects) }
      } else {
        if flags & MessageFlags.MSG_PROBE != 0 { transfer.insert(.probe) }
        if flags & MessageFlags.MSG_DONTROUTE != 0 {
          control = control ?? DatagramControl()
          control?.staysOnLink = true
        }
      }
      return try await errnoOf { () async throws(SocketError) in
        try await socket.send(memory, to: destination, flags: transfer, control: control)
      }
    }
  }

  /// The oldest entry of the error queue, never waited for: its payload in the buffer, and where it was to go as
  /// source.
  private static func takeQueued(_ socket: any Socket, _ memory: TransferMemory) throws(Errno) -> ReceiveResult {
    guard let entry = socket.takeQueuedError() else { throw .EAGAIN }
    let count = min(entry.payload.count, memory.count)
    guard count <= memory.presentCount else { throw .EFAULT }
    entry.payload.withUnsafeBytes { memory.store(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    var result = ReceiveResult(count: count, fullCount: entry.payload.count, source: entry.destination)
    result.queuedError = entry
    return result
  }

  /// recvfrom(2). With MSG_TRUNC the count of a datagram is its full length, even where the buffer was smaller.
  ///
  /// - Throws: EINVAL for MSG_OOB without urgent data, EAGAIN for MSG_ERRQUEUE with an empty error queue.
  public func recvfrom(
    _ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer, flags: Int32 = 0
  ) async throws(Errno) -> ReceiveResult {
    try await receive(.recvfrom, descriptor, TransferMemory(buffer), flags: flags)
  }

  /// recvfrom(2) and recvmsg(2).
  func receive(
    _ number: SystemCallNumber, _ descriptor: Int32, _ memory: TransferMemory, flags: Int32
  ) async throws(Errno) -> ReceiveResult {
    try await holding(number, descriptor, "\(descriptor), \(memory.count), \(flags)", { $0.count }) {
      (socket) async throws(Errno) in
      let isStream = socket.kind.transport == .stream
      // UDP does not look at the flag.
      if flags & MessageFlags.MSG_OOB != 0 && !isStream && socket.kind.transport != .datagram { throw .EOPNOTSUPP }
      if flags & MessageFlags.MSG_ERRQUEUE != 0 { return try Self.takeQueued(socket, memory) }
      var transfer: TransferFlags = []
      if flags & MessageFlags.MSG_DONTWAIT != 0 { transfer.insert(.nonBlocking) }
      if flags & MessageFlags.MSG_PEEK != 0 { transfer.insert(.peek) }
      if flags & MessageFlags.MSG_WAITALL != 0 { transfer.insert(.waitAll) }
      if flags & MessageFlags.MSG_TRUNC != 0, socket.kind.transport != .ping {
        transfer.insert(isStream ? .discard : .wholeLength)
      }
      if isStream && flags & MessageFlags.MSG_OOB != 0 { transfer.insert(.outOfBand) }
      var result = try await errnoOf { () async throws(SocketError) in
        try await socket.receive(into: memory, flags: transfer)
      }
      // A ping socket tells only that there was more (Linux `ping_recvmsg`).
      if transfer.contains(.wholeLength) { result.count = result.fullCount }
      return result
    }
  }
}
