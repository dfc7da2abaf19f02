import CLinux
import CSlirp
import EventLoop
import Events
import Link
import Memory

/// One instance of libslirp on a loop: frames in, frames out, and its sockets and timers.
///
/// libslirp is not entered twice: its callbacks only note or queue things, and frames that are sent from inside a
/// delivery wait, as short ones always do. All later work is done by one piece of deferred work, ``service()``.
final class SlirpNetwork {
  weak var port: (any WirePort)?
  var tap: EventTap?
  private(set) var count = SlirpCounters()
  let loop: EpollLoop
  let settings: SlirpSettings
  let descriptors: SlirpDescriptors
  /// Set by ``SlirpWire`` once libslirp exists; nil after ``close()``.
  var slirp: OpaquePointer?
  var callbacks: UnsafeMutablePointer<SlirpCb>?
  /// libslirp's own timers, by identity.
  var timers: [UnsafeMutableRawPointer: SlirpTimer] = [:]

  private let check: GuestFrameCheck
  private var fragments = FragmentAssembly()
  /// Frames of libslirp for the port, and frames of the port for libslirp that came while it was busy.
  private let outgoing: FrameQueue
  private let incoming = FrameQueue(frameLimit: 1024, byteLimit: 1 << 21)
  private var work: DeferredWork!
  private var tick: LoopTimer!
  /// libslirp is on the call stack.
  private var isInside = false
  /// The owner closed the network from inside a delivery.
  private var closesLater = false
  /// The port while frames may go to it straight away: libslirp was not entered by it.
  private var receiver: (any WirePort)?
  private var portRefused = false
  private var senderWaits = false
  private var needsListing = false
  private var needsKick = false
  private var isPaused = false
  private var lastClock = Instant(nanoseconds: -1_000_000_000)
  private var lastActivity = Instant.zero

  /// libslirp asks for 499 ms (its slow timer) as long as a connection exists, and says 1000 ms if it needs nothing.
  private static let noTimeout: UInt32 = 1000
  /// After so long without a frame or a ready socket no retransmission can be due, and the slow timer rests.
  private static let quiet = TimeSpan.seconds(75)

  /// Bytes up to which a frame of the port is kept for ``service()`` rather than given to libslirp at once: an
  /// acknowledgement calls forth many frames of data, which then go to the port without a copy.
  private static let shortFrame = 128

  /// The functions of libslirp.
  let library: SlirpLibrary

  init(on loop: EpollLoop, settings: SlirpSettings, library: SlirpLibrary) {
    self.loop = loop
    self.library = library
    self.settings = settings
    check = GuestFrameCheck(mtu: settings.mtu)
    outgoing = FrameQueue(frameLimit: settings.dropFrames, byteLimit: max(1 << 20, settings.dropFrames * 2048))
    descriptors = SlirpDescriptors(on: loop)
    // Not weak: counting references of an object that has been referred to weakly takes twice as long, for good.
    work = DeferredWork(on: loop) { [unowned self] in service() }
    tick = LoopTimer(on: loop) { [unowned self] in timeIsUp() }
    descriptors.onReady = { [unowned self] in work.schedule() }
  }

  /// Nanoseconds since 1970: the same for all instances of a process, which share libslirp's idea of the time.
  var clock: Int64 { loop.epochNanoseconds + loop.now.nanoseconds }

  var counters: SlirpCounters {
    var counters = count
    counters.watchChanges = descriptors.changes
    counters.abandonedDatagrams = fragments.abandoned
    return counters
  }

  var framesInFlight: Int { outgoing.count + incoming.count }

  /// False as soon as ``close()`` was called.
  var isOpen: Bool { slirp != nil && !closesLater }

  /// Ends libslirp; once it has returned, if it is on the call stack.
  func close() {
    guard slirp != nil else { return }
    if isInside {
      closesLater = true
      return
    }
    // What was taken from the port, the end of a connection perhaps, still goes out.
    while let frame = incoming.first {
      input(frame.bytes, mayDeliver: false)
      incoming.removeFirst()
    }
    end()
  }

