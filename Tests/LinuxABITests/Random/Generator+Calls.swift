import LinuxABI

// One call of each kind, with arguments that are mostly sensible.
extension Generator {
  mutating func add(_ number: SystemCallNumber, _ arguments: Argument..., slot: Int? = nil, isSecret: Bool = false) {
    steps.append(Step(number: number, arguments: arguments, slot: slot, isSecret: isSecret))
  }

  mutating func bind() {
    let (address, length) = address([.zero, .of(slot: slot()), .own(number(0...1))])
    add(.bind, descriptor(), address, length)
  }

  mutating func connect() {
    let (address, length) = destination
    add(.connect, descriptor(), address, length)
  }

  mutating func dissolve() {
    let length = chance(0.8) ? 16 : one(of: [1, 2, 3, 15])
    add(.connect, descriptor(), .address(DrawnAddress(family: 0, port: .zero)), .number(length))
  }

  mutating func listen() { add(.listen, descriptor(.stream), .number(one(of: [8, 8, 1, 0, -1, Int(Int32.max)]))) }

  mutating func accept() {
    let target = freeSlot
    let hasName = chance(0.7)
    add(
      .accept4, descriptor(.stream), hasName ? pointer(.nameRoom) : .number(0), hasName ? nameLength : .number(0),
      .number(chance(0.85) ? one(of: [0, Self.nonBlocking]) : one(of: [0o2000000, 0o2004000, 1, 77, -1])), slot: target)
    kinds[target] = .stream
  }

  static let nonBlocking = Int(SocketType.SOCK_NONBLOCK)

  private var nameLength: Argument {
    pointer(.integer(chance(0.85) ? 16 : one(of: [0, 1, 2, 7, 15, 17, 128, -1, Int32.max, Int32.min])))
  }

  mutating func sendto() {
    let slot = slot()
    let text = text(kinds[slot])
    // How much of it a stream takes at once depends on its memory.
    let length =
      chance(0.97) || kinds[slot] == .stream ? text.count : one(of: [-1, 1 << 31, 0xFFFF_FFFF, Int.max, 65_536])
    let buffer = length == text.count ? pointer(.bytes(text)) : .bytes(text + Array(repeating: 97, count: 66_000))
    if chance(0.5) {
      add(
        .sendto, .slot(slot), buffer, .number(length), .number(sendFlags(kinds[slot])), .number(0),
        .number(chance(0.9) ? 0 : 16))
    } else {
      let (address, addressLength) = destination
      add(.sendto, .slot(slot), buffer, .number(length), .number(sendFlags(kinds[slot])), address, addressLength)
    }
  }

  mutating func recvfrom() {
    let count = size
    let wantsSource = chance(0.5)
    add(
      .recvfrom, descriptor(), pointer(.room(count)), .number(chance(0.98) ? count : -1), .number(receiveFlags),
      wantsSource ? pointer(.nameRoom) : .number(0), wantsSource ? nameLength : .number(0))
  }

  mutating func write() {
    let slot = slot()
    let text = text(kinds[slot])
    if chance(0.6) {
      add(.write, .slot(slot), pointer(.bytes(text)), .number(chance(0.98) ? text.count : -1))
    } else {
      let buffers = parts(of: text)
      add(.writev, .slot(slot), pointer(.vectors(buffers)), .number(count(of: buffers)))
    }
  }

  mutating func read() {
    if chance(0.6) {
      let count = size
      add(.read, descriptor(), pointer(.room(count)), .number(chance(0.98) ? count : -1))
    } else {
      let buffers = rooms
      add(.readv, descriptor(), pointer(.vectors(buffers)), .number(count(of: buffers)))
    }
  }

  private func count(of buffers: [Argument.Buffer]) -> Int {
    chance(0.97) ? buffers.count : one(of: [-1, 1025, 0, 1 << 32])
  }

  /// Text in one buffer or several, one of which may be nowhere.
  private func parts(of text: [UInt8]) -> [Argument.Buffer] {
    var parts: [Argument.Buffer] = [.bytes(text)]
    if chance(0.5) {
      let cut = number(0...text.count)
      parts = [.bytes(Array(text[..<cut])), .bytes(Array(text[cut...]))]
    }
    if chance(0.06) { parts.insert(nowhere, at: number(0...parts.count)) }
    return parts
  }

  private var rooms: [Argument.Buffer] {
    var rooms = (0..<number(0...3)).map { _ in Argument.Buffer.room(size) }
    if chance(0.06) { rooms.insert(nowhere, at: number(0...rooms.count)) }
    return rooms
  }

  private var nowhere: Argument.Buffer {
    one(of: [.raw(0, 0), .raw(0, 5), .raw(8, 5), .raw(8, -1), .raw(UInt(1) << 63, 5), .raw(UInt(1) << 63, 0)])
  }

  mutating func sendmsg() {
    let slot = slot()
    var message = DrawnMessage(buffers: parts(of: text(kinds[slot])))
    if chance(0.5) {
      message.name = DrawnAddress(
        family: chance(0.94) ? 2 : one(of: [0, 10, 99]), port: one(of: [.of(slot: self.slot()), .zero, .own(1)]),
        address: ip)
      message.nameLength = chance(0.95) ? 16 : one(of: [0, 1, 2, 15, 17, 128, 129, 500, -1, Int32.min])
    }
    if chance(0.03) { message.bufferCount = one(of: [1025, -1, 0]) }
    if chance(0.4) { message.control = control(kinds[slot]) }
    add(.sendmsg, .slot(slot), pointer(.message(message)), .number(sendFlags(kinds[slot])))
  }

