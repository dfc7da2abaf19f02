import LinuxABI

/// One call of a random sequence. It names descriptors by slot and ports by who has them, not by number, so that it can
/// be made on any kernel, and still be made when calls before it are left out.
struct Step: Sendable, CustomStringConvertible {
  let number: SystemCallNumber
  var arguments: [Argument]
  /// Where a descriptor that the call returns goes.
  var slot: Int?
  /// What it stores differs from run to run, and only how much is compared.
  var isSecret = false

  var description: String {
    "\(number.name)(\(arguments.map(\.description).joined(separator: ", ")))" + (slot.map { " -> s\($0)" } ?? "")
  }
}

/// An argument of a ``Step``.
enum Argument: Sendable, CustomStringConvertible {
  case number(Int)
  /// The descriptor of a slot, open or closed.
  case slot(Int)
  /// A pointer to memory with these bytes.
  case bytes([UInt8])
  /// A pointer to memory with an `int`, which the call may change.
  case integer(Int32)
  /// A pointer to so many zero bytes.
  case room(Int)
  /// A pointer to room for a `sockaddr_in`.
  case nameRoom
  /// A pointer to the last so many bytes before memory that is not mapped.
  case end(Int)
  case address(DrawnAddress)
  case vectors([Buffer])
  case message(DrawnMessage)
  case polled([(slot: Int, events: Int16)])

  /// A part of a `struct iovec`.
  enum Buffer: Sendable, CustomStringConvertible {
    case bytes([UInt8])
    case room(Int)
    case raw(UInt, Int)

    var description: String {
      switch self {
      case .bytes(let bytes): Argument.text(bytes)
      case .room(let count): "room(\(count))"
      case .raw(let pointer, let count): "0x\(String(pointer, radix: 16)) \(count)"
      }
    }
  }

  var description: String {
    switch self {
    case .number(let number):
      number < -1 || number > 0xFFFF ? "0x" + String(UInt(bitPattern: number), radix: 16) : "\(number)"
    case .slot(let slot): "s\(slot)"
    case .bytes(let bytes): "&" + Self.text(bytes)
    case .integer(let value): "&\(value)"
    case .room(let count): "&room(\(count))"
    case .nameRoom: "&name"
    case .end(let count): "&end(\(count))"
    case .address(let address): "&\(address)"
    case .vectors(let buffers): "&[\(buffers.map { "\($0)" }.joined(separator: ", "))]"
    case .message(let message): "&\(message)"
    case .polled(let entries):
      "&[" + entries.map { "s\($0.slot):0x" + String(UInt16(bitPattern: $0.events), radix: 16) }.joined(separator: ", ")
        + "]"
    }
  }

  /// Bytes as text if they are letters, cut if there are many.
  static func text(_ bytes: [UInt8]) -> String {
    let shown = bytes.prefix(48)
    let body =
      !shown.isEmpty && shown.allSatisfy { (97...122).contains($0) }
      ? "'\(String(decoding: shown, as: UTF8.self))'" : "\(Array(shown))"
    return bytes.count > shown.count ? "\(body)... of \(bytes.count)" : body
  }
}

/// A `sockaddr` that names its port by who has it.
struct DrawnAddress: Sendable, CustomStringConvertible {
  enum Port: Sendable {
    case zero
    /// The port that the socket in a slot is bound to.
    case of(slot: Int)
    /// One of a few numbers that nobody but this sequence has.
    case own(Int)
  }
  var family: UInt16 = 2
  var port: Port
  var address: [UInt8] = [127, 0, 0, 1]

  var description: String {
    let port =
      switch port {
      case .zero: "0"
      case .of(let slot): "port(s\(slot))"
      case .own(let index): "own\(index)"
      }
    return "{\(family), \(address.map(String.init).joined(separator: ".")):\(port)}"
  }
}

/// A `struct msghdr`.
struct DrawnMessage: Sendable, CustomStringConvertible {
  /// Nil without, and then so many bytes of room in a message to be received.
  var name: DrawnAddress?
  var hasNameRoom = false
  var nameLength: Int32 = 16
  var buffers: [Argument.Buffer]
  /// What msg_iovlen says, if not the truth.
  var bufferCount: Int?
  var control: [UInt8] = []
  var controlRoom = 0

  var description: String {
    var text = "msg(\(buffers)"
    if let bufferCount { text += " as \(bufferCount)" }
    if let name { text += ", to \(name) \(nameLength)" }
    if hasNameRoom { text += ", name \(nameLength)" }
    if !control.isEmpty { text += ", control \(control)" }
    if controlRoom > 0 { text += ", control room \(controlRoom)" }
    return text + ")"
  }
}
