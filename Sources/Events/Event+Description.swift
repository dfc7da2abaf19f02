extension Event: CustomStringConvertible {
  /// What happened, in words; the text of the line that ``EventPrinter`` writes.
  public var description: String {
    switch self {
    case .registerRead(let bar, let offset, let name, let value, let size):
      return "read  \(bar):\(hexadecimal(offset, 4)) \(name) = \(register(value, size))"
    case .registerWrite(let bar, let offset, let name, let value, let size):
      return "write \(bar):\(hexadecimal(offset, 4)) \(name) = \(register(value, size))"
    case .configurationAccess(let function, let write, let offset, let value, let size):
      return
        "\(write ? "write" : "read ") config \(function) \(hexadecimal(offset, 2)) = \(register(UInt64(value), size))"
    case .descriptor(let ring, let index, let length, let status):
      return "descriptor \(ring)[\(index)] length \(length) status \(hexadecimal(status, 8))"
    case .interrupt(let line, let asserted, let causes):
      return "interrupt \(line) \(asserted ? "raised" : "lowered") causes \(hexadecimal(causes, 8))"
    case .frame(let direction, let length, let summary):
      return "\(direction) \(length) bytes: \(summary)"
    case .dropped(let reason, let length):
      return "dropped \(length) bytes: \(reason)"
    case .segment(let direction, let connection, let summary):
      return "\(direction) \(connection): \(summary)"
    case .stateChange(let object, let from, let to):
      return "\(object): \(from) -> \(to)"
    case .wake(let object, let reason):
      return "wake \(object): \(reason)"
    case .systemCall(let number, let name, let arguments, let result):
      return "\(name)(\(arguments)) = \(result) [\(number)]"
    case .note(let text):
      return text
    }
  }

  /// The kind of event without its values, as counters and filters name it.
  public var kind: EventKind {
    switch self {
    case .registerRead: .registerRead
    case .registerWrite: .registerWrite
    case .configurationAccess: .configurationAccess
    case .descriptor: .descriptor
    case .interrupt: .interrupt
    case .frame: .frame
    case .dropped: .dropped
    case .segment: .segment
    case .stateChange: .stateChange
    case .wake: .wake
    case .systemCall: .systemCall
    case .note: .note
    }
  }

  /// As many digits as the access has: a byte as 0x04, a doubleword as 0x00000004.
  private func register(_ value: UInt64, _ size: Int) -> String {
    hexadecimal(value, min(max(size, 1), 8) * 2) + " (\(size))"
  }

  private func hexadecimal(_ value: some BinaryInteger, _ digits: Int) -> String {
    let text = String(value, radix: 16)
    return "0x" + String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
  }
}

/// The kinds of ``Event``.
public enum EventKind: String, Sendable, CaseIterable {
  case registerRead = "register read"
  case registerWrite = "register write"
  case configurationAccess = "configuration access"
  case descriptor, interrupt, frame, dropped, segment
  case stateChange = "state change"
  case wake
  case systemCall = "system call"
  case note
}
