import LinuxABI

/// One call of a ``Session`` and what came of it.
struct Outcome: Equatable, CustomStringConvertible {
  let line: Int
  let text: String
  var description: String { "line \(line): \(text)" }
}

/// A program's side of the system-call interface: builds arguments in a kernel's memory, makes the call, and writes
/// down what came of it. Descriptors and ports are written as names, so that the records of two kernels can be
/// compared.
final class Session {
  let kernel: any Kernel
  private(set) var outcomes: [Outcome] = []
  private var ports: [UInt16: String] = [:]
  private var portCount = 0
  /// The ports that sockets have told. When one is closed its port is forgotten: chance may give it to another.
  private var portOwners: [Int: UInt16] = [:]
  private var descriptors: Set<Int> = []
  private var used: UInt = 0
  /// What came of the same calls in a session that had every capability; nil if this one has them too.
  private let privileged: [Outcome]?
  /// The kernel denied what only root may do: no call is made from there on, and nothing of it can be compared.
  private(set) var isDenied = false

  init(_ kernel: any Kernel, privileged: [Outcome]? = nil) {
    self.kernel = kernel
    self.privileged = privileged
  }

  // MARK: Memory

  /// Room for `count` bytes, which are zero.
  func room(_ count: Int) -> UInt {
    let address = kernel.base + used
    used += UInt(count + 15) & ~15
    precondition(used <= UInt(arenaSize))
    kernel.bytes(address, count).initializeMemory(as: UInt8.self, repeating: 0)
    return address
  }

  func put(_ bytes: [UInt8]) -> UInt {
    let address = room(max(bytes.count, 1))
    kernel.bytes(address, bytes.count).copyBytes(from: bytes)
    return address
  }

  func put<T: BitwiseCopyable>(_ value: T) -> UInt { put(withUnsafeBytes(of: value) { Array($0) }) }

  func get<T: BitwiseCopyable>(_ address: UInt, as type: T.Type = T.self) -> T {
    kernel.bytes(address, MemoryLayout<T>.size).loadUnaligned(as: T.self)
  }

  func get(_ address: UInt, count: Int) -> [UInt8] { Array(kernel.bytes(address, count)) }

  // MARK: Calls

  /// Makes a call. Argument memory is free again after the next ``note(_:_:)``.
  func raw(_ number: SystemCallNumber, _ arguments: [Int]) async -> Int {
    if isDenied && number != .close { return -Int(Errno.EPERM.rawValue) }
    return await kernel.call(number.rawValue, arguments.map { UInt(bitPattern: $0) })
  }

  func note(_ text: String, _ line: Int) {
    used = 0
    let outcome = Outcome(line: line, text: text)
    if let privileged, privileged.indices.contains(outcomes.count), privileged[outcomes.count] != outcome,
      text.contains("EPERM") || text.contains("EACCES")
    {
      isDenied = true
    }
    if !isDenied { outcomes.append(outcome) }
  }

  static func text(_ result: Int) -> String {
    result < 0 ? Errno(rawValue: Int32(-result)).name : "\(result)"
  }

  /// Makes a call, and writes down its result.
  @discardableResult
  func call(_ number: SystemCallNumber, _ arguments: Int..., line: Int = #line) async -> Int {
    let result = await raw(number, arguments)
    note("\(number.name) = \(Self.text(result))", line)
    return result
  }

  func settle(_ milliseconds: Int = 3) async { await kernel.settle(milliseconds: milliseconds) }

  func portName(_ port: UInt16) -> String {
    if port == 0 { return "0" }
    if let name = ports[port] { return name }
    portCount += 1
    let name = "p\(portCount)"
    ports[port] = name
    return name
  }

  private func opened(_ number: SystemCallNumber, _ result: Int, _ suffix: String, _ line: Int) -> Int {
    if result >= 0 { descriptors.insert(result) }
    note("\(number.name) = \(result < 0 ? Self.text(result) : "descriptor")\(suffix)", line)
    return result
  }

  /// Closes what is still open.
  func end() async {
    for descriptor in descriptors.sorted() { _ = await raw(.close, [descriptor]) }
  }

  // MARK: Opening

  func socket(_ type: Int32, _ number: Int32 = 0, domain: Int32 = 2, line: Int = #line) async -> Int {
    opened(.socket, await raw(.socket, [Int(domain), Int(type), Int(number)]), "", line)
  }

  func tcp(_ flags: Int32 = 0, line: Int = #line) async -> Int {
    await socket(SocketType.SOCK_STREAM | flags, line: line)
  }

  func udp(_ flags: Int32 = 0, line: Int = #line) async -> Int {
    await socket(SocketType.SOCK_DGRAM | flags, line: line)
  }

  static func inet(_ port: UInt16, _ address: [UInt8] = [127, 0, 0, 1], family: UInt16 = 2) -> [UInt8] {
    [UInt8(family & 255), UInt8(family >> 8), UInt8(port >> 8), UInt8(port & 255)] + address
      + Array(repeating: 0, count: 8)
  }

