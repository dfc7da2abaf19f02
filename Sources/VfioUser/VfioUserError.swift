import Glibc

/// Why a server cannot listen, or a client has no device.
public enum VfioUserError: Error, Equatable, CustomStringConvertible {
  /// A system call on the socket failed.
  case socket(path: String, operation: String, code: Int32)
  /// Unix socket addresses have 1 to 107 bytes.
  case unusablePath(String)
  /// Another server listens there.
  case inUse(path: String)
  /// There is something at the path that is no socket, and stays.
  case notASocket(path: String)
  case badExpansionROM(reason: String)
  case loop(String)
  /// The server ended the connection, or did not answer in time, or answered something else than it was asked.
  case disconnected(path: String)
  case timedOut(path: String, command: VfioUserCommand)
  case badAnswer(path: String, command: VfioUserCommand, reason: String)
  /// The server refused a command.
  case refused(path: String, command: VfioUserCommand, code: UInt32)
  case memory(String)

  public var description: String {
    switch self {
    case .socket(let path, let operation, let code): "\(path): \(operation): \(Self.text(code))"
    case .unusablePath(""): "the socket's path is empty; name the file that it is to be"
    case .unusablePath(let path): "\(path): a socket's path has at most 107 bytes; try one relative to a nearer folder"
    case .inUse(let path): "\(path): another program serves this socket; choose another path or end that program"
    case .notASocket(let path): "\(path): a file is there that is not a socket; it was not touched"
    case .badExpansionROM(let reason): "expansion ROM: \(reason)"
    case .loop(let reason): reason
    case .disconnected(let path): "\(path): the device's server ended the connection"
    case .timedOut(let path, .version):
      "\(path): the device's server did not answer in time; it may be serving another client"
    case .timedOut(let path, let command): "\(path): the device's server did not answer \(command) in time"
    case .badAnswer(let path, let command, let reason):
      "\(path): the device's server answered \(command) with nonsense: \(reason)"
    case .refused(let path, let command, let code):
      "\(path): the device's server refused \(command): \(Self.text(Int32(truncatingIfNeeded: code)))"
    case .memory(let reason): reason
    }
  }

  private static func text(_ code: Int32) -> String { code == 0 ? "no reason given" : String(cString: strerror(code)) }
}
