import EventLoop
import Packets

/// What a socket hears about datagrams that it has sent: an error, or a notice that is none (`struct
/// sock_extended_err`, ip(7)).
public struct QueuedError: Sendable {
  /// SO_EE_ORIGIN_*
  public enum Origin: UInt8, Sendable { case local = 1, icmp = 2, transmitTime = 4, zeroCopy = 5 }

  public var origin: Origin
  /// Nil for notices.
  public var error: NetworkError?
  /// Type and code of the ICMP message; SO_EE_CODE_ZEROCOPY_COPIED.
  public var type: UInt8 = 0
  public var code: UInt8 = 0
  /// The MTU, the pointer of a parameter problem, the first call of a range.
  public var info: UInt32 = 0
  /// The last call of a range, the number of a datagram.
  public var data: UInt32 = 0
  /// Where the datagram was to go; nil for notices.
  public var destination: Endpoint?
  /// Who said so; nil: this host itself.
  public var offender: IPv4Address?
  /// What is known of the datagram's payload.
  public var payload: [UInt8] = []
  public var time: Instant
  /// The interface that the message came by.
  public var interfaceIndex = 0

  public init(_ origin: Origin, at time: Instant) {
    self.origin = origin
    self.time = time
  }
}

/// The error queue of a socket (MSG_ERRQUEUE): bounded in bytes, the oldest first.
public final class ErrorQueue {
  private var entries: [QueuedError] = []
  private var bytesHeld = 0
  /// Bytes at most, each entry with its record.
  var limit: Int
  private static let recordSize = 512

  public init(limit: Int) { self.limit = limit }

  public var isEmpty: Bool { entries.isEmpty }
  public var count: Int { entries.count }
  public var first: QueuedError? { entries.first }

  /// Appends an entry; false if there is no room.
  @discardableResult
  public func append(_ entry: QueuedError) -> Bool {
    guard bytesHeld < limit else { return false }
    bytesHeld += Self.recordSize + entry.payload.count
    entries.append(entry)
    return true
  }

  /// Notes that the call number `call` has copied its bytes (MSG_ZEROCOPY); calls in a row are one entry.
  public func appendCopied(call: UInt32, at time: Instant) {
    if let last = entries.last, last.origin == .zeroCopy, last.data &+ 1 == call {
      entries[entries.count - 1].data = call
      return
    }
    var entry = QueuedError(.zeroCopy, at: time)
    // SO_EE_CODE_ZEROCOPY_COPIED
    (entry.code, entry.info, entry.data) = (1, call, call)
    append(entry)
  }

  public func removeFirst() -> QueuedError? {
    guard !entries.isEmpty else { return nil }
    let entry = entries.removeFirst()
    bytesHeld -= Self.recordSize + entry.payload.count
    return entry
  }

  public func removeAll() {
    entries = []
    bytesHeld = 0
  }
}
