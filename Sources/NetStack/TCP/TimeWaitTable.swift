import EventLoop
import Packets

/// What is remembered of a connection in TIME-WAIT (RFC 9293 3.6.1).
struct TimeWait {
  let key: ConnectionKey
  let number: UInt64
  /// Whom it still keeps from its port.
  let portUse: PortUse
  /// SND.NXT and RCV.NXT
  let sendNext: SequenceNumber
  let receiveNext: SequenceNumber
  /// The window field that acknowledgements carry, as in the header, and what it means.
  let windowField: UInt16
  let window: Int
  let usesTimestamps: Bool
  let timestampOffset: UInt32
  /// TS.Recent, and when it was set.
  var recentTimestamp: UInt32
  var recentAt: Instant
  var expiresAt: Instant
  var lastAckAt: Instant?
  /// What acknowledgements are signed with.
  let signingKey: TCPSignatureKey?
}

/// All connections in TIME-WAIT: a bounded table with one timer for all of them.
struct TimeWaitTable {
  private(set) var entries: [ConnectionKey: TimeWait] = [:]
  /// Keys by the time at which they are due to be looked at: at or before they expire.
  private var due: [(at: Instant, key: ConnectionKey, number: UInt64)] = []
  private var head = 0

  var isEmpty: Bool { entries.isEmpty }
  var count: Int { entries.count }

  subscript(key: ConnectionKey) -> TimeWait? {
    get { entries.isEmpty ? nil : entries[key] }
  }

  mutating func insert(_ entry: TimeWait) {
    entries[entry.key] = entry
    place(entry)
  }

  /// Changes an entry that is in the table; a later time of expiry takes effect when the old one is reached.
  mutating func update(_ entry: TimeWait) { entries[entry.key] = entry }

  mutating func remove(_ key: ConnectionKey) { entries[key] = nil }

  private mutating func place(_ entry: TimeWait) {
    var low = head
    var high = due.count
    while low < high {
      let middle = (low + high) / 2
      if due[middle].at <= entry.expiresAt { low = middle + 1 } else { high = middle }
    }
    due.insert((entry.expiresAt, entry.key, entry.number), at: low)
  }

  /// When the next entry is due; nil if there is none.
  var nextDeadline: Instant? { head < due.count ? due[head].at : nil }

  /// Removes and returns the entries that have expired.
  mutating func expire(at now: Instant) -> [TimeWait] {
    var expired: [TimeWait] = []
    while head < due.count, due[head].at <= now {
      let item = due[head]
      head += 1
      guard let entry = entries[item.key], entry.number == item.number else { continue }
      if entry.expiresAt > now {
        place(entry)
      } else {
        entries[item.key] = nil
        expired.append(entry)
      }
    }
    if head > 64, head * 2 > due.count {
      due.removeSubrange(0..<head)
      head = 0
    }
    if entries.isEmpty {
      due.removeAll(keepingCapacity: true)
      head = 0
    }
    return expired
  }
}
