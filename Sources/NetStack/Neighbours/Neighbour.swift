import EventLoop
import Link
import Packets

/// State of a neighbour entry: Linux's NUD states, which are those of RFC 4861 7.3.2 with FAILED added.
public enum NeighbourState: String, Sendable, CaseIterable {
  /// Being resolved; datagrams wait.
  case incomplete
  /// Confirmed within the reachable time.
  case reachable
  /// The address is known but not confirmed lately; the next use starts its confirmation.
  case stale
  /// Used while stale; waits for a confirmation from above before it probes.
  case delay
  /// Unicast requests are being sent.
  case probe
  /// Did not answer.
  case failed
  /// Set by hand; never expires.
  case permanent
  /// Known without ARP: a group, everybody, or whoever is on an interface without ARP, where frames go to its own
  /// address.
  case noARP
}

/// A datagram that waits for its neighbour's hardware address: a complete frame but for the destination address.
struct WaitingFrame {
  let buffer: TransmitBuffer
  let length: Int
  let offload: TransmitOffload
}

/// One entry of a ``NeighbourCache``.
final class Neighbour {
  let address: IPv4Address
  unowned let cache: NeighbourCache
  fileprivate(set) var state = NeighbourState.incomplete
  fileprivate(set) var hardwareAddress = MACAddress.zero
  /// Grows whenever a ``Path`` that copied the hardware address must ask again before its next frame.
  fileprivate(set) var version: UInt32 = 1
  /// When the neighbour was last known to be reachable, and when its address was last changed or used.
  var confirmed = Instant.zero
  fileprivate(set) var updated = Instant.zero
  fileprivate(set) var used = Instant.zero
  fileprivate var probes = 0
  fileprivate var waiting: [WaitingFrame] = []
  fileprivate(set) var isEvicted = false
  private var timer: LoopTimer!

  init(_ address: IPv4Address, cache: NeighbourCache) {
    self.address = address
    self.cache = cache
    used = cache.loop.now
    let interface = cache.interface
    if interface.isLoopback || interface.settings.contains(.noARP) {
      (state, hardwareAddress) = (.noARP, interface.hardwareAddress)
    } else if address.isMulticast {
      (state, hardwareAddress) = (.noARP, MACAddress(multicast: address))
    } else if interface.stack.isBroadcast(address) {
      (state, hardwareAddress) = (.noARP, interface.hardwareBroadcast)
    }
    timer = LoopTimer(on: cache.loop) { [unowned self] in timerFired() }
  }

  /// True if frames may go to ``hardwareAddress`` at once.
  var isUsable: Bool {
    switch state {
    case .reachable, .stale, .delay, .probe, .permanent, .noARP: true
    case .incomplete, .failed: false
    }
  }

  /// True if it may make room for others.
  var isUnneeded: Bool { state == .stale || state == .failed || state == .noARP }

  /// True if nobody has said or asked anything of it yet.
  var isUntouched: Bool { state == .incomplete && !timer.isArmed && waiting.isEmpty }

  /// A frame is about to be sent: starts resolution or confirmation where the state asks for it (Linux's
  /// `neigh_event_send`). True if ``hardwareAddress`` may be used now.
  func prepareForUse() -> Bool {
    used = cache.loop.now
    switch state {
    case .reachable, .delay, .probe, .permanent, .noARP:
      return true
    case .stale:
      move(to: .delay)
      timer.arm(at: cache.loop.now + cache.configuration.delayBeforeProbe)
      return true
    case .incomplete:
      if !timer.isArmed { startResolution() }
      return false
    case .failed:
      startResolution()
      return false
    }
  }

  private func startResolution() {
    move(to: .incomplete)
    probes = 0
    solicit()
  }

  private func solicit() {
    probes += 1
    cache.interface.arp.request(address, to: state == .probe ? hardwareAddress : nil)
    timer.arm(at: cache.loop.now + cache.configuration.retransmitTime)
  }

  private func timerFired() {
    let now = cache.loop.now
    switch state {
    case .reachable:
      if confirmed + cache.reachableTime > now {
        timer.arm(at: confirmed + cache.reachableTime)
      } else {
        move(to: .stale)
      }
    case .delay:
      if confirmed + cache.configuration.delayBeforeProbe > now {
        becomeReachable()
      } else {
        move(to: .probe)
        probes = 0
        solicit()
      }
    case .probe:
      if probes < cache.configuration.unicastProbes { solicit() } else { fail() }
    case .incomplete:
      if probes < cache.configuration.broadcastProbes { solicit() } else { fail() }
    case .stale, .failed, .permanent, .noARP:
      break
    }
  }

  private func fail() {
    move(to: .failed)
    let frames = waiting
    waiting = []
    cache.failed(self, frames)
  }

  private func becomeReachable() {
    move(to: .reachable)
    timer.arm(at: max(confirmed, updated) + cache.reachableTime)
  }

  private func move(to new: NeighbourState) {
    guard new != state else { return }
    cache.willMove(self, from: state, to: new)
    state = new
    // Only an entry that became stale, failed or unresolved needs to hear of the next frame.
    if new == .stale || new == .failed || new == .incomplete { version &+= 1 }
  }

  /// What ARP learned (Linux's `neigh_update`): `isConfirmation` if the neighbour answered us, `overrides` if a
  /// different hardware address replaces a known one.
  func learn(_ hardware: MACAddress, isConfirmation: Bool, overrides: Bool) {
    guard state != .permanent, state != .noARP else { return }
    let now = cache.loop.now
    let known = isUsable
    if known && hardware != hardwareAddress {
      guard overrides else { return }
      version &+= 1
    }
    let changed = !known || hardware != hardwareAddress
    // A statement about the same address is no news for an entry that is already trusted.
    if !changed && !isConfirmation { return }
    hardwareAddress = hardware
    if changed { updated = now }
    if isConfirmation {
      confirmed = now
      becomeReachable()
    } else {
      timer.cancel()
      move(to: .stale)
    }
    version &+= 1
    guard !waiting.isEmpty else { return }
    let frames = waiting
    waiting = []
    cache.resolved(self, frames)
  }

  /// What a user says (Linux's `neigh_update` with NEIGH_UPDATE_F_ADMIN): it beats whatever was known. False without a
  /// hardware address, if none is known.
  func set(_ hardware: MACAddress?, isPermanent: Bool) -> Bool {
    guard hardware != nil || isUsable else { return false }
    timer.cancel()
    hardwareAddress = hardware ?? hardwareAddress
    updated = cache.loop.now
    move(to: isPermanent ? .permanent : .stale)
    version &+= 1
    let frames = waiting
    waiting = []
    cache.resolved(self, frames)
    return true
  }

  /// Appends a frame; returns the one that had to make room for it.
  func enqueue(_ frame: WaitingFrame) -> WaitingFrame? {
    let oldest = waiting.count >= cache.configuration.queueLength ? waiting.removeFirst() : nil
    waiting.append(frame)
    return oldest
  }

  /// Takes the entry out of service; returns the frames that waited.
  func evict() -> [WaitingFrame] {
    timer.cancel()
    isEvicted = true
    version &+= 1
    defer { waiting = [] }
    return waiting
  }

  var snapshot: NeighbourSnapshot {
    NeighbourSnapshot(address: address, hardwareAddress: hardwareAddress, state: state, waiting: waiting.count)
  }
}
