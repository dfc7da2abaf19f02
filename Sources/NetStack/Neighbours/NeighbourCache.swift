import EventLoop
import Events
import Link
import Packets

/// What happened to the neighbours of an interface.
public struct NeighbourCounters: Sendable, Equatable {
  /// Entries made and thrown away (Linux's `allocs`, `destroys`).
  public var created: UInt64 = 0
  public var evicted: UInt64 = 0
  /// Entries refused because the table was full of entries in use (`table_fulls`).
  public var tableFull: UInt64 = 0
  /// Resolutions and probes without an answer (`res_failed`).
  public var failures: UInt64 = 0
  /// Datagrams dropped because too many waited, and because the neighbour failed (`unres_discards`).
  public var queueOverflows: UInt64 = 0
  public var droppedUnreachable: UInt64 = 0
}

/// An entry of the neighbour cache as others see it.
public struct NeighbourSnapshot: Sendable, Equatable {
  public let address: IPv4Address
  public let hardwareAddress: MACAddress
  public let state: NeighbourState
  /// Datagrams that wait for it.
  public let waiting: Int
}

/// The hardware addresses of an interface's neighbours (RFC 826), with Linux's neighbour states, times and limits. The
/// table is bounded: the oldest entries that nobody needs are evicted first.
public final class NeighbourCache {
  let loop: any EventLoop
  let configuration: NeighbourConfiguration
  unowned let interface: NetworkInterface
  /// Reachable time of this interface, drawn once from half to one and a half of the base (RFC 4861 6.3.2).
  public let reachableTime: TimeSpan
  private var table: [IPv4Address: Neighbour] = [:]
  /// Entries that were set by hand, which do not count against the others' limits.
  private var permanentCount = 0
  /// When room was last made.
  private var collected = Instant.zero
  private var waitingTotal = 0
  private var counts = NeighbourCounters()

  init(interface: NetworkInterface, loop: any EventLoop, configuration: NeighbourConfiguration) {
    self.interface = interface
    self.loop = loop
    self.configuration = configuration
    let base = configuration.baseReachableTime.nanoseconds
    reachableTime = TimeSpan(nanoseconds: loop.random.uniform(base / 2...base + base / 2))
  }

  public var counters: NeighbourCounters { counts }

  /// All entries, in order of address.
  public var entries: [NeighbourSnapshot] {
    table.values.sorted { $0.address.rawValue < $1.address.rawValue }.map(\.snapshot)
  }

  public func state(of address: IPv4Address) -> NeighbourState? { table[address]?.state }

  /// Adds or replaces an entry that never expires.
  ///
  /// - Throws: ``NetworkError/noBuffers`` if the table is full.
  public func setPermanent(_ address: IPv4Address, _ hardware: MACAddress) throws(NetworkError) {
    try set(address, hardware, isPermanent: true)
  }

  /// What a user says of a neighbour (arp(7), SIOCSARP): its hardware address, if he knows it, and whether that is to
  /// be confirmed like a learned one or holds forever. On `lo` everybody is one neighbour.
  ///
  /// - Throws: ``NetworkError/noBuffers`` if the table is full; ``NetworkError/invalidArgument`` if nobody knows the
  ///   hardware address.
  public func set(_ address: IPv4Address, _ hardware: MACAddress?, isPermanent: Bool) throws(NetworkError) {
    guard !isPermanent || permanentCount < Self.permanentLimit, let entry = entry(for: address) else {
      throw .noBuffers
    }
    guard entry.set(hardware, isPermanent: isPermanent) else { throw .invalidArgument }
  }

  /// The entry of an address; nil if there is none.
  public func entry(of address: IPv4Address) -> NeighbourSnapshot? { table[address]?.snapshot }

  /// Forgets an address as a user does (SIOCDARP); false if there was nothing that could be forgotten.
  public func forget(_ address: IPv4Address) -> Bool {
    guard let entry = table[address] else { return false }
    defer { evict(entry) }
    return entry.state != .noARP && !entry.isUntouched
  }

