import LinuxABI

/// Makes the calls of a random sequence in a ``Session``, and writes down everything that they return and store.
final class Player {
  /// The slots' descriptors have these numbers: higher than any that the process has otherwise, so that a closed one is
  /// nobody else's.
  static let firstDescriptor = 512
  /// Time limits of every socket's calls, so that none waits for ever.
  private static let limit = [0, 20_000].withUnsafeBytes { Array($0) }

  private let session: Session
  /// The first of the ports that only this sequence has.
  private let firstPort: UInt16
  /// How long segments have to arrive after a call that may send some.
  private let pause: Int

  init(_ session: Session, firstPort: UInt16, pause: Int) {
    self.session = session
    self.firstPort = firstPort
    self.pause = pause
  }

  func play(_ steps: [Step]) async {
    for (index, step) in steps.enumerated() where !session.isDenied {
      await perform(step, at: index)
      if step.number.maySend || step.slot != nil { await session.settle(pause) }
    }
  }

  /// Closes every slot, at once and without a trace in the kernel.
  func end(_ slots: Int) async {
    for slot in 0..<slots {
      let abort = session.put([Int32(1), 0].withUnsafeBytes { Array($0) })
      _ = await session.raw(
        .setsockopt, [Self.firstDescriptor + slot, 1, Int(OptionName.SO_LINGER), Int(abort), 8])
      _ = await session.raw(.close, [Self.firstDescriptor + slot])
    }
  }

  private func perform(_ step: Step, at index: Int) async {
    var words: [Int] = []
    var readings: [(Int) -> String] = []
    for argument in step.arguments {
      let (word, reading) = await load(argument, of: step)
      words.append(word)
      if let reading { readings.append(reading) }
    }
    let result = await session.raw(step.number, words)
    var text = "\(step) = \(Session.text(result))"
    if let slot = step.slot, result >= 0 { text = "\(step) = descriptor\(await place(result, in: slot))" }
    for reading in readings { text += reading(result) }
    session.note(text, index)
  }

  /// Moves a new descriptor to its slot, and limits the time of its calls.
  private func place(_ descriptor: Int, in slot: Int) async -> String {
    let flags = await session.raw(.fcntl, [descriptor, Int(FileControl.F_GETFD), 0])
    let status = await session.raw(.fcntl, [descriptor, Int(FileControl.F_GETFL), 0])
    let number = Self.firstDescriptor + slot
    if number != descriptor {
      let closesOnExec = flags & FileControl.FD_CLOEXEC != 0 ? Int(SocketType.SOCK_CLOEXEC) : 0
      _ = await session.raw(.dup3, [descriptor, number, closesOnExec])
      _ = await session.raw(.close, [descriptor])
    }
    let limit = session.put(Self.limit)
    for option in [OptionName.SO_RCVTIMEO, OptionName.SO_SNDTIMEO] {
      _ = await session.raw(.setsockopt, [number, 1, Int(option), Int(limit), 16])
    }
    return " \(flags) 0x\(String(status, radix: 16))"
  }

  /// An argument's value, and how to read what the call stored there.
  private func load(_ argument: Argument, of step: Step) async -> (Int, ((Int) -> String)?) {
    let session = session
    switch argument {
    case .number(let number): return (number, nil)
    case .slot(let slot): return (Self.firstDescriptor + slot, nil)
    case .bytes(let bytes): return (Int(session.put(bytes)), nil)
    case .address(let address): return (Int(session.put(await bytes(of: address))), nil)
    case .integer(let value):
      let pointer = session.put(value)
      return (
        Int(pointer),
        { _ in
          // SIOCOUTQ after the end shows how large the window once was, which is nobody's promise.
          let value = session.get(pointer, as: Int32.self)
          return step.number == .ioctl && value > 60_000 ? ", a window" : ", \(value)"
        }
      )
    case .room(let count):
      let pointer = session.room(max(count, 1))
      return (Int(pointer), { self.stored([(pointer, count)], by: step, $0) })
    case .end(let count):
      let pointer = session.kernel.base + UInt(arenaSize - count)
      session.kernel.bytes(pointer, count).initializeMemory(as: UInt8.self, repeating: 0)
      return (Int(pointer), { self.stored([(pointer, count)], by: step, $0) })
    case .nameRoom:
      let pointer = session.room(16)
      return (Int(pointer), { _ in self.name(pointer) })
    case .vectors(let buffers):
      let (pointer, reading) = vectors(buffers, of: step)
      return (Int(pointer), reading)
    case .message(let message): return await header(message, of: step)
    case .polled(let entries):
      let pointer = session.room(max(8 * entries.count, 1))
      for (i, entry) in entries.enumerated() {
        let place = session.kernel.bytes(pointer + UInt(8 * i), 8)
        place.storeBytes(of: Int32(entry.slot < 0 ? entry.slot : Self.firstDescriptor + entry.slot), as: Int32.self)
        place.storeBytes(of: entry.events, toByteOffset: 4, as: Int16.self)
      }
      return (
        Int(pointer),
        { _ in
          entries.indices.map { ", 0x" + String(session.get(pointer + UInt(8 * $0 + 6), as: UInt16.self), radix: 16) }
            .joined()
        }
      )
    }
  }

