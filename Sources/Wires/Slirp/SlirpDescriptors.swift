import CSlirp
import EventLoop

/// The descriptors that libslirp wants to know of, as watches of the loop.
///
/// libslirp lists its sockets afresh each time; kept here is what it wants of each (by the number of the listing), what
/// the loop watches for, and what has become ready. A watch is widened at once and narrowed only when it fires for
/// something that nobody wants: a busy socket, whose buffer is full and empty in turn, costs no system calls.
final class SlirpDescriptors {
  /// `SLIRP_POLL_*` bits; they are not those of poll(2).
  typealias Interest = Int32

  private struct Entry {
    var wanted: Interest = 0
    var ready: Interest = 0
    var listing: UInt64 = 0
    var isInReadyList = false
    var watch: DescriptorWatch?
  }

  static let input = Interest(SLIRP_POLL_IN)
  static let output = Interest(SLIRP_POLL_OUT)
  static let urgent = Interest(SLIRP_POLL_PRI)
  static let error = Interest(SLIRP_POLL_ERR)
  static let hangUp = Interest(SLIRP_POLL_HUP)

  /// Called when a descriptor became ready.
  var onReady: (() -> Void)?
  /// Changes of what the loop watches.
  private(set) var changes: UInt64 = 0
  private let loop: EpollLoop
  private var entries: [Entry] = []
  private var readyList: [Int32] = []
  private var listing: UInt64 = 0
  /// Descriptor numbers beyond this are not watched (the kernel's own limit is lower).
  private static let limit = 1 << 20

  init(on loop: EpollLoop) { self.loop = loop }

  var hasReady: Bool { !readyList.isEmpty }

  /// A new listing of sockets begins: what is not in it is not wanted any more.
  func beginListing() { listing &+= 1 }

  /// libslirp wants to know of `events` of `descriptor`. The index by which it will ask, or -1.
  func add(_ descriptor: Int32, _ events: Interest) -> Int32 {
    guard events != 0, descriptor >= 0, descriptor < Self.limit else { return -1 }
    let index = Int(descriptor)
    if index >= entries.count {
      entries.append(contentsOf: repeatElement(Entry(), count: index + 1 - entries.count))
    }
    entries[index].wanted = events
    entries[index].listing = listing
    watch(descriptor, for: (entries[index].watch?.interest ?? []).union(Self.readiness(of: events)))
    return descriptor
  }

  private func wanted(_ index: Int) -> Interest {
    entries[index].listing == listing ? entries[index].wanted : 0
  }

  private func watch(_ descriptor: Int32, for interest: DescriptorReadiness) {
    let index = Int(descriptor)
    if entries[index].watch?.interest == interest { return }
    changes &+= 1
    do throws(LoopError) {
      if let watch = entries[index].watch {
        try watch.setInterest(interest)
      } else {
        entries[index].watch = try DescriptorWatch(on: loop, descriptor: descriptor, interest: interest) {
          [weak self] in self?.noteReady(descriptor, $0)
        }
      }
    } catch {
      // EBADF: closed meanwhile; the next listing does not have it. EPERM: a regular file, which is always ready.
      entries[index].watch = nil
    }
  }

  private func noteReady(_ descriptor: Int32, _ readiness: DescriptorReadiness) {
    let index = Int(descriptor)
    entries[index].ready |= Self.events(of: readiness)
    guard !entries[index].isInReadyList else { return }
    entries[index].isInReadyList = true
    readyList.append(descriptor)
    onReady?()
  }

  /// Drops readiness that the last listing does not want, and narrows its watches. True if some is wanted.
  func settle() -> Bool {
    var some = false
    for descriptor in readyList {
      let index = Int(descriptor)
      let wanted = wanted(index)
      let given = Self.granted(entries[index].ready, of: wanted)
      entries[index].ready = given
      if given != 0 { some = true } else { watch(descriptor, for: Self.readiness(of: wanted)) }
    }
    return some
  }

  /// What is true of the descriptor that was added under `index`.
  func events(at index: Int32) -> Interest {
    index >= 0 && Int(index) < entries.count ? entries[Int(index)].ready : 0
  }

  /// Everything ready has been dealt with.
  func clearReady() {
    for descriptor in readyList {
      entries[Int(descriptor)].ready = 0
      entries[Int(descriptor)].isInReadyList = false
    }
    readyList.removeAll(keepingCapacity: true)
  }

  /// The descriptor is about to be closed, or its number is new: nothing of what was known holds.
  func forget(_ descriptor: Int32) {
    guard descriptor >= 0, Int(descriptor) < entries.count else { return }
    let index = Int(descriptor)
    entries[index].watch?.cancel()
    entries[index].watch = nil
    entries[index].wanted = 0
    entries[index].ready = 0
  }

  func forgetAll() {
    for index in entries.indices { forget(Int32(index)) }
    clearReady()
  }

  private static func readiness(of events: Interest) -> DescriptorReadiness {
    var readiness: DescriptorReadiness = []
    if events & input != 0 { readiness.insert(.readable) }
    if events & output != 0 { readiness.insert(.writable) }
    if events & urgent != 0 { readiness.insert(.urgent) }
    return readiness
  }

  private static func events(of readiness: DescriptorReadiness) -> Interest {
    var events: Interest = 0
    if readiness.contains(.readable) { events |= input }
    if readiness.contains(.writable) { events |= output }
    if readiness.contains(.urgent) { events |= urgent }
    if readiness.contains(.error) { events |= error }
    if readiness.contains(.hangUp) { events |= hangUp }
    return events
  }

  /// What libslirp is told: only what it asked for. It reads a socket on any of input, error and hang-up, and may have
  /// no room for that if it asked for output alone; it then learns of the error by writing.
  private static func granted(_ ready: Interest, of wanted: Interest) -> Interest {
    if wanted & input != 0 { return ready & wanted }
    if wanted & output != 0 { return ready & (output | error | hangUp) != 0 ? output : 0 }
    return 0
  }
}
