import LinuxABI

/// A control message (`struct cmsghdr`).
struct ControlMessage {
  let level: Int32
  let type: Int32
  let data: [UInt8]
  /// What cmsg_len says, if not the truth.
  var length: Int?

  init(_ level: Int32, _ type: Int32, _ data: [UInt8], length: Int? = nil) {
    self.level = level
    self.type = type
    self.data = data
    self.length = length
  }

  init(_ level: Int32, _ type: Int32, _ number: Int32) {
    self.init(level, type, withUnsafeBytes(of: number) { Array($0) })
  }

  var bytes: [UInt8] {
    let words = withUnsafeBytes(of: UInt(bitPattern: length ?? 16 + data.count)) { Array($0) }
    let names = [level, type].withUnsafeBytes { Array($0) }
    return words + names + data + [UInt8](repeating: 0, count: (8 - data.count & 7) & 7)
  }
}

extension Session {
  /// A `struct msghdr` around one buffer.
  private func header(_ name: UInt, _ nameLength: Int, _ buffer: UInt, _ count: Int, _ control: UInt, _ room: Int)
    -> UInt
  {
    let vector = put([buffer, UInt(count)].withUnsafeBytes { Array($0) })
    return put([name, UInt(nameLength), vector, 1, control, UInt(room), 0].withUnsafeBytes { Array($0) })
  }

  /// sendmsg(2) with control messages.
  @discardableResult
  func sendMessage(
    _ s: Int, _ text: String, _ control: [ControlMessage], _ flags: Int32 = 0, to port: UInt16? = nil,
    _ address: [UInt8] = [127, 0, 0, 1], line: Int = #line
  ) async -> Int {
    let bytes = control.flatMap(\.bytes)
    let name = port.map { put(Self.inet($0, address)) } ?? 0
    let header = header(
      name, port == nil ? 0 : 16, put(Array(text.utf8)), text.utf8.count, bytes.isEmpty ? 0 : put(bytes), bytes.count)
    return await call(.sendmsg, s, Int(header), Int(flags), line: line)
  }

  /// recvmsg(2): what came, from where, and the control messages. Times are not compared, only that there are some.
  @discardableResult
  func receiveMessage(
    _ s: Int, _ count: Int, _ flags: Int32 = MessageFlags.MSG_DONTWAIT, room: Int = 256, line: Int = #line
  ) async -> Int {
    let (buffer, name, control) = (self.room(max(count, 1)), self.room(16), self.room(max(room, 1)))
    let header = header(name, 16, buffer, count, control, room)
    let result = await raw(.recvmsg, [s, Int(header), Int(flags)])
    guard result >= 0 else {
      note("recvmsg = \(Self.text(result))", line)
      return result
    }
    let length = Int(get(header + 8, as: Int32.self))
    let source = get(name, count: 8)
    let port = UInt16(source[2]) << 8 | UInt16(source[3])
    var text = "recvmsg = \(result) '\(String(decoding: get(buffer, count: min(result, count, 40)), as: UTF8.self))'"
    text +=
      length == 0 ? ", no address" : ", \(source[4...7].map(String.init).joined(separator: ".")):\(portName(port))"
    text += ", flags 0x" + String(get(header + 48, as: UInt32.self), radix: 16)
    text += controlText(control, Int(get(header + 40, as: UInt.self)))
    note(text, line)
    return result
  }

  /// The control messages in so many bytes.
  func controlText(_ control: UInt, _ end: Int) -> String {
    var text = ""
    var offset = 0
    while offset + 16 <= end {
      let size = Int(get(control + UInt(offset), as: UInt.self))
      let level = get(control + UInt(offset) + 8, as: Int32.self)
      let type = get(control + UInt(offset) + 12, as: Int32.self)
      var data = get(control + UInt(offset) + 16, count: max(0, min(size, end - offset) - 16))
      // IP_RECVORIGDSTADDR: ports are known by name.
      if level == 0, type == OptionName.IP_RECVORIGDSTADDR, data.count >= 4 { (data[2], data[3]) = (0, 0) }
      let isTime = level == 1 && [29, 35, 37, 63, 64, 65].contains(type)
      text += isTime ? " \(level),\(type): \(data.count) bytes of time" : " \(level),\(type): \(data)"
      offset += max(16, (size + 7) & ~7)
    }
    return text
  }
}
