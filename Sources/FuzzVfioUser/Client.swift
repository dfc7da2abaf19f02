import CLinux
import EventLoop
import FuzzScript
import Glibc
import VfioUser

/// Descriptors that every script may send: a file of memory, an eventfd, the end of a pipe, a folder.
struct SharedDescriptors {
  let memory: Int32
  let event: Int32
  let pipe: Int32
  let folder: Int32

  init() {
    var name = Array("/tmp/wirebench-fuzz-memory-XXXXXX".utf8CString)
    memory = mkstemp(&name)
    unlink(name)
    event = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
    var ends: (Int32, Int32) = (-1, -1)
    _ = withUnsafeMutableBytes(of: &ends) { Glibc.pipe($0.assumingMemoryBound(to: Int32.self).baseAddress!) }
    pipe = ends.0
    folder = open("/", O_RDONLY | O_CLOEXEC)
    // It keeps this length: a file that shrinks while it is mapped ends its user (the threat model says so).
    require(ftruncate(memory, 1 << 16) == 0, "no memory")
  }
}

/// Says to the server what the script tells it to.
final class Client {
  static let shared = SharedDescriptors()

  private let path: String
  private let turn: Turn
  private var script: Script
  private var descriptor: Int32 = -1
  private var identifier: UInt16 = 0
  /// Identifier of the server's last DMA access; it counts them for each connection.
  private var lastAccess: UInt16 = 0
  /// At least as many messages as the server can have found in what was sent.
  private(set) var sentHeaders: UInt64 = 0

  init(_ path: String, _ turn: Turn, _ script: Script) {
    self.path = path
    self.turn = turn
    self.script = script
  }

  func play() async {
    connect()
    if script.byte() & 7 != 0 { await negotiate() }
    var steps = 0
    while !script.isOver, steps < 200 {
      steps += 1
      await step()
    }
  }

  /// An ordinary client finds an ordinary device.
  func expectService() async {
    connect()
    await negotiate()
    let answer = await ask(.deviceInfo, argument([16, 0, 0, 0]))
    require(answer.count == 32 && answer[8] & 0x21 == 1, "no device info: \(answer)")
    _ = await ask(.writeRegion, access(VfioUserIndex.configuration, 4, 2) + [7, 0])
    let status = await ask(.readRegion, access(0, 8, 4))
    require(status.count == 36 && status[8] & 0x21 == 1, "no register: \(status)")
  }

  // MARK: The socket

  private func connect() {
    descriptor = socket(
      AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    require(result == 0, "connect: \(errno)")
    lastAccess = 0
  }

  func leave() {
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
  }

  private func send(_ bytes: [UInt8], _ descriptors: [Int32] = []) {
    guard !bytes.isEmpty, descriptor >= 0 else { return }
    sentHeaders += UInt64(bytes.count / VfioUserHeader.byteCount) + 1
    _ = clinux_send(descriptor, bytes, Int64(bytes.count), descriptors, Int32(descriptors.count))
  }

  /// What the server has sent; nothing if it has not.
  private func drain() -> [UInt8] {
    var all: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while descriptor >= 0 {
      let length = recv(descriptor, &chunk, chunk.count, Int32(MSG_DONTWAIT))
      guard length > 0 else { break }
      all += chunk[..<length]
    }
    noteAccesses(in: all)
    return all
  }

  private func noteAccesses(in messages: [UInt8]) {
    var rest = messages[...]
    while rest.count >= VfioUserHeader.byteCount {
      let start = rest.startIndex
      let command = VfioUserCommand(rawValue: UInt16(rest[start + 2]) | UInt16(rest[start + 3]) << 8)
      let size = (0..<4).reduce(0) { $0 | Int(rest[start + 4 + $1]) << (8 * $1) }
      if command == .readDMA || command == .writeDMA, rest[start + 8] & 15 == 0 {
        lastAccess = UInt16(rest[start]) | UInt16(rest[start + 1]) << 8
      }
      rest = rest.dropFirst(max(size, VfioUserHeader.byteCount))
    }
  }

  private func ask(_ command: VfioUserCommand, _ body: [UInt8]) async -> [UInt8] {
    _ = drain()
    send(message(command.rawValue, body, flags: 0))
    for _ in 0..<100 {
      await turn.take()
      let answer = drain()
      if !answer.isEmpty { return answer }
    }
    return []
  }

  private func negotiate() async { _ = await ask(.version, [0, 0, 0, 0] + Array("{}".utf8) + [0]) }

  // MARK: Messages

  private func bytes<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }

