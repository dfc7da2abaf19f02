import EventLoop
import Events
import Memory

/// One direction of an ``ImpairmentWire``: draws the faults of each frame, keeps what must wait, hands on what is due.
final class ImpairmentLane {
  /// What was drawn for the frame that is offered.
  private struct Verdict {
    var isLost = false
    var isDuplicated = false
    var isReordered = false
    /// A random number that chooses the bit to invert; nil: the frame stays whole.
    var corruption: UInt64?
  }

  let settings: LaneImpairment
  var sink: LaneSink!
  private(set) var count = LaneCounters()
  private let loop: any EventLoop
  private let random: SeededRandom
  private let pool: FramePool
  private var schedule = FrameSchedule()
  private var timer: LoopTimer!
  /// Instants at which the frames in the rate limit's queue have left it.
  private var departures = InstantRing()
  private var busyUntil = Instant.zero
  /// A due frame that the receiver refused.
  private var refusedFrame: Int32?
  /// What was drawn for a frame that was then refused to its sender, and so will be offered again.
  private var drawn: Verdict?
  private var senderWaits = false
  private var isFlushing = false

  init(on loop: any EventLoop, settings: LaneImpairment, frameLimit: Int) {
    self.loop = loop
    self.settings = settings
    random = loop.random
    pool = FramePool(limit: frameLimit)
    timer = LoopTimer(on: loop) { [weak self] in self?.flush() }
  }

  var framesInFlight: Int { pool.inUse }

  func offer(_ frame: RawSpan) -> Bool {
    let verdict = drawn ?? draw()
    drawn = nil
    if verdict.isLost {
      count.lost &+= 1
      report("loss", frame.byteCount)
      return true
    }
    if settings.isSynchronous {
      if verdict.isReordered {
        count.reordered &+= 1
        keep(frame, verdict, due: loop.now, isHeld: true)
        return true
      }
      guard refusedFrame == nil, schedule.orderedCount == 0, passNow(frame, verdict) else {
        drawn = verdict
        senderWaits = true
        count.refused &+= 1
        return false
      }
      return true
    }
    guard let departure = departureTime(of: frame.byteCount) else {
      count.droppedQueue &+= 1
      report("rate limit's queue is full", frame.byteCount)
      return true
    }
    var due = departure + settings.delay
    if settings.jitter > .zero {
      let most = settings.jitter.nanoseconds
      due = due + TimeSpan(nanoseconds: random.uniform(-most...most))
    }
    count.delayed &+= 1
    if verdict.isReordered { count.reordered &+= 1 }
    keep(frame, verdict, due: due, isHeld: verdict.isReordered)
    return true
  }

  /// The receiver refused a frame earlier and has room again.
  func receiverIsReady() { flush() }

  private func draw() -> Verdict {
    var verdict = Verdict()
    verdict.isLost = random.chance(settings.loss)
    if verdict.isLost { return verdict }
    if random.chance(settings.corrupt) { verdict.corruption = random.next() }
    verdict.isDuplicated = random.chance(settings.duplicate)
    verdict.isReordered = random.chance(settings.reorder)
    return verdict
  }

  /// Hands a frame on in this call, without a copy unless it is corrupted.
  private func passNow(_ frame: RawSpan, _ verdict: Verdict) -> Bool {
    guard let corruption = verdict.corruption, frame.byteCount > 0 else { return passNow(frame, verdict.isDuplicated) }
    guard let number = pool.store(frame) else {
      count.droppedLimit &+= 1
      return true
    }
    defer { pool.release(number) }
    invert(corruption, in: pool[number])
    guard passNow(pool[number].bytes, verdict.isDuplicated) else { return false }
    noteFaults(verdict, frame.byteCount)
    return true
  }

  private func passNow(_ frame: RawSpan, _ isDuplicated: Bool) -> Bool {
    guard sink.pass(frame) else { return false }
    notePassed(frame.byteCount)
    guard isDuplicated else { return true }
    count.duplicated &+= 1
    if refusedFrame == nil && sink.pass(frame) {
      notePassed(frame.byteCount)
    } else if let number = pool.store(frame) {
      if refusedFrame == nil { refusedFrame = number } else { schedule.append(number, due: loop.now) }
    } else {
      count.droppedLimit &+= 1
    }
    return true
  }

