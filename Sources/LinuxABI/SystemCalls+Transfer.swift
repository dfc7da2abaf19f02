import NetStack
import Packets
import Sockets

extension SystemCalls {
  /// read(2): 0 at the end of the stream.
  public func read(_ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer) async throws(Errno) -> Int {
    try await holding(.read, descriptor, "\(descriptor), \(buffer.count)", { $0 }) { (socket) async throws(Errno) in
      guard buffer.count > 0 else { return 0 }
      return try await errnoOf { () async throws(SocketError) in
        try await socket.receive(into: buffer, flags: []).count
      }
    }
  }

  /// write(2).
  public func write(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) async throws(Errno) -> Int {
    try await holding(.write, descriptor, "\(descriptor), \(bytes.count)", { $0 }) { (socket) async throws(Errno) in
      try await errnoOf { () async throws(SocketError) in try await socket.send(bytes, to: nil, flags: []) }
    }
  }

  /// The oldest entry of the error queue, never waited for: its payload in the buffer, and where it was to go as source.
  private static func takeQueued(
    _ socket: any Socket, _ buffer: UnsafeMutableRawBufferPointer
  ) throws(Errno) -> ReceiveResult {
    guard let entry = socket.takeQueuedError() else { throw .EAGAIN }
    let count = min(entry.payload.count, buffer.count)
    buffer.copyBytes(from: entry.payload.prefix(count))
    var result = ReceiveResult(count: count, fullCount: entry.payload.count, source: entry.destination)
    result.queuedError = entry
    return result
  }

  /// sendto(2), and sendmsg(2) with `control`; nil sends to the connected peer.
  ///
  /// - Throws: EOPNOTSUPP for MSG_OOB on anything but a stream.
  public func sendto(
    _ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, flags: Int32 = 0, to destination: Endpoint? = nil,
    control: DatagramControl? = nil
  ) async throws(Errno) -> Int {
    try await holding(
      .sendto, descriptor, "\(descriptor), \(bytes.count), \(flags), \(destination?.text ?? "NULL")", { $0 }
    ) { (socket) async throws(Errno) in
      var transfer: TransferFlags = []
      if flags & MessageFlags.MSG_OOB != 0 {
        guard socket.kind.transport == .stream else {
          throw bytes.count > 65_535 ? .EMSGSIZE : .EOPNOTSUPP
        }
        transfer.insert(.outOfBand)
      }
      if flags & MessageFlags.MSG_DONTWAIT != 0 { transfer.insert(.nonBlocking) }
      if flags & MessageFlags.MSG_MORE != 0 { transfer.insert(.more) }
      if flags & MessageFlags.MSG_ZEROCOPY != 0 { transfer.insert(.zeroCopy) }
      return try await errnoOf { () async throws(SocketError) in
        try await socket.send(bytes, to: destination, flags: transfer, control: control)
      }
    }
  }

  /// recvfrom(2). With MSG_TRUNC the count of a datagram is its full length, even where the buffer was smaller.
  ///
  /// - Throws: EINVAL for MSG_OOB without urgent data, EAGAIN for MSG_ERRQUEUE with an empty error queue.
  public func recvfrom(
    _ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer, flags: Int32 = 0
  ) async throws(Errno) -> ReceiveResult {
    try await holding(.recvfrom, descriptor, "\(descriptor), \(buffer.count), \(flags)", { $0.count }) {
      (socket) async throws(Errno) in
      let isStream = socket.kind.transport == .stream
      // UDP does not look at the flag.
      if flags & MessageFlags.MSG_OOB != 0 && !isStream && socket.kind.transport != .datagram { throw .EOPNOTSUPP }
      if flags & MessageFlags.MSG_ERRQUEUE != 0 { return try Self.takeQueued(socket, buffer) }
      var transfer: TransferFlags = []
      if flags & MessageFlags.MSG_DONTWAIT != 0 { transfer.insert(.nonBlocking) }
      if flags & MessageFlags.MSG_PEEK != 0 { transfer.insert(.peek) }
      if flags & MessageFlags.MSG_WAITALL != 0 { transfer.insert(.waitAll) }
      if flags & MessageFlags.MSG_TRUNC != 0 { transfer.insert(isStream ? .discard : .wholeLength) }
      if isStream && flags & MessageFlags.MSG_OOB != 0 { transfer.insert(.outOfBand) }
      var result = try await errnoOf { () async throws(SocketError) in
        try await socket.receive(into: buffer, flags: transfer)
      }
      if flags & MessageFlags.MSG_TRUNC != 0 && !isStream { result.count = result.fullCount }
      return result
    }
  }

  /// readv(2): into several buffers, filled one after the other; one message for datagram sockets.
  public func readv(_ descriptor: Int32, _ buffers: [UnsafeMutableRawBufferPointer]) async throws(Errno) -> Int {
    let total = try Self.totalCount(buffers.map(\.count))
    _ = try socketFor(.readv, descriptor)
    if total == 0 { return 0 }
    if buffers.count == 1 { return try await read(descriptor, buffers[0]) }
    let gathered = UnsafeMutableRawBufferPointer.allocate(byteCount: max(total, 1), alignment: 16)
    defer { gathered.deallocate() }
    let count = try await read(descriptor, UnsafeMutableRawBufferPointer(rebasing: gathered[..<total]))
    var offset = 0
    for buffer in buffers where offset < count {
      let part = min(buffer.count, count - offset)
      buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: gathered[offset..<(offset + part)]))
      offset += part
    }
    return count
  }

  /// writev(2): several buffers as one write, one message for datagram sockets.
  public func writev(_ descriptor: Int32, _ buffers: [UnsafeRawBufferPointer]) async throws(Errno) -> Int {
    let total = try Self.totalCount(buffers.map(\.count))
    _ = try socketFor(.writev, descriptor)
    // Unlike write(2) of no bytes, this sends no datagram.
    if total == 0 { return 0 }
    if buffers.count == 1 { return try await write(descriptor, buffers[0]) }
    let gathered = UnsafeMutableRawBufferPointer.allocate(byteCount: max(total, 1), alignment: 16)
    defer { gathered.deallocate() }
    var offset = 0
    for buffer in buffers {
      UnsafeMutableRawBufferPointer(rebasing: gathered[offset...]).copyMemory(from: buffer)
      offset += buffer.count
    }
    return try await write(descriptor, UnsafeRawBufferPointer(rebasing: gathered[..<total]))
  }

  /// UIO_MAXIOV.
  static let maximumVectors = 1024

  private static func totalCount(_ counts: [Int]) throws(Errno) -> Int {
    guard counts.count <= maximumVectors else { throw .EINVAL }
    var total = 0
    for count in counts {
      let (sum, overflow) = total.addingReportingOverflow(count)
      guard !overflow, sum <= Int(Int32.max) else { throw .EINVAL }
      total = sum
    }
    return total
  }
}