  mutating func recvmsg() {
    var message = DrawnMessage(buffers: rooms)
    message.hasNameRoom = chance(0.6)
    message.nameLength = chance(0.9) ? 16 : one(of: [0, 1, 7, 17, -1])
    message.controlRoom = one(of: [0, 256, 256, 256, 1, 16, 20, 24, 40])
    add(.recvmsg, descriptor(), pointer(.message(message)), .number(receiveFlags))
  }

  mutating func names() {
    let call = one(of: [SystemCallNumber.getsockname, .getsockname, .getpeername, .getpeername])
    add(call, descriptor(), pointer(.nameRoom), nameLength)
  }

  mutating func shutdown() {
    add(.shutdown, descriptor(), .number(chance(0.95) ? number(0...2) : one(of: [3, -1, Int(Int32.max)])))
  }

  mutating func close() {
    let slot = slot()
    if kinds[slot] == .stream, chance(0.3) {
      let linger = one(of: [[Int32(1), 0], [1, 0], [1, 1], [0, 0]]).withUnsafeBytes { Array($0) }
      add(.setsockopt, .slot(slot), .number(1), .number(Int(OptionName.SO_LINGER)), .bytes(linger), .number(8))
    }
    add(.close, chance(0.97) ? .slot(slot) : descriptor())
    kinds[slot] = nil
  }

  mutating func duplicate() {
    let (source, target) = (slot(), chance(0.7) ? freeSlot : slot())
    let fd = chance(0.95) ? Argument.slot(source) : descriptor()
    switch number(0...3) {
    case 0: add(.dup, fd, slot: target)
    case 1: add(.dup2, fd, chance(0.95) ? .slot(target) : .number(one(of: [-1, 1 << 30])), slot: target)
    case 2: add(.dup3, fd, .slot(target), .number(one(of: [0, 0, 0o2000000, 0o4000, 1])), slot: target)
    default:
      let command = one(of: [FileControl.F_DUPFD, FileControl.F_DUPFD_CLOEXEC])
      let least = chance(0.9) ? 0 : one(of: [-1, 1 << 30])
      add(.fcntl, fd, .number(Int(command)), .number(least), slot: target)
    }
    kinds[target] = kinds[source]
  }

  mutating func fileControl() {
    let commands: [(Int32, [Int])] = [
      (FileControl.F_GETFD, [0]), (FileControl.F_SETFD, [0, 1, 2, -1]), (FileControl.F_GETFL, [0]),
      (FileControl.F_SETFL, [0o4000, 0o4000, 0, 2, 0o2000, 0o2004000, 0o1004000, 0o44000]),
      (FileControl.F_GETPIPE_SZ, [0]), (FileControl.F_SETPIPE_SZ, [4096]), (99, [0]), (-1, [0]),
      (FileControl.F_CREATED_QUERY, [0]),
    ]
    let (command, values) = one(of: commands)
    add(.fcntl, descriptor(), .number(Int(command)), .number(one(of: values)))
  }

  mutating func deviceControl() {
    let requests: [UInt] = [
      ControlRequest.FIONREAD, ControlRequest.FIONREAD, ControlRequest.SIOCOUTQ, ControlRequest.SIOCOUTQ,
      ControlRequest.SIOCOUTQNSD, ControlRequest.SIOCATMARK, ControlRequest.SIOCATMARK, ControlRequest.FIONBIO,
      ControlRequest.FIOCLEX, ControlRequest.FIONCLEX, 0x5401, 0x5499, 0x89AA, 0,
    ]
    let request = one(of: requests)
    // What datagrams occupy is memory accounting.
    if request == ControlRequest.SIOCOUTQ, openable != [.stream] { return }
    add(.ioctl, descriptor(), .number(Int(request)), pointer(.integer(one(of: [0, 1, 1, 1, -1]))))
  }

  mutating func poll() {
    let entries = (0..<number(1...3)).map { _ in
      (slot: chance(0.95) ? slot() : -1, events: one(of: [Int16(0x2007), 0x3FFF, -1, 0, 1, 4, 2, 0x2000, 0x1, 0x4]))
    }
    add(
      .poll, chance(0.96) ? .polled(entries) : one(of: [.number(0), .number(8), .end(4), .number(-1)]),
      .number(chance(0.97) ? entries.count : one(of: [0, -1, 100_000])),
      .number(chance(0.95) ? 0 : one(of: [1, 2])))
  }

  mutating func open() {
    let target = freeSlot
    if chance(0.1) {
      let domain = chance(0.7) ? 2 : one(of: [0, 45, 46, 99, -1])
      let type = one(of: [0, 1, 2, 3, 4, 5, 6, 9, 11, 15, 16, 0o2000001, 0o10001, -1])
      let protocolNumber = one(of: [0, 1, 6, 17, 2, 255, 262, 263, -1])
      if domain == 2, type == 3, protocolNumber != 255 { return }
      // Multipath TCP is no TCP.
      if protocolNumber == 262 { return }
      add(.socket, .number(domain), .number(type), .number(protocolNumber), slot: target)
      return
    }
    open(one(of: openable), in: target)
  }
}
