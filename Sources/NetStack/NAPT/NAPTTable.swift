import EventLoop

/// The sessions of a ``NAPT``, found by either side, bounded, and in order of last use for each timeout: finding,
/// opening, using and ending one take constant time.
struct NAPTTable {
  private let limit: Int
  private let ports: ClosedRange<UInt16>
  /// Outer ports that belong to the host itself.
  private let reserved: ClosedRange<UInt16>
  private var sessions: [NAPTSession] = []
  private var free: [Int32] = []
  private var byInner: [NAPTFlow: Int32] = [:]
  /// Near end: 0 and the outer port.
  private var byOuter: [NAPTFlow: Int32] = [:]
  /// The outer port of an inner end, and how many sessions share it (RFC 4787 REQ-1: endpoint-independent mapping).
  private var mappings: [UInt64: (port: UInt16, sessions: Int)] = [:]
  /// Outer ports in use, with their protocol.
  private var usedPorts: Set<UInt32> = []
  private var heads: [Int32]
  private var tails: [Int32]

  init(limit: Int, ports: ClosedRange<UInt16>, reserved: ClosedRange<UInt16>) {
    self.limit = max(limit, 1)
    self.ports = ports
    self.reserved = reserved
    heads = [Int32](repeating: -1, count: NAPTSession.Timeout.allCases.count)
    tails = heads
  }

  var count: Int { byInner.count }
  var isFull: Bool { byInner.count >= limit }
  subscript(_ place: Int32) -> NAPTSession { sessions[Int(place)] }

  func place(inner: NAPTFlow) -> Int32? { byInner[inner] }
  func place(outer: NAPTFlow) -> Int32? { byOuter[outer.with(near: 0, outer.nearPort)] }

  /// The session that has not been used for the longest time, of those with this timeout.
  func oldest(_ timeout: NAPTSession.Timeout) -> Int32? {
    heads[timeout.rawValue] >= 0 ? heads[timeout.rawValue] : nil
  }

  /// Enters a session. Nil: no outer port is free. There must be room.
  mutating func open(
    _ inner: NAPTFlow, _ timeout: NAPTSession.Timeout, keepsParity: Bool, start: UInt16, isTaken: (UInt16) -> Bool,
    now: Instant
  ) -> Int32? {
    precondition(!isFull)
    let outerPort: UInt16
    if let mapping = mappings[inner.nearEnd] {
      outerPort = mapping.port
    } else {
      guard let port = choosePort(inner, keepsParity: keepsParity, start: start, isTaken: isTaken) else { return nil }
      outerPort = port
      usedPorts.insert(Self.key(inner.protocol, port))
    }
    mappings[inner.nearEnd, default: (outerPort, 0)].sessions += 1
    let session = NAPTSession(inner: inner, outerPort: outerPort, timeout: timeout, lastUse: now)
    let place: Int32
    if let reused = free.popLast() {
      place = reused
      sessions[Int(place)] = session
    } else {
      place = Int32(sessions.count)
      sessions.append(session)
    }
    byInner[inner] = place
    byOuter[inner.with(near: 0, outerPort)] = place
    append(place, to: timeout)
    return place
  }

  /// The inner port if that can be, else one from `start` on, for UDP of the same parity (RFC 4787 REQ-3, REQ-4).
  private func choosePort(
    _ inner: NAPTFlow, keepsParity: Bool, start: UInt16, isTaken: (UInt16) -> Bool
  ) -> UInt16? {
    // Identifiers of ICMP are no ports: all of them can be given out.
    let isPort = inner.protocol != 1
    func isFree(_ port: UInt16) -> Bool {
      (!isPort || ports.contains(port) && !reserved.contains(port))
        && !usedPorts.contains(Self.key(inner.protocol, port))
        && !isTaken(port)
    }
    if isFree(inner.nearPort) { return inner.nearPort }
    let step: UInt16 = keepsParity ? 2 : 1
    var candidate = keepsParity ? start & ~1 | inner.nearPort & 1 : start
    for _ in 0..<(65536 / Int(step)) {
      if isFree(candidate) { return candidate }
      candidate &+= step
    }
    return nil
  }

  private static func key(_ protocol: UInt8, _ port: UInt16) -> UInt32 { UInt32(`protocol`) << 16 | UInt32(port) }

  /// The session was used, and has this timeout from now on.
  mutating func touch(_ place: Int32, _ timeout: NAPTSession.Timeout, now: Instant) {
    sessions[Int(place)].lastUse = now
    let old = sessions[Int(place)].timeout
    if old == timeout && tails[timeout.rawValue] == place { return }
    unlink(place, from: old)
    append(place, to: timeout)
  }

  /// Takes note of a TCP segment.
  mutating func note(_ place: Int32, flags: UInt8, isOutbound: Bool, now: Instant) {
    let timeout = sessions[Int(place)].noteSegment(flags: flags, isOutbound: isOutbound)
    touch(place, timeout, now: now)
  }

  mutating func close(_ place: Int32) {
    let session = sessions[Int(place)]
    unlink(place, from: session.timeout)
    byInner[session.inner] = nil
    byOuter[session.inner.with(near: 0, session.outerPort)] = nil
    let end = session.inner.nearEnd
    if let mapping = mappings[end], mapping.sessions > 1 {
      mappings[end] = (mapping.port, mapping.sessions - 1)
    } else {
      mappings[end] = nil
      usedPorts.remove(Self.key(session.inner.protocol, session.outerPort))
    }
    free.append(place)
  }

  private mutating func append(_ place: Int32, to timeout: NAPTSession.Timeout) {
    let list = timeout.rawValue
    sessions[Int(place)].timeout = timeout
    sessions[Int(place)].previous = tails[list]
    sessions[Int(place)].next = -1
    if tails[list] >= 0 { sessions[Int(tails[list])].next = place } else { heads[list] = place }
    tails[list] = place
  }

  private mutating func unlink(_ place: Int32, from timeout: NAPTSession.Timeout) {
    let list = timeout.rawValue
    let (previous, next) = (sessions[Int(place)].previous, sessions[Int(place)].next)
    if previous >= 0 { sessions[Int(previous)].next = next } else { heads[list] = next }
    if next >= 0 { sessions[Int(next)].previous = previous } else { tails[list] = previous }
  }
}
