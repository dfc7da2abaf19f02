import CLinux
import Glibc

/// An epoll instance (epoll(7)) with the watches on it and the eventfd by which other threads wake it.
final class EpollSet: @unchecked Sendable {
  private static let batch = 64
  /// The identifier of the eventfd.
  private static let wakeUp: UInt64 = 0

  private let epoll: Int32
  private let event: Int32
  private let events: UnsafeMutablePointer<epoll_event>
  private var eventCount = 0
  private var nextIdentifier: UInt64 = 1
  /// Watches with an interest, by identifier; watches keep themselves out of here before they go away.
  private var watches: [UInt64: Unmanaged<DescriptorWatch>] = [:]
  /// Whose registration the kernel has for a descriptor.
  private var registered: [Int32: UInt64] = [:]

  init() throws(LoopError) {
    epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    event = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    events = .allocate(capacity: Self.batch)
    guard epoll >= 0 else { throw LoopError.system(operation: "epoll_create1", code: errno) }
    guard event >= 0 else { throw LoopError.system(operation: "eventfd", code: errno) }
    try control(EPOLL_CTL_ADD, event, .readable, Self.wakeUp)
  }

  deinit {
    if epoll >= 0 { close(epoll) }
    if event >= 0 { close(event) }
    events.deallocate()
  }

  /// Descriptors watched at present.
  var watchCount: Int { watches.count }

  func makeIdentifier() -> UInt64 {
    defer { nextIdentifier += 1 }
    return nextIdentifier
  }

  private func control(
    _ operation: Int32, _ descriptor: Int32, _ interest: DescriptorReadiness, _ identifier: UInt64
  ) throws(LoopError) {
    var event = epoll_event(events: interest.rawValue, data: epoll_data_t(u64: identifier))
    guard epoll_ctl(epoll, operation, descriptor, &event) == 0 else {
      throw LoopError.system(operation: "epoll_ctl", code: errno)
    }
  }

  func add(_ watch: DescriptorWatch, _ interest: DescriptorReadiness) throws(LoopError) {
    try control(EPOLL_CTL_ADD, watch.descriptor, interest, watch.identifier)
    watches[watch.identifier] = .passUnretained(watch)
    registered[watch.descriptor] = watch.identifier
  }

  func change(_ watch: DescriptorWatch, _ interest: DescriptorReadiness) throws(LoopError) {
    // Closing a descriptor takes it out of the epoll instance; its number may be in use again, by the same watch or by
    // another one.
    guard registered[watch.descriptor] == watch.identifier else { return }
    do throws(LoopError) {
      try control(EPOLL_CTL_MOD, watch.descriptor, interest, watch.identifier)
    } catch .system(_, ENOENT) {
      try control(EPOLL_CTL_ADD, watch.descriptor, interest, watch.identifier)
    }
  }

  func remove(_ watch: DescriptorWatch) {
    watches[watch.identifier] = nil
    guard registered[watch.descriptor] == watch.identifier else { return }
    registered[watch.descriptor] = nil
    // Fails if the descriptor was closed: then the kernel has forgotten it by itself.
    _ = epoll_ctl(epoll, EPOLL_CTL_DEL, watch.descriptor, nil)
  }

  /// Ends the current or the next ``wait(nanoseconds:)``. Thread-safe.
  func wake() {
    var one: UInt64 = 1
    _ = write(event, &one, 8)
  }

  /// Waits at most `nanoseconds` (negative: for ever) for events; returns how many there are, to be handed out by
  /// ``dispatch()``; nil if a signal interrupted the wait.
  func wait(nanoseconds: Int64) throws(LoopError) -> Int? {
    let count = clinux_epoll_wait(epoll, events, Int32(Self.batch), nanoseconds)
    eventCount = max(0, Int(count))
    if count >= 0 { return eventCount }
    if errno == EINTR { return nil }
    throw LoopError.system(operation: "epoll_pwait2", code: errno)
  }

  /// Calls the handlers of the events of the last wait. Returns whether the eventfd was among them, and whether a watch
  /// was.
  func dispatch() -> (wakeUp: Bool, descriptor: Bool) {
    var found = (wakeUp: false, descriptor: false)
    for i in 0..<eventCount {
      let identifier = events[i].data.u64
      if identifier == Self.wakeUp {
        var value: UInt64 = 0
        _ = read(event, &value, 8)
        found.wakeUp = true
      } else if let watch = watches[identifier]?.takeUnretainedValue() {
        found.descriptor = true
        watch.handler(DescriptorReadiness(rawValue: events[i].events))
      }
    }
    eventCount = 0
    return found
  }
}
