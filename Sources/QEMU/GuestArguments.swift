/// The arguments of a QEMU that gets devices by vfio-user: what the user wants of it, and the devices, guest memory
/// that their servers can map, and no network card of QEMU's own unless the user asks for one.
public struct GuestArguments: Sendable, Equatable {
  /// Everything for the command line, the user's arguments last.
  public let all: [String]

  /// - Parameters:
  ///   - user: QEMU arguments. A memory backend of the user's stays the only one: it must be shared.
  ///   - sockets: where the devices are served.
  /// - Throws: ``QEMUError/badOption(_:)`` if the size of the memory cannot be understood.
  public init(_ user: [String], sockets: [String]) throws(QEMUError) {
    var own: [String] = []
    let hasBackend = Self.values(of: ["-machine", "-M"], in: user).contains { $0.contains("memory-backend=") }
    if !hasBackend {
      let size = try Self.memorySize(user)
      own += [
        "-object", "memory-backend-memfd,id=wirebench-memory,size=\(size),share=on", "-machine",
        "memory-backend=wirebench-memory",
      ]
    }
    let network: Set<String> = ["-nic", "-net", "-netdev", "-nodefaults"]
    if !user.contains(where: { network.contains(Self.name($0)) }) { own += ["-nic", "none"] }
    for socket in sockets {
      own += [
        "-device",
        #"{"driver":"vfio-user-pci","socket":{"type":"unix","path":"\#(Self.escaped(socket))"}}"#,
      ]
    }
    all = own + user
  }

  /// QEMU takes an option with one dash or two.
  private static func name(_ argument: String) -> String {
    argument.hasPrefix("--") ? String(argument.dropFirst()) : argument
  }

  private static func values(of names: Set<String>, in arguments: [String]) -> [String] {
    zip(arguments, arguments.dropFirst()).filter { names.contains(name($0.0)) }.map(\.1)
  }

  /// The size of `-m`, with a suffix; 128 MiB, QEMU's default, without one.
  private static func memorySize(_ arguments: [String]) throws(QEMUError) -> String {
    guard let option = values(of: ["-m"], in: arguments).last else {
      guard name(arguments.last ?? "") != "-m" else { throw .badOption("-m: a size is missing, e.g. -m 512M") }
      return "128M"
    }
    let parts = option.split(separator: ",").map(String.init)
    let size = parts.first { $0.hasPrefix("size=") }.map { String($0.dropFirst(5)) } ?? parts.first ?? ""
    let digits = size.prefix { $0.isASCII && $0.isNumber }
    let suffix = size[digits.endIndex...].uppercased()
    guard let number = Int(digits), number > 0, ["", "B", "K", "M", "G", "T"].contains(suffix) else {
      throw .badOption("-m \(option): not a size of memory, e.g. 512M or 2G")
    }
    return "\(number)\(suffix.isEmpty ? "M" : suffix)"
  }

  private static func escaped(_ text: String) -> String {
    text.unicodeScalars.map { scalar in
      switch scalar {
      case "\"", "\\": "\\\(scalar)"
      case "\u{0}"..<" ":
        "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
      default: String(scalar)
      }
    }.joined()
  }
}