  @discardableResult
  func bind(
    _ s: Int, _ port: UInt16 = 0, _ address: [UInt8] = [127, 0, 0, 1], family: UInt16 = 2, length: Int = 16,
    line: Int = #line
  ) async -> Int {
    let pointer = put(Self.inet(port, address, family: family) + Array(repeating: 0, count: 128))
    return await call(.bind, s, Int(pointer), length, line: line)
  }

  @discardableResult
  func connect(
    _ s: Int, _ port: UInt16, _ address: [UInt8] = [127, 0, 0, 1], family: UInt16 = 2, length: Int = 16,
    line: Int = #line
  ) async -> Int {
    let pointer = put(Self.inet(port, address, family: family) + Array(repeating: 0, count: 128))
    return await call(.connect, s, Int(pointer), length, line: line)
  }

  @discardableResult
  func listen(_ s: Int, _ backlog: Int = 8, line: Int = #line) async -> Int {
    await call(.listen, s, backlog, line: line)
  }

  func accept(_ s: Int, _ flags: Int32 = 0, line: Int = #line) async -> Int {
    let address = room(16)
    let length = put(Int32(16))
    let result = await raw(.accept4, [s, Int(address), Int(length), Int(flags)])
    return opened(.accept4, result, result < 0 ? "" : ", \(endpoint(address, length))", line)
  }

  private func endpoint(_ address: UInt, _ length: UInt) -> String {
    let count = Int(get(length, as: Int32.self))
    guard count > 0 else { return "no address" }
    let bytes = get(address, count: 16)
    let port = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
    return
      "family \(bytes[0]) \(bytes[4...7].map(String.init).joined(separator: ".")):\(portName(port)) length \(count)"
  }

  /// getsockname or getpeername; returns the port.
  @discardableResult
  func name(_ call: SystemCallNumber, _ s: Int, line: Int = #line) async -> UInt16 {
    let address = room(16)
    let length = put(Int32(16))
    let result = await raw(call, [s, Int(address), Int(length)])
    let bytes = get(address, count: 4)
    note("\(call.name) = \(Self.text(result))\(result < 0 ? "" : ", \(endpoint(address, length))")", line)
    let port = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
    if call == .getsockname, result >= 0, port != 0 { portOwners[s] = port }
    return port
  }