  private func end() {
    guard let slirp else { return }
    self.slirp = nil
    closesLater = false
    work.cancel()
    tick.cancel()
    isInside = true
    library.cleanup(slirp)
    isInside = false
    descriptors.forgetAll()
    timers.removeAll()
    outgoing.removeAll()
    incoming.removeAll()
    callbacks?.deinitialize(count: 1)
    callbacks?.deallocate()
    callbacks = nil
  }

  // MARK: From the port

  func send(_ frame: RawSpan) -> Bool {
    guard isOpen else { return true }
    if let fault = check.fault(in: frame) {
      refuse(fault, frame.byteCount)
      return true
    }
    if isInside || !incoming.isEmpty || frame.byteCount <= Self.shortFrame {
      guard incoming.append(frame) else {
        senderWaits = true
        return false
      }
      count.nested &+= 1
      work.schedule()
      return true
    }
    input(frame, mayDeliver: false)
    return true
  }

  func portIsReady() {
    guard portRefused else { return }
    portRefused = false
    if !outgoing.isEmpty { work.schedule() }
  }

  private func refuse(_ fault: GuestFrameFault, _ length: Int) {
    count.refused.count(fault)
    if let tap, tap.isOn {
      tap.emit(.wire, .dropped(reason: "user network: not well formed (\(fault))", length: length))
    }
  }

  /// Gives a checked frame to libslirp. `mayDeliver`: what it sends meanwhile may go to the port straight away.
  private func input(_ frame: RawSpan, mayDeliver: Bool) {
    guard FragmentAssembly.isFragment(frame) else { return inputWhole(frame, mayDeliver: mayDeliver) }
    switch fragments.add(frame, now: loop.now) {
    case .waiting: count.fragments &+= 1
    case .refused: refuse(.fragment, frame.byteCount)
    case .whole(let whole):
      count.fragments &+= 1
      let whole = whole.span.bytes
      if let fault = check.fault(in: whole, isAssembled: true) { return refuse(fault, whole.byteCount) }
      inputWhole(whole, mayDeliver: mayDeliver)
    }
  }

  private func inputWhole(_ frame: RawSpan, mayDeliver: Bool) {
    // libslirp reads the clock in its polls alone; after a rest its idea of the time would expire a new mapping at
    // once.
    if loop.now - lastClock >= .milliseconds(1) { runTimers(mayDeliver: false) }
    if check.mayResolve(frame) { needsKick = true }
    count.sent &+= 1
    count.sentBytes &+= UInt64(frame.byteCount)
    lastActivity = loop.now
    needsListing = true
    work.schedule()
    enter(mayDeliver: mayDeliver) {
      frame.withUnsafeBytes { bytes in
        library.input(slirp, bytes.baseAddress!.assumingMemoryBound(to: UInt8.self), Int32(bytes.count))
      }
    }
  }

  // MARK: From libslirp

  /// libslirp has a frame for the port. Always taken; lost and counted if the queue is full.
  func output(_ frame: RawSpan) {
    lastActivity = loop.now
    if let receiver, outgoing.isEmpty, !portRefused {
      if receiver.receive(frame) {
        count.delivered &+= 1
        count.deliveredBytes &+= UInt64(frame.byteCount)
        return
      }
      count.refusedByPort &+= 1
      portRefused = true
    }
    guard outgoing.append(frame) else {
      count.dropped &+= 1
      if let tap, tap.isOn {
        tap.emit(.wire, .dropped(reason: "user network: queue to the port is full", length: frame.byteCount))
      }
      return
    }
    count.queued &+= 1
    if !portRefused { work.schedule() }
  }

  func complain(_ message: String) {
    count.guestErrors &+= 1
    if let tap, tap.isOn { tap.emit(.wire, .note("user network: " + message)) }
  }

  /// libslirp wants its sockets looked at again.
  func notify() {
    needsListing = true
    work.schedule()
  }

  /// The events of a socket that are wanted now: no reading while the port does not keep up.
  func wantedNow(_ events: Int32) -> Int32 { isPaused ? events & SlirpDescriptors.output : events }

  // MARK: On the loop

  private func service() {
    guard slirp != nil else { return }
    deliver()
    acceptIncoming()
    guard slirp != nil else { return }
    if needsKick { runTimers(mayDeliver: true) }
    guard slirp != nil else { return }
    if descriptors.hasReady {
      // Never polled twice on one listing: libslirp asserts room for what it was told is readable.
      if needsListing { list() }
      if slirp != nil, descriptors.settle() { poll() }
      descriptors.clearReady()
    }
    deliver()
    if needsListing { list() }
    guard slirp != nil else { return }
    if senderWaits && incoming.isEmpty {
      senderWaits = false
      port?.wireIsReady()
    }
  }

