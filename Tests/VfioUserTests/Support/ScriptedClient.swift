import CLinux
import EventLoop
import Glibc
import Memory
import Testing
import VfioUser

/// What a server answered.
struct Answer: Equatable {
  var header: VfioUserHeader
  var body: [UInt8]

  var isError: Bool { header.flags.contains(.error) }
  /// The errno of an error reply, 0 of any other.
  var error: Int32 { isError ? Int32(header.errorNumber) : 0 }

  func load<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: T.Type = T.self) -> T {
    body.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: T.self) }
  }

  func payload<T: VfioUserPayload>(as type: T.Type = T.self) -> T { loaded(body) }
}

/// A payload out of bytes, and back.
func loaded<T: VfioUserPayload>(_ bytes: [UInt8]) -> T {
  precondition(bytes.count >= T.byteCount)
  var copy = bytes
  return copy.withUnsafeMutableBytes { T(in: MemoryWindow($0.baseAddress!, count: $0.count)) }
}

func bytes(_ payload: some VfioUserPayload) -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: type(of: payload).byteCount)
  bytes.withUnsafeMutableBytes { payload.store(in: MemoryWindow($0.baseAddress!, count: $0.count)) }
  return bytes
}

func bytes<T: FixedWidthInteger>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }

func bytes(_ header: VfioUserHeader) -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: VfioUserHeader.byteCount)
  bytes.withUnsafeMutableBytes { header.store(in: MemoryWindow($0.baseAddress!, count: $0.count)) }
  return bytes
}

struct ClientClosed: Error {}
struct NoAnswer: Error {}

/// A client that says exactly what a test tells it to, on the server's own loop.
final class ScriptedClient {
  let loop: EpollLoop
  private(set) var descriptor: Int32
  private var watch: DescriptorWatch?
  private let waiter: Waiter
  private var inbox: [UInt8] = []
  private var nextIdentifier: UInt16 = 1
  private(set) var sawEnd = false

  init(on loop: EpollLoop, path: String) throws {
    self.loop = loop
    waiter = Waiter(on: loop)
    descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try #require(result == 0)
    watch = try DescriptorWatch(on: loop, descriptor: descriptor, interest: .readable) { [weak self] _ in
      self?.readable()
    }
  }

  deinit { leave() }

  func leave() {
    watch?.cancel()
    watch = nil
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
  }

  /// Takes what the server sends, or leaves it in the socket.
  func listen(_ listens: Bool) throws { try watch?.setInterest(listens ? .readable : []) }

  private func readable() {
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    let length = Glibc.read(descriptor, &chunk, chunk.count)
    if length > 0 {
      inbox += chunk.prefix(length)
    } else if length == 0 || errno != EAGAIN {
      sawEnd = true
      try? watch?.setInterest([])
    }
    waiter.wake()
  }

  /// Sends bytes and descriptors; true if the socket took all of them.
  @discardableResult func send(_ bytes: [UInt8], descriptors: [Int32] = []) -> Bool {
    clinux_send(descriptor, bytes, Int64(bytes.count), descriptors, Int32(descriptors.count)) == Int64(bytes.count)
  }

  @discardableResult
  func post(
    _ command: VfioUserCommand, _ body: [UInt8] = [], descriptors: [Int32] = [],
    flags: VfioUserHeader.Flags = []
  ) -> UInt16 {
    defer { nextIdentifier &+= 1 }
    let header = VfioUserHeader(
      identifier: nextIdentifier, command: command.rawValue, bodyByteCount: body.count, flags: flags)
    send(bytes(header) + body, descriptors: descriptors)
    return nextIdentifier
  }

  /// The next message of the server.
  func receive() async throws -> Answer {
    while true {
      if inbox.count >= VfioUserHeader.byteCount {
        let header = inbox.withUnsafeMutableBytes { VfioUserHeader(in: MemoryWindow($0.baseAddress!, count: $0.count)) }
        let size = Int(header.messageByteCount)
        try #require(size >= VfioUserHeader.byteCount)
        if inbox.count >= size {
          let body = Array(inbox[VfioUserHeader.byteCount..<size])
          inbox.removeFirst(size)
          return Answer(header: header, body: body)
        }
      }
      if sawEnd { throw ClientClosed() }
      guard await waiter.wait(until: loop.now + .seconds(10)) == .woken else { throw NoAnswer() }
    }
  }

  /// Waits until the server has ended the connection.
  func receiveEnd() async throws {
    while !sawEnd {
      guard await waiter.wait(until: loop.now + .seconds(10)) == .woken else { throw NoAnswer() }
    }
  }

  /// Sends a command and receives its reply.
  @discardableResult
  func request(_ command: VfioUserCommand, _ body: [UInt8] = [], descriptors: [Int32] = []) async throws -> Answer {
    let identifier = post(command, body, descriptors: descriptors)
    let answer = try await receive()
    #expect(answer.header.identifier == identifier && answer.header.command == command.rawValue)
    #expect(answer.header.isReply)
    return answer
  }

  // MARK: What clients do

  func negotiate(_ capabilities: VfioUserCapabilities = .init()) async throws {
    let answer = try await request(.version, bytes(UInt32(0)) + capabilities.text)
    try #require(!answer.isError)
  }

  func read(_ region: UInt32, _ offset: Int, _ count: Int = 4) async throws -> Answer {
    try await request(.readRegion, bytes(RegionAccess(region: region, offset: UInt64(offset), count: UInt32(count))))
  }

  func read32(_ region: UInt32, _ offset: Int) async throws -> UInt32 {
    let answer = try await read(region, offset)
    try #require(answer.body.count == 20)
    return answer.load(16)
  }

  @discardableResult func write(_ region: UInt32, _ offset: Int, _ data: [UInt8]) async throws -> Answer {
    try await request(
      .writeRegion,
      bytes(RegionAccess(region: region, offset: UInt64(offset), count: UInt32(data.count))) + data)
  }

  func postWrite32(_ region: UInt32, _ offset: Int, _ value: UInt32) {
    post(
      .writeRegion, bytes(RegionAccess(region: region, offset: UInt64(offset), count: 4)) + bytes(value),
      flags: .noReply)
  }

  func map(_ descriptor: Int32?, address: UInt64, size: Int, flags: UInt32 = 3, offset: UInt64 = 0) async throws
    -> Answer
  {
    try await request(
      .mapDMA, bytes(DMAMapping(flags: flags, offset: offset, address: address, size: UInt64(size))),
      descriptors: descriptor.map { [$0] } ?? [])
  }

  func setTrigger(_ eventfd: Int32) async throws -> Answer {
    try await request(
      .setInterrupts, bytes(InterruptSetting(flags: [.eventfd, .trigger], index: 0, count: 1)), descriptors: [eventfd])
  }

  func unmask() async throws {
    try await request(.setInterrupts, bytes(InterruptSetting(flags: [.none, .unmask], index: 0, count: 1)))
  }
}

/// How often an eventfd was written since it was last asked; 0 if not at all.
func taken(_ eventfd: Int32) -> UInt64 {
  var value: UInt64 = 0
  return read(eventfd, &value, 8) == 8 ? value : 0
}

func makeEventfd() -> Int32 { eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC)) }
