import EventLoop
import Packets

/// The station that a capture is replayed to: what an expectation says above its frames.
public struct ReplaySettings: Sendable, Equatable {
  /// Nil: no address, until `dhcp` gets one.
  public var address: IPv4Subnet?
  public var hardwareAddress = MACAddress(rawValue: 0x0200_0000_0001)
  public var gateway: IPv4Address?
  public var seed: UInt64 = 1
  /// Permanent neighbour entries: for captures that begin when the station knew its neighbours already.
  public var neighbours: [Neighbour] = []
  public var listeners: [Listener] = []
  public var action: Action?
  /// When the action starts, from the first frame of the capture.
  public var start = TimeSpan.zero
  /// How long the station is watched after the last frame.
  public var linger = TimeSpan.seconds(1)

  public init() {}

  public struct Neighbour: Sendable, Equatable {
    public var address: IPv4Address
    public var hardwareAddress: MACAddress
  }

  /// What a port of the station answers.
  public struct Listener: Sendable, Equatable {
    public enum Transport: String, Sendable { case tcp, udp }
    public enum Service: String, Sendable {
      /// Sends back what it receives (RFC 862).
      case echo
      /// Throws away what it receives (RFC 863).
      case discard
      /// Answers one request and closes; TCP only.
      case http
    }
    public var transport: Transport
    public var port: UInt16
    public var service: Service
  }

  /// What the station does by itself.
  public enum Action: Sendable, Equatable {
    /// `fetch URL`, or `fetch URL via SERVER` for a name.
    case fetch(url: String, server: IPv4Address?)
    /// `resolve NAME via SERVER`.
    case resolve(name: String, server: IPv4Address)
    /// `dhcp`.
    case dhcp
  }

  /// Longest start and linger: a day.
  static let longestTime = TimeSpan.seconds(86_400)
  /// Most listeners and neighbours.
  static let entryLimit = 64
}

extension ReplaySettings {
  /// Why a line is refused.
  struct LineError: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
  }

  /// Takes over one line, for example `listen tcp 80 http`. `seen` holds the names of settings that may stand there
  /// once.
  mutating func apply(_ line: some StringProtocol, seen: inout Set<String>) throws(LineError) {
    let words = String(line).split(separator: " ").map { String($0) }
    guard let name = words.first else { return }
    let isRepeatable = name == "listen" || name == "neighbour"
    let kind = ["fetch", "resolve", "dhcp"].contains(name) ? "action" : name
    guard isRepeatable || seen.insert(kind).inserted else { throw LineError("a second \(kind)") }
    let values = Array(words.dropFirst())
    switch name {
    case "address": address = try Self.one(values, "address/prefix length", IPv4Subnet.init)
    case "mac": hardwareAddress = try Self.one(values, "unicast hardware address") { Self.unicast($0) }
    case "gateway": gateway = try Self.one(values, "IPv4 address", IPv4Address.init)
    case "seed": seed = try Self.one(values, "number") { UInt64($0) }
    case "start": start = try Self.one(values, "number of seconds, up to a day") { Self.time($0) }
    case "linger": linger = try Self.one(values, "number of seconds, up to a day") { Self.time($0) }
    case "neighbour": try addNeighbour(values)
    case "listen": try addListener(values)
    case "fetch": action = try Self.fetch(values)
    case "resolve": action = try Self.resolve(values)
    case "dhcp":
      guard values.isEmpty else { throw LineError("dhcp takes nothing") }
      action = .dhcp
    default: throw LineError("unknown setting \"\(name.prefix(40))\"")
    }
  }

  private static func one<Value>(
    _ values: [String], _ what: String, _ parse: (String) -> Value?
  ) throws(LineError) -> Value {
    guard values.count == 1, let value = parse(values[0]) else { throw LineError("one \(what) is wanted here") }
    return value
  }

  private static func unicast(_ text: String) -> MACAddress? {
    MACAddress(text).flatMap { $0.isGroup || $0 == .zero ? nil : $0 }
  }

  private static func time(_ text: String) -> TimeSpan? {
    guard let microseconds = ReplayTime.parse(text, isExact: false), microseconds <= longestTime.nanoseconds / 1000
    else { return nil }
    return TimeSpan(nanoseconds: microseconds * 1000)
  }

  private mutating func addNeighbour(_ values: [String]) throws(LineError) {
    guard values.count == 2, let address = IPv4Address(values[0]), let hardware = Self.unicast(values[1]) else {
      throw LineError("an IPv4 address and a unicast hardware address are wanted here")
    }
    guard neighbours.count < Self.entryLimit else { throw LineError("more than \(Self.entryLimit) neighbours") }
    neighbours.append(Neighbour(address: address, hardwareAddress: hardware))
  }

  private mutating func addListener(_ values: [String]) throws(LineError) {
    guard values.count == 3, let transport = Listener.Transport(rawValue: values[0]), let port = UInt16(values[1]),
      port > 0, let service = Listener.Service(rawValue: values[2]), transport == .tcp || service != .http
    else { throw LineError("write listen tcp PORT echo|discard|http or listen udp PORT echo|discard") }
    guard !listeners.contains(where: { $0.transport == transport && $0.port == port }) else {
      throw LineError("a second listener on \(transport.rawValue) port \(port)")
    }
    guard listeners.count < Self.entryLimit else { throw LineError("more than \(Self.entryLimit) listeners") }
    listeners.append(Listener(transport: transport, port: port, service: service))
  }

  private static func fetch(_ values: [String]) throws(LineError) -> Action {
    guard values.count == 1 || values.count == 3 && values[1] == "via" else {
      throw LineError("write fetch URL or fetch URL via ADDRESS")
    }
    do { _ = try HTTPAddress(values[0]) } catch { throw LineError(String(describing: error)) }
    guard values.count == 3 else { return .fetch(url: values[0], server: nil) }
    guard let server = IPv4Address(values[2]) else { throw LineError("\(values[2]) is no IPv4 address") }
    return .fetch(url: values[0], server: server)
  }

  private static func resolve(_ values: [String]) throws(LineError) -> Action {
    guard values.count == 3, values[1] == "via", let server = IPv4Address(values[2]) else {
      throw LineError("write resolve NAME via ADDRESS")
    }
    return .resolve(name: values[0], server: server)
  }
}

/// Virtual seconds with six decimals, as they stand in expectations.
enum ReplayTime {
  /// Microseconds; nil for anything but digits, a point and up to six digits (`isExact`: exactly six).
  static func parse(_ text: some StringProtocol, isExact: Bool) -> Int64? {
    let parts = String(text).split(separator: ".", omittingEmptySubsequences: false)
    func isNumber(_ part: Substring) -> Bool { !part.isEmpty && part.utf8.allSatisfy { (48...57).contains($0) } }
    guard (1...2).contains(parts.count), parts.count == 2 || !isExact,
      let whole = parts.first.map({ Substring($0) }), isNumber(whole), whole.utf8.count <= 12,
      let seconds = Int64(whole)
    else { return nil }
    guard parts.count == 2 else { return seconds * 1_000_000 }
    let decimals = Substring(parts[1])
    guard isNumber(decimals), decimals.utf8.count <= 6, !isExact || decimals.utf8.count == 6 else { return nil }
    let padded = decimals + String(repeating: "0", count: 6 - decimals.utf8.count)
    return seconds * 1_000_000 + (Int64(padded) ?? 0)
  }

  static func text(_ microseconds: Int64) -> String {
    let decimals = String(microseconds % 1_000_000)
    return "\(microseconds / 1_000_000)." + String(repeating: "0", count: 6 - decimals.utf8.count) + decimals
  }
}