  private func message(_ command: UInt16, _ body: [UInt8], flags: UInt32) -> [UInt8] {
    identifier &+= 1
    return bytes(identifier) + bytes(command) + bytes(UInt32(16 + body.count)) + bytes(flags) + bytes(UInt32(0)) + body
  }

  private func argument(_ start: [UInt8], _ count: Int = 16) -> [UInt8] {
    start + [UInt8](repeating: 0, count: max(0, count - start.count))
  }

  private func access(_ region: UInt32, _ offset: UInt64, _ count: UInt32) -> [UInt8] {
    bytes(offset) + bytes(region) + bytes(count)
  }

  private func octets(_ count: Int) -> [UInt8] { (0..<count).map { _ in script.byte() } }

  private func descriptors() -> [Int32] {
    let how = script.byte()
    let all = [Self.shared.memory, Self.shared.event, Self.shared.pipe, Self.shared.folder]
    if how & 0xF0 == 0xF0 { return [Int32](repeating: all[Int(how & 3)], count: 1 + Int(how >> 2 & 3) * 6) }
    return how & 4 == 0 ? [all[Int(how & 3)]] : []
  }

  private func step() async {
    let how = script.byte()
    switch how & 31 {
    case 0: send(octets(Int(script.byte())), descriptors())
    case 1: send(message(script.half(), octets(Int(script.byte())), flags: script.word()), descriptors())
    case 2: _ = drain()
    case 3:
      leave()
      await turn.take()
      connect()
      if script.byte() & 3 != 0 { await negotiate() }
    case 4:
      // A message in two pieces.
      let whole = message(script.half() & 31, octets(Int(script.byte() & 63)), flags: 0)
      let cut = script.below(whole.count)
      send(Array(whole[..<cut]))
      await turn.take()
      send(Array(whole[cut...]), descriptors())
    case 5: post(.version, octets(4) + capabilities())
    case 6...9: post(.mapDMA, mapping(), with: how & 32 == 0 ? [Self.shared.memory] : descriptors())
    case 10: post(.unmapDMA, unmapping())
    case 11: post(.deviceInfo, argument(bytes(UInt32(script.byte()))))
    case 12: post(.regionInfo, argument(bytes(UInt32(32)) + bytes(UInt32(0)) + bytes(UInt32(script.byte())), 32))
    case 13: post(.interruptInfo, argument(bytes(UInt32(16)) + bytes(UInt32(0)) + bytes(UInt32(script.byte()))))
    case 14...16: post(.setInterrupts, interrupts(), with: how & 32 == 0 ? [Self.shared.event] : descriptors())
    case 17: post(.reset, how & 32 == 0 ? [] : octets(3))
    case 18, 19: post(.readRegion, place())
    case 20, 21: post(.writeRegion, write())
    case 22: post(.writeRegions, records())
    case 23: post(.writeRegion, access(VfioUserIndex.configuration, 4, 2) + [UInt8(script.byte() | 6), 0])
    case 24: transmit()
    case 25, 26:
      // Memory of the client's own, and a device that works with it.
      if how & 32 == 0 { post(.mapDMA, mapping()) }
      transmit()
      answerAccesses()
    case 27: post(VfioUserCommand(rawValue: UInt16(script.byte() % 18) + 1) ?? .reset, octets(Int(script.byte())))
    default: post(.writeRegion, register())
    }
    if script.byte() & 3 != 0 { await turn.take() }
  }

  private func post(_ command: VfioUserCommand, _ body: [UInt8], with descriptors: [Int32] = []) {
    let flags: UInt32 = script.byte() & 7 == 7 ? 0x10 : 0
    send(message(command.rawValue, body, flags: flags), descriptors)
  }

