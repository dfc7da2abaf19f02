import Packets

/// Where a QEMU's socket network backend is met: what stands behind `--wire`.
///
/// | text | the wire | the QEMU at the other end |
/// |---|---|---|
/// | `stream:unix:PATH`, `stream:HOST:PORT` | connects, again and again | `-netdev stream,…,server=on` |
/// | `stream:listen:unix:PATH`, `stream:listen:HOST:PORT` | waits to be connected to | `-netdev stream,…,server=off` |
/// | `dgram:unix:LOCAL:REMOTE` | datagrams between two paths | `-netdev dgram` with the two exchanged |
/// | `dgram:HOST:PORT:HOST:PORT` | datagrams between two UDP ports, the own one first | the same |
///
/// Hosts are IPv4 addresses or `localhost`: nothing is looked up. A path may hold colons, except in `dgram:unix:`.
public enum WireAddress: Hashable, Sendable {
  /// One end of a socket.
  public enum Place: Hashable, Sendable {
    /// A path of the file system, at most 107 bytes long.
    case unix(String)
    case internet(IPv4Address, UInt16)
  }

  case connect(Place)
  case listen(Place)
  case datagram(local: Place, remote: Place)
}

/// A wire address that is not understood: what is wrong with it, and what would be accepted.
public struct WireAddressError: Error, Equatable, CustomStringConvertible {
  public let text: String
  public let problem: String
  public let accepted: String

  public var description: String { "wire '\(text)': \(problem); accepted: \(accepted)" }
}

extension WireAddress {
  private static let accepted =
    "stream:unix:PATH, stream:HOST:PORT, stream:listen:unix:PATH, stream:listen:HOST:PORT, dgram:unix:LOCAL:REMOTE, "
    + "dgram:HOST:PORT:HOST:PORT"

  /// Reads one of the forms of the table above.
  public init(_ text: String) throws(WireAddressError) {
    let problem: String
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    switch (parts.first, parts.dropFirst().first) {
    case ("stream", "listen"):
      self = .listen(try Place.reading(parts.dropFirst(2), of: text))
      return
    case ("stream", _):
      self = .connect(try Place.reading(parts.dropFirst(), of: text))
      return
    case ("dgram", "unix"):
      guard parts.count == 4 else {
        problem = "two paths without colons are needed"
        break
      }
      self = .datagram(
        local: try Place.reading(["unix", parts[2]], of: text), remote: try Place.reading(["unix", parts[3]], of: text))
      return
    case ("dgram", _):
      guard parts.count == 5 else {
        problem = "two hosts with their ports are needed"
        break
      }
      self = .datagram(
        local: try Place.reading(parts[1...2], of: text), remote: try Place.reading(parts[3...4], of: text))
      return
    default:
      problem = "neither stream nor dgram"
    }
    throw WireAddressError(text: text, problem: problem, accepted: Self.accepted)
  }

  /// True if `text` begins like an address of this kind.
  public static func isMeant(by text: String) -> Bool { text.hasPrefix("stream:") || text.hasPrefix("dgram:") }
}

extension WireAddress.Place {
  /// `sockaddr_un.sun_path` without the zero at its end.
  static let pathLimit = 107

  fileprivate static func reading(
    _ parts: some Collection<String>, of text: String
  ) throws(WireAddressError) -> WireAddress.Place {
    func fail(_ problem: String, _ accepted: String) -> WireAddressError {
      WireAddressError(text: text, problem: problem, accepted: accepted)
    }
    if parts.first == "unix" {
      let path = parts.dropFirst().joined(separator: ":")
      guard !path.isEmpty, !path.utf8.contains(0) else { throw fail("the path is missing", "unix:PATH") }
      guard path.utf8.count <= pathLimit else {
        throw fail("the path is \(path.utf8.count) bytes long", "paths of at most \(pathLimit) bytes")
      }
      return .unix(path)
    }
    guard parts.count == 2, let host = parts.first, let number = parts.dropFirst().first else {
      throw fail("a host and a port are needed", "HOST:PORT or unix:PATH")
    }
    guard let address = host == "localhost" ? .loopback : IPv4Address(host) else {
      throw fail("'\(host)' is not an IPv4 address", "an IPv4 address, or localhost")
    }
    guard let port = UInt16(number), port > 0, number.utf8.allSatisfy({ (48...57).contains($0) }) else {
      throw fail("'\(number)' is not a port", "1 to 65535")
    }
    return .internet(address, port)
  }
}

extension WireAddress: CustomStringConvertible {
  public var description: String {
    switch self {
    case .connect(let place): "stream:\(place)"
    case .listen(let place): "stream:listen:\(place)"
    case .datagram(.unix(let local), .unix(let remote)): "dgram:unix:\(local):\(remote)"
    case .datagram(let local, let remote): "dgram:\(local):\(remote)"
    }
  }

  /// What QEMU wants behind `-netdev` to be the other end, with the backend's name `id`.
  public func netdevOption(id: String) -> String {
    switch self {
    case .connect(let place): "stream,id=\(id),server=on,\(place.option("addr"))"
    case .listen(let place): "stream,id=\(id),server=off,\(place.option("addr"))"
    case .datagram(let local, let remote):
      "dgram,id=\(id),\(remote.option("local")),\(local.option("remote"))"
    }
  }
}

extension WireAddress.Place: CustomStringConvertible {
  public var description: String {
    switch self {
    case .unix(let path): "unix:\(path)"
    case .internet(let address, let port): "\(address):\(port)"
    }
  }

  fileprivate func option(_ name: String) -> String {
    switch self {
    case .unix(let path):
      // QEMU's options are separated by commas; one inside a value is written twice.
      let escaped = path.split(separator: ",", omittingEmptySubsequences: false).joined(separator: ",,")
      return "\(name).type=unix,\(name).path=\(escaped)"
    case .internet(let address, let port): return "\(name).type=inet,\(name).host=\(address),\(name).port=\(port)"
    }
  }
}