  private func bytes(of address: DrawnAddress) async -> [UInt8] {
    let port: UInt16 =
      switch address.port {
      case .zero: 0
      case .of(let slot): UInt16(truncatingIfNeeded: await session.quietPort(Self.firstDescriptor + slot))
      case .own(let index): firstPort + UInt16(index)
      }
    return Session.inet(port, address.address, family: address.family) + Array(repeating: 0, count: 128)
  }

  private func vectors(_ buffers: [Argument.Buffer], of step: Step) -> (UInt, (Int) -> String) {
    var words: [UInt] = []
    var rooms: [(UInt, Int)] = []
    for buffer in buffers {
      switch buffer {
      case .bytes(let bytes): words += [session.put(bytes), UInt(bytes.count)]
      case .room(let count):
        let room = session.room(max(count, 1))
        rooms.append((room, count))
        words += [room, UInt(count)]
      case .raw(let pointer, let count): words += [pointer, UInt(bitPattern: count)]
      }
    }
    let pointer = session.put(words.withUnsafeBytes { Array($0) })
    return (pointer, { rooms.isEmpty ? "" : self.stored(rooms, by: step, $0) })
  }

  private func header(_ message: DrawnMessage, of step: Step) async -> (Int, ((Int) -> String)?) {
    let session = session
    let (vector, reading) = vectors(message.buffers, of: step)
    let name: UInt =
      if let name = message.name { session.put(await bytes(of: name)) } else {
        message.hasNameRoom ? session.room(16) : 0
      }
    let isReceived = step.number == .recvmsg
    let room = isReceived ? message.controlRoom : message.control.count
    let control = room == 0 ? 0 : isReceived ? session.room(room) : session.put(message.control)
    let words = [
      name, UInt(UInt32(bitPattern: message.nameLength)), vector,
      UInt(bitPattern: message.bufferCount ?? message.buffers.count),
      control, UInt(room), 0,
    ]
    let pointer = session.put(words.withUnsafeBytes { Array($0) })
    guard isReceived else { return (Int(pointer), nil) }
    return (
      Int(pointer),
      { result in
        var text = reading(result)
        if message.hasNameRoom { text += "\(self.name(name)) length \(session.get(pointer + 8, as: Int32.self))" }
        let filled = Int(session.get(pointer + 40, as: UInt.self))
        text += ", control \(filled)"
        if result >= 0, filled <= room { text += session.controlText(control, filled) }
        return text + ", flags 0x" + String(session.get(pointer + 48, as: UInt32.self), radix: 16)
      }
    )
  }

  private func name(_ pointer: UInt) -> String {
    let bytes = session.get(pointer, count: 16)
    guard bytes.contains(where: { $0 != 0 }) else { return ", no address" }
    let port = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
    return ", \(bytes[0]) \(bytes[4...7].map(String.init).joined(separator: ".")):\(session.portName(port))"
  }

  /// What a call stored in buffers, without what differs from run to run. How much it stores before a fault is nobody's
  /// promise.
  private func stored(_ rooms: [(UInt, Int)], by step: Step, _ result: Int) -> String {
    if step.isSecret || result == -Int(Errno.EFAULT.rawValue) { return "" }
    var bytes = rooms.flatMap { session.get($0.0, count: $0.1) }
    if step.number.receives { Self.mask(&bytes) }
    if let last = bytes.lastIndex(where: { $0 != 0 }) { bytes.removeSubrange((last + 1)...) } else { bytes = [] }
    let sum = bytes.reduce(into: UInt32(17)) { $0 = $0 &* 31 &+ UInt32($1) }
    return ", \(Argument.text(bytes))" + (bytes.count > 48 ? " sum \(sum)" : "")
  }

  /// Clears identifications, ports and checksums of a packet. Data that sequences send are lower-case letters.
  private static func mask(_ bytes: inout [UInt8]) {
    guard let first = bytes.first else { return }
    if first >> 4 == 4, bytes.count >= 20 {
      for i in [4, 5, 10, 11] { bytes[i] = 0 }
      if [1, 6, 17].contains(bytes[9]) { bytes.removeSubrange(20...) }
    } else if first == 0 || first == 3 || first == 8 {
      for i in 2..<max(2, min(6, bytes.count)) { bytes[i] = 0 }
    }
  }
}

extension SystemCallNumber {
  /// It may make segments or datagrams.
  var maySend: Bool {
    switch self {
    case .socket, .bind, .getsockname, .getpeername, .getsockopt, .fcntl, .ioctl, .poll, .dup: false
    default: true
    }
  }

  var receives: Bool { [.read, .readv, .recvfrom, .recvmsg].contains(self) }
}