  /// Gives libslirp what waited for it. The answers of the port to what comes of it are for the next run.
  private func acceptIncoming() {
    var budget = incoming.count
    while budget > 0, let frame = incoming.first {
      input(frame.bytes, mayDeliver: true)
      // The port may have closed the wire.
      guard !incoming.isEmpty else { return }
      incoming.removeFirst()
      budget -= 1
    }
    if !incoming.isEmpty { work.schedule() }
  }

  private func deliver() {
    guard !outgoing.isEmpty, !portRefused else { return updatePause() }
    guard let port else {
      outgoing.removeAll()
      return updatePause()
    }
    var budget = outgoing.count
    while budget > 0, !portRefused, let frame = outgoing.first {
      let length = frame.count
      if port.receive(frame.bytes) {
        // The port may have closed the wire.
        guard !outgoing.isEmpty else { return }
        outgoing.removeFirst()
        count.delivered &+= 1
        count.deliveredBytes &+= UInt64(length)
      } else {
        count.refusedByPort &+= 1
        portRefused = true
      }
      budget -= 1
    }
    if !outgoing.isEmpty && !portRefused { work.schedule() }
    updatePause()
  }

  private func updatePause() {
    let waiting = outgoing.count
    if isPaused ? waiting <= settings.pauseFrames / 2 : waiting >= settings.pauseFrames {
      isPaused.toggle()
      if isPaused { count.pauses &+= 1 }
      needsListing = true
      work.schedule()
    }
  }

  private func poll() {
    count.polls &+= 1
    lastActivity = loop.now
    lastClock = loop.now
    enter(mayDeliver: true) { library.pollfdsPoll(slirp, 0, SlirpNetwork.eventsCallback, context) }
    needsKick = false
    needsListing = true
    updatePause()
  }

  /// Brings libslirp's clock up to date, runs its TCP timers if they are due, and sends what waited for an address.
  private func runTimers(mayDeliver: Bool) {
    guard slirp != nil else { return }
    count.ticks &+= 1
    lastClock = loop.now
    needsKick = false
    enter(mayDeliver: mayDeliver) { library.pollfdsPoll(slirp, 1, SlirpNetwork.eventsCallback, context) }
  }

  private func enter(mayDeliver: Bool, _ body: () -> Void) {
    isInside = true
    receiver = mayDeliver ? port : nil
    // libslirp writes to sockets that a peer may have reset.
    clinux_broken_pipes_begin()
    body()
    clinux_broken_pipes_end()
    receiver = nil
    isInside = false
    if closesLater { end() }
  }

  private func list() {
    guard slirp != nil else { return }
    needsListing = false
    count.fills &+= 1
    var timeout = UInt32.max
    descriptors.beginListing()
    isInside = true
    library.pollfdsFill(slirp, &timeout, SlirpNetwork.addCallback, context)
    isInside = false
    let isResting = loop.now - lastActivity > Self.quiet
    guard timeout < Self.noTimeout, !isResting else { return tick.cancel() }
    let due = loop.now + .milliseconds(Int(timeout))
    if !tick.isArmed || tick.deadline > due { tick.arm(at: due) }
  }

  private func timeIsUp() {
    guard slirp != nil else { return }
    runTimers(mayDeliver: true)
    needsListing = true
    work.schedule()
  }

  /// Runs one of libslirp's own timers.
  func fire(_ timer: SlirpTimer) {
    guard slirp != nil else { return }
    lastClock = loop.now
    enter(mayDeliver: true) { library.handleTimer(slirp, timer.id, timer.argument) }
    needsListing = true
    work.schedule()
  }

  var context: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }
}

/// A timer that libslirp made.
final class SlirpTimer {
  let id: SlirpTimerId
  let argument: UnsafeMutableRawPointer?
  var timer: LoopTimer!

  init(id: SlirpTimerId, argument: UnsafeMutableRawPointer?) {
    self.id = id
    self.argument = argument
  }
}