  /// Forgets `address`; datagrams that wait for it are dropped.
  public func remove(_ address: IPv4Address) {
    if let entry = table[address] { evict(entry) }
  }

  /// Forgets everything that was not set by hand (Linux does this when the link goes down), or that too (when the
  /// interface does).
  func flush(andPermanent: Bool = false) {
    for entry in Array(table.values) where andPermanent || entry.state != .permanent { evict(entry) }
  }

  func existing(_ address: IPv4Address) -> Neighbour? { table[address] }

  /// The entry for `address`, made if there is none; nil if the table is full of entries in use.
  func entry(for address: IPv4Address) -> Neighbour? {
    // On `lo` everybody is one neighbour.
    let address = interface.isLoopback ? .any : address
    if let entry = table[address] { return entry }
    guard makeRoom() else {
      counts.tableFull &+= 1
      return nil
    }
    let entry = Neighbour(address, cache: self)
    table[address] = entry
    counts.created &+= 1
    return entry
  }

  /// Between the limits old entries are looked for now and then only, as a crowd of strangers may ask (Linux
  /// `neigh_alloc`).
  private func makeRoom() -> Bool {
    let count = table.count - permanentCount
    if count < configuration.softLimit { return true }
    let now = loop.now
    guard count >= configuration.hardLimit || collected + configuration.collectionInterval < now else { return true }
    collected = now
    var old: [Neighbour] = []
    var oldest: Neighbour?
    for entry in table.values where entry.isUnneeded {
      if entry.used + configuration.staleTime <= now {
        old.append(entry)
      } else if oldest.map({ ($0.used, $0.address.rawValue) > (entry.used, entry.address.rawValue) }) ?? true {
        oldest = entry
      }
    }
    for entry in old { evict(entry) }
    if table.count - permanentCount < configuration.hardLimit { return true }
    guard let oldest else { return false }
    evict(oldest)
    return true
  }

  private static let permanentLimit = 4096

  private func evict(_ entry: Neighbour) {
    table[entry.address] = nil
    if entry.state == .permanent { permanentCount -= 1 }
    counts.evicted &+= 1
    let frames = entry.evict()
    waitingTotal -= frames.count
    for frame in frames {
      counts.droppedUnreachable &+= 1
      interface.discard(frame.buffer)
    }
  }

  /// Keeps a frame until `entry` is resolved; the oldest one makes room if too many wait.
  func wait(_ frame: WaitingFrame, for entry: Neighbour) {
    if waitingTotal >= configuration.totalQueueLength {
      overflow(frame, entry)
    } else if let oldest = entry.enqueue(frame) {
      overflow(oldest, entry)
    } else {
      waitingTotal += 1
    }
  }

  private func overflow(_ frame: WaitingFrame, _ entry: Neighbour) {
    counts.queueOverflows &+= 1
    if interface.tap.isOn {
      interface.tap.emit(
        .ethernet, .dropped(reason: "too many frames wait for the address of \(entry.address)", length: frame.length))
    }
    interface.discard(frame.buffer)
  }

  func resolved(_ entry: Neighbour, _ frames: [WaitingFrame]) {
    waitingTotal -= frames.count
    _ = entry.prepareForUse()
    for frame in frames { interface.sendResolved(frame, to: entry.hardwareAddress) }
  }

  func failed(_ entry: Neighbour, _ frames: [WaitingFrame]) {
    counts.failures &+= 1
    waitingTotal -= frames.count
    for frame in frames {
      counts.droppedUnreachable &+= 1
      interface.reportUnreachable(frame)
      interface.discard(frame.buffer)
    }
  }

  /// An entry of the table is about to change its state.
  func willMove(_ entry: Neighbour, from: NeighbourState, to: NeighbourState) {
    permanentCount += (to == .permanent ? 1 : 0) - (from == .permanent ? 1 : 0)
    let tap = interface.tap
    if tap.isOn {
      tap.emit(
        .ethernet,
        .stateChange(
          object: "neighbour \(entry.address) on \(interface.name)", from: from.rawValue, to: to.rawValue))
    }
  }
}