  private func capabilities() -> [UInt8] {
    let texts = [
      #"{"capabilities":{"max_msg_fds":8,"max_data_xfer_size":4096}}"#, #"{"capabilities":{"migration":{}}}"#,
      #"{"capabilities":[[[[[[[["#, #"{"a":1e999}"#, "", "{}", #"{"capabilities":{"write_multiple":true}}"#, "\u{0}",
    ]
    var text = Array(texts[script.below(texts.count)].utf8)
    if script.byte() & 1 == 1, !text.isEmpty { text[script.below(text.count)] ^= script.byte() }
    return text + (script.byte() & 1 == 0 ? [0] : [])
  }

  private func address() -> UInt64 {
    let how = script.byte()
    return how == 0xFF ? script.long() : UInt64(how & 15) << 12 &+ (how & 16 != 0 ? UInt64.max << 16 : 0)
  }

  private func size() -> UInt64 {
    let how = script.byte()
    return how == 0xFF ? script.long() : UInt64(how & 15) << 12
  }

  private func mapping() -> [UInt8] {
    let flags = script.byte()
    return bytes(UInt32(32)) + bytes(UInt32(flags & 7 == 7 ? UInt32(flags) : 3)) + bytes(size()) + bytes(address())
      + bytes(size())
  }

  private func unmapping() -> [UInt8] {
    bytes(UInt32(24)) + bytes(UInt32(script.byte() & 3)) + bytes(address()) + bytes(size())
  }

  private func interrupts() -> [UInt8] {
    bytes(UInt32(20 + script.byte() & 1)) + bytes(UInt32(script.byte() & 63)) + bytes(UInt32(script.byte() & 3))
      + bytes(UInt32(script.byte() & 1)) + bytes(UInt32(script.byte() & 3)) + octets(Int(script.byte() & 3))
  }

  private func place() -> [UInt8] {
    let region = UInt32(script.byte() % 10)
    let offset = script.byte() == 0xFF ? script.long() : UInt64(script.half())
    let how = script.byte()
    return access(region, offset, how == 0xFF ? script.word() : UInt32(how & 15))
  }

  private func write() -> [UInt8] {
    let place = place()
    let said = Int(place[12])
    return place + octets(script.byte() & 15 == 15 ? said + 1 : said)
  }

  private func records() -> [UInt8] {
    let count = Int(script.byte() & 7)
    return bytes(UInt64(script.byte() & 15 == 15 ? script.long() : UInt64(count)))
      + (0..<count).flatMap { _ in place() + octets(8) }
  }

  private func register() -> [UInt8] {
    access(0, UInt64(script.half() & 0x7FFF) << 2, 4) + bytes(script.word())
  }

  /// Answers to DMA accesses that the server has not made yet: it finds them behind the doorbell that makes it ask.
  private func answerAccesses() {
    let filling = octets(16)
    for number in 1...(1 + UInt16(script.byte() & 15)) {
      let how = script.byte()
      let identifier = how & 0xE0 == 0xE0 ? script.half() : lastAccess &+ number
      let command: VfioUserCommand = how & 1 == 0 ? .readDMA : .writeDMA
      let count = how & 8 == 0 ? 16 << Int(how >> 1 & 3) : Int(script.half() & 0x1FFF)
      let body = access(0, 0, UInt32(count)) + (0..<(how & 1 == 0 ? count : 0)).map { filling[$0 & 15] }
      var reply = message(command.rawValue, body, flags: how & 0x30 == 0x30 ? 0x21 : 1)
      reply.replaceSubrange(0..<2, with: bytes(identifier))
      send(reply)
      // A command in between wants its answer first.
      if how & 0x50 == 0x50 { post(.writeRegion, register()) }
    }
  }

  /// A ring at bus address 0 of whatever memory is mapped there, and its doorbell.
  private func transmit() {
    for (offset, value) in [
      (0x0000, 0x241), (0x3800, UInt32(address() & 0xFFFF_F000)), (0x3808, 0x1000), (0x3818, UInt32(script.byte())),
      (0x0400, 0x0A), (0x2800, UInt32(address() & 0xFFFF_F000)), (0x2808, 0x1000), (0x2818, UInt32(script.byte())),
      (0x0100, 0x8042), (0x00D0, .max),
    ] as [(UInt64, UInt32)] {
      post(.writeRegion, access(0, offset, 4) + bytes(value))
    }
  }
}