  @discardableResult
  func port(_ s: Int, line: Int = #line) async -> UInt16 { await name(.getsockname, s, line: line) }

  /// The port of a socket, not written down.
  func quietPort(_ s: Int) async -> Int {
    let address = room(16)
    let length = put(Int32(16))
    _ = await raw(.getsockname, [s, Int(address), Int(length)])
    let bytes = get(address, count: 4)
    return Int(bytes[2]) << 8 | Int(bytes[3])
  }

  /// A listening socket on 127.0.0.1 and its port.
  func listener(backlog: Int = 8, line: Int = #line) async -> (Int, UInt16) {
    let s = await tcp(line: line)
    await bind(s, line: line)
    await listen(s, backlog, line: line)
    return (s, await port(s, line: line))
  }

  /// Both ends of a connection: the one that connected first.
  func pair(line: Int = #line) async -> (Int, Int) {
    let (l, port) = await listener(line: line)
    let a = await tcp(line: line)
    await connect(a, port, line: line)
    let b = await accept(l, line: line)
    await close(l, line: line)
    return (a, b)
  }

  /// A bound UDP socket and its port.
  func boundUDP(_ flags: Int32 = 0, line: Int = #line) async -> (Int, UInt16) {
    let s = await udp(flags, line: line)
    await bind(s, line: line)
    return (s, await port(s, line: line))
  }

  @discardableResult
  func close(_ s: Int, line: Int = #line) async -> Int {
    descriptors.remove(s)
    if let port = portOwners.removeValue(forKey: s) { ports[port] = nil }
    return await call(.close, s, line: line)
  }

  /// dup and its kin.
  @discardableResult
  func duplicate(_ number: SystemCallNumber, _ arguments: Int..., line: Int = #line) async -> Int {
    opened(number, await raw(number, arguments), "", line)
  }

  // MARK: Transfer

  @discardableResult
  func write(_ s: Int, _ text: String, line: Int = #line) async -> Int {
    await call(.write, s, Int(put(Array(text.utf8))), text.utf8.count, line: line)
  }

  @discardableResult
  func send(
    _ s: Int, _ text: String, _ flags: Int32 = 0, to port: UInt16? = nil, _ address: [UInt8] = [127, 0, 0, 1],
    family: UInt16 = 2, length: Int = 16, line: Int = #line
  ) async -> Int {
    let bytes = put(Array(text.utf8))
    let target = port.map { Int(put(Self.inet($0, address, family: family))) } ?? 0
    return await call(
      .sendto, s, Int(bytes), text.utf8.count, Int(flags), target, port == nil ? 0 : length, line: line)
  }

  @discardableResult
  func read(_ s: Int, _ count: Int, line: Int = #line) async -> Int {
    let address = room(max(count, 1))
    let result = await raw(.read, [s, Int(address), count])
    let text = String(decoding: get(address, count: max(0, min(result, 40))), as: UTF8.self)
    note("read = \(Self.text(result)) '\(text)'", line)
    return result
  }

  @discardableResult
  func receive(
    _ s: Int, _ count: Int, _ flags: Int32 = 0, wantsSource: Bool = false, line: Int = #line
  ) async -> Int {
    let address = room(max(count, 1))
    let source = room(16)
    let length = put(Int32(16))
    let result = await raw(
      .recvfrom, [s, Int(address), count, Int(flags), wantsSource ? Int(source) : 0, wantsSource ? Int(length) : 0])
    let text = String(decoding: get(address, count: max(0, min(result, count, 40))), as: UTF8.self)
    let from = wantsSource && result >= 0 ? ", \(endpoint(source, length))" : ""
    note("recvfrom = \(Self.text(result)) '\(text)'\(from)", line)
    return result
  }

  /// Writes without waiting until nothing more is taken; the amounts are not compared.
  func fill(_ s: Int, line: Int = #line) async {
    let bytes = put(Array(repeating: 120, count: 65536))
    var result = 0
    for _ in 0..<20 {
      repeat {
        result = await raw(.sendto, [s, Int(bytes), 65536, Int(MessageFlags.MSG_DONTWAIT), 0, 0])
      } while result > 0
      await settle(1)
    }
    note("filled, then \(Self.text(result))", line)
  }

  /// Reads without waiting until nothing is left; the amount is not compared.
  func drain(_ s: Int, line: Int = #line) async {
    let bytes = room(65536)
    var result = 0
    for _ in 0..<20 {
      repeat {
        result = await raw(.recvfrom, [s, Int(bytes), 65536, Int(MessageFlags.MSG_DONTWAIT), 0, 0])
      } while result > 0
      await settle(1)
    }
    note("drained, then \(Self.text(result))", line)
  }

  // MARK: Options and polling

  @discardableResult
  func set(_ s: Int, _ level: Int32, _ option: Int32, _ values: Int32..., line: Int = #line) async -> Int {
    return await set(s, level, option, bytes: values.withUnsafeBytes { Array($0) }, line: line)
  }

  @discardableResult
  func set(_ s: Int, _ level: Int32, _ option: Int32, bytes: [UInt8], line: Int = #line) async -> Int {
    let pointer = put(bytes)
    return await call(.setsockopt, s, Int(level), Int(option), Int(pointer), bytes.count, line: line)
  }

  @discardableResult
  func get(_ s: Int, _ level: Int32, _ option: Int32, room: Int = 4, line: Int = #line) async -> [UInt8] {
    let value = self.room(max(room, 1))
    let length = put(Int32(room))
    let result = await raw(.getsockopt, [s, Int(level), Int(option), Int(value), Int(length)])
    let count = Int(get(length, as: Int32.self))
    let bytes = result < 0 ? [] : get(value, count: min(count, room))
    note("getsockopt \(level),\(option) = \(Self.text(result)), \(count) bytes \(bytes)", line)
    return bytes
  }

  func setTimeout(_ s: Int, _ option: Int32, milliseconds: Int64, line: Int = #line) async {
    let words = [milliseconds / 1000, milliseconds % 1000 * 1000]
    await set(s, 1, option, bytes: words.withUnsafeBytes { Array($0) }, line: line)
  }

  /// The pending error.
  func error(_ s: Int, line: Int = #line) async { await get(s, 1, OptionName.SO_ERROR, line: line) }

  /// Everything that poll(2) says about each socket.
  @discardableResult
  func poll(_ sockets: Int..., events: Int16 = 0x2007, timeout: Int = 0, line: Int = #line) async -> Int {
    let pointer = room(8 * sockets.count)
    for (i, socket) in sockets.enumerated() {
      let entry = kernel.bytes(pointer + UInt(8 * i), 8)
      entry.storeBytes(of: Int32(socket), as: Int32.self)
      entry.storeBytes(of: events, toByteOffset: 4, as: Int16.self)
      entry.storeBytes(of: 0x5A5A, toByteOffset: 6, as: Int16.self)
    }
    let result = await raw(.poll, [Int(pointer), sockets.count, timeout])
    let masks = sockets.indices.map { "0x" + String(get(pointer + UInt(8 * $0 + 6), as: UInt16.self), radix: 16) }
    note("poll = \(Self.text(result)) \(masks)", line)
    return result
  }

  /// ioctl(2) with an `int` out.
  @discardableResult
  func ioctl(_ s: Int, _ request: UInt, _ value: Int32 = 0, line: Int = #line) async -> Int32 {
    let pointer = put(value)
    let result = await raw(.ioctl, [s, Int(request), Int(pointer)])
    let answer = get(pointer, as: Int32.self)
    note("ioctl 0x\(String(request, radix: 16)) = \(Self.text(result)), \(answer)", line)
    return answer
  }

  @discardableResult
  func fcntl(_ s: Int, _ command: Int32, _ argument: Int = 0, line: Int = #line) async -> Int {
    await call(.fcntl, s, Int(command), argument, line: line)
  }
}
