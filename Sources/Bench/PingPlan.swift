import EventLoop
import Packets

/// What to ping and how.
public struct PingPlan: Sendable {
  public var destination: IPAddress
  public var count = 4
  public var interval = TimeSpan.seconds(1)
  /// How long to wait for a reply: longer than it takes to find that a neighbour does not answer (3 s).
  public var timeout = TimeSpan.seconds(4)
  /// SO_BROADCAST
  public var allowsBroadcast = false
  /// Bytes behind the ICMP header; the reply must bring the same.
  public var payloadByteCount = 56

  public init(to destination: IPAddress) { self.destination = destination }
}

/// One answered request.
public struct PingReply: Sendable, Codable, Equatable {
  public let sequence: Int
  public let byteCount: Int
  public let milliseconds: Double
  public let source: String

  public var text: String { "\(byteCount) bytes from \(source): seq=\(sequence) time=\(rounded(milliseconds)) ms" }
}

/// A request that came to nothing, and who says so.
public struct PingProblem: Sendable, Codable, Equatable {
  public let sequence: Int
  public let source: String
  /// As ping(8) says it.
  public let reason: String

  public var text: String { "From \(source): seq=\(sequence) \(reason)" }
}

/// How a series of pings went.
public struct PingReport: Sendable, Codable, Equatable {
  public var sent = 0
  public var received = 0
  public var replies: [PingReply] = []
  public var problems: [PingProblem] = []

  public var text: String {
    let loss = sent == 0 ? 0 : (sent - received) * 100 / sent
    let errors = problems.isEmpty ? "" : ", \(problems.count) errors"
    var lines = ["\(sent) sent, \(received) received\(errors), \(loss)% lost"]
    let times = replies.map(\.milliseconds)
    if let least = times.min(), let most = times.max() {
      let mean = times.reduce(0, +) / Double(times.count)
      lines.append("round trip min/mean/max \(rounded(least))/\(rounded(mean))/\(rounded(most)) ms")
    }
    return lines.joined(separator: "\n")
  }
}

func rounded(_ milliseconds: Double) -> String { String((milliseconds * 1000).rounded() / 1000) }

/// An address for people.
public struct IPAddressText: Sendable {
  public let address: IPAddress
  public init(_ address: IPAddress) { self.address = address }
  public var text: String {
    address.v4?.description ?? IPv6Address(high: address.high, low: address.low).description
  }
}