  /// Stores a frame, and its duplicate behind it, until `due`, or the hold time longer if others may overtake it.
  private func keep(_ frame: RawSpan, _ verdict: Verdict, due: Instant, isHeld: Bool) {
    noteFaults(verdict, frame.byteCount)
    if verdict.isDuplicated { count.duplicated &+= 1 }
    for _ in 0..<(verdict.isDuplicated ? 2 : 1) {
      guard let number = pool.store(frame) else {
        count.droppedLimit &+= 1
        report("limit of frames under way", frame.byteCount)
        break
      }
      if let corruption = verdict.corruption, frame.byteCount > 0 { invert(corruption, in: pool[number]) }
      if isHeld {
        schedule.hold(number, due: due + settings.hold)
      } else {
        schedule.append(number, due: due)
      }
    }
    armTimer()
  }

  /// When a frame of `length` bytes has left the rate limit, or nil if its queue is full.
  private func departureTime(of length: Int) -> Instant? {
    let now = loop.now
    guard let rate = settings.rate else { return now }
    departures.removeAll(upTo: now)
    guard departures.count < settings.queue else { return nil }
    let duration = UInt64(length) * 8_000_000_000 / rate
    busyUntil = max(now, busyUntil) + TimeSpan(nanoseconds: Int64(duration))
    departures.append(busyUntil)
    return busyUntil
  }

  /// Hands on what is due, in order, until the receiver refuses.
  private func flush() {
    guard !isFlushing else { return }
    isFlushing = true
    if let number = refusedFrame, passStored(number) { refusedFrame = nil }
    while refusedFrame == nil, let entry = schedule.next, entry.due <= loop.now {
      // Taken out first: a delivery may bring new frames into the schedule.
      schedule.removeNext()
      if !passStored(entry.frame) { refusedFrame = entry.frame }
    }
    isFlushing = false
    armTimer()
    if senderWaits && refusedFrame == nil {
      senderWaits = false
      sink.wakeSender()
    }
  }

  private func passStored(_ number: Int32) -> Bool {
    let frame = pool[number]
    guard sink.pass(frame.bytes) else { return false }
    notePassed(frame.count)
    pool.release(number)
    return true
  }

  private func armTimer() {
    guard refusedFrame == nil, let next = schedule.next else { return }
    if !timer.isArmed || timer.deadline > next.due { timer.arm(at: next.due) }
  }

  private func invert(_ choice: UInt64, in frame: MemoryWindow) {
    let bit = Int(choice % UInt64(frame.count * 8))
    frame.store(frame.load(bit / 8, as: UInt8.self) ^ (1 << UInt8(bit % 8)), bit / 8)
  }

  private func notePassed(_ length: Int) {
    count.frames &+= 1
    count.bytes &+= UInt64(length)
  }

  private func noteFaults(_ verdict: Verdict, _ length: Int) {
    guard verdict.corruption != nil else { return }
    count.corrupted &+= 1
    if let tap = sink.wire.tap, tap.isOn {
      tap.emit(.wire, .note("impairment \(sink.name): one bit of a frame of \(length) bytes inverted"))
    }
  }

  private func report(_ reason: String, _ length: Int) {
    if let tap = sink.wire.tap, tap.isOn {
      tap.emit(.wire, .dropped(reason: "impairment \(sink.name): \(reason)", length: length))
    }
  }
}

/// Instants in rising order, in a ring that is reused.
struct InstantRing {
  private(set) var count = 0
  private var head = 0
  private var ring = [Instant](repeating: .zero, count: 64)

  mutating func append(_ instant: Instant) {
    if count == ring.count {
      var larger = [Instant](repeating: .zero, count: ring.count * 2)
      for i in 0..<count { larger[i] = ring[(head + i) & (ring.count - 1)] }
      ring = larger
      head = 0
    }
    ring[(head + count) & (ring.count - 1)] = instant
    count += 1
  }

  mutating func removeAll(upTo instant: Instant) {
    while count > 0, ring[head] <= instant {
      head = (head + 1) & (ring.count - 1)
      count -= 1
    }
  }
}
