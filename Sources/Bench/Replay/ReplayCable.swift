import EventLoop
import Link
import PacketCapture
import Packets

/// A cable on which the frames of a capture arrive that were meant for the captured station, each in its time and after
/// what it answers.
///
/// A frame that belongs to an exchange of the station waits until the station has said what it had said in the capture
/// before that frame, but never longer than ``patience``; those behind it wait too, and everything later keeps its
/// distance. It is then translated to the ports, sequence numbers and identifiers that the station has chosen this time
/// (``Correspondence``). The capture is read frame by frame as time passes.
final class ReplayCable: Wire {
  enum Pacing: Sendable, Equatable { case original, fullSpeed }

  /// How the frames ended.
  enum End {
    case finished
    case damaged(CaptureError)
    case wrongLinkType(CaptureLinkType, frame: Int)
  }

  weak var port: (any WirePort)?
  let hasCarrier = true
  /// Called with each frame of the station.
  var onSent: ((RawSpan, Instant) -> Void)?
  /// Called once, when the last frame has arrived.
  var onEnd: (() -> Void)?
  private(set) var end: End?
  private(set) var count = ReplayCounters()

  private let loop: any EventLoop
  private let reader: CaptureReader
  private let station: MACAddress
  private let pacing: Pacing
  private let correspondence = Correspondence()
  private var timer: LoopTimer!
  private var work: DeferredWork!
  private var isRunning = false
  private var portRefused = false
  private var pending: Pending?
  /// Loop time of the first frame of the capture, later by every wait so far.
  private var origin = Instant.zero
  /// Capture time of the frame read last, and its distance from the first frame; nanoseconds.
  private var lastTime: UInt64?
  private var distance: Int64 = 0

  private struct Pending {
    let frame: [UInt8]
    let arrival: Correspondence.Arrival
    let distance: Int64
    /// When it was found that it must wait.
    var waitingSince: Instant?
  }

  /// Longest wait for a station that says nothing, and for one that says less or later than in the capture: longer than
  /// an acknowledgement is delayed, shorter than the least time to a retransmission.
  static let patience = (silence: TimeSpan.seconds(10), lag: TimeSpan.milliseconds(100))
  /// A longer gap between two frames is shortened to this.
  static let longestGap = TimeSpan.seconds(3600)
  /// Frames read or delivered in one turn of the loop.
  private static let batch = 64

  init(on loop: any EventLoop, reader: CaptureReader, station: MACAddress, pacing: Pacing) {
    self.loop = loop
    self.reader = reader
    self.station = station
    self.pacing = pacing
    timer = LoopTimer(on: loop) { [weak self] in self?.advance() }
    work = DeferredWork(on: loop) { [weak self] in self?.advance() }
  }

  var notFollowed: UInt64 { correspondence.notFollowed }

  /// Begins: the first frame of the capture has its time now.
  func start() {
    origin = loop.now
    isRunning = true
    work.schedule()
  }

  func send(_ frame: RawSpan) -> Bool {
    correspondence.live(frame.array)
    count.answered &+= 1
    onSent?(frame, loop.now)
    if pending?.waitingSince != nil { work.schedule() }
    return true
  }

  func portIsReady() {
    guard portRefused else { return }
    portRefused = false
    work.schedule()
  }

  private func advance() {
    guard isRunning, !portRefused else { return }
    for _ in 0..<Self.batch {
      if pending == nil { readNext() }
      guard isRunning else { return }
      guard let next = pending else { continue }
      guard isDue(next) else { return }
      guard deliver(next) else { return }
    }
    work.schedule()
  }

  /// True if the frame may arrive now; otherwise the timer is armed for when it may.
  private func isDue(_ next: Pending) -> Bool {
    let due = pacing == .original ? origin + TimeSpan(nanoseconds: next.distance) : loop.now
    if due > loop.now {
      timer.arm(at: due)
      return false
    }
    if let obstacle = correspondence.obstacle(next.arrival, next.frame) {
      let since = next.waitingSince ?? loop.now
      let limit = since + (obstacle == .silence ? Self.patience.silence : Self.patience.lag)
      if loop.now < limit {
        pending?.waitingSince = since
        timer.arm(at: limit)
        return false
      }
      correspondence.excuse(next.arrival)
      count.waitsInVain &+= 1
    }
    if next.waitingSince != nil {
      count.waits &+= 1
      pending?.waitingSince = nil
      // What follows keeps its distance from this frame.
      if due < loop.now { origin = origin + (loop.now - due) }
    }
    timer.cancel()
    return true
  }

  private func deliver(_ next: Pending) -> Bool {
    let frame = correspondence.translated(next.arrival, next.frame)
    guard let port, port.receive(frame.span.bytes) else {
      portRefused = true
      count.refused &+= 1
      return false
    }
    pending = nil
    count.fed &+= 1
    return true
  }

  /// Takes the next frame of the capture: one for the station becomes ``pending``, one from it is noted.
  private func readNext() {
    let frame: CapturedFrame
    do throws(CaptureError) {
      guard let next = try reader.next() else { return finish(.finished) }
      frame = next
    } catch {
      return finish(.damaged(error))
    }
    count.read &+= 1
    let type = reader.interfaces.indices.contains(frame.interface) ? reader.interfaces[frame.interface].linkType : nil
    guard type == .ethernet else {
      return finish(.wrongLinkType(type ?? CaptureLinkType(rawValue: .max), frame: Int(count.read)))
    }
    advanceDistance(to: frame.time)
    if frame.originalLength > frame.bytes.count {
      count.cut &+= 1
      return
    }
    switch direction(of: frame) {
    case .outbound:
      count.reference &+= 1
      correspondence.captured(frame.bytes)
    case .inbound:
      pending = Pending(frame: frame.bytes, arrival: correspondence.arrival(frame.bytes), distance: distance)
    case nil: count.others &+= 1
    }
  }

  /// Frames that are older than the one before arrive with it.
  private func advanceDistance(to time: UInt64) {
    if let lastTime, time > lastTime {
      let gap = time - lastTime
      if gap > UInt64(Self.longestGap.nanoseconds) { count.gapsShortened &+= 1 }
      distance += Int64(min(gap, UInt64(Self.longestGap.nanoseconds)))
    }
    lastTime = max(lastTime ?? time, time)
  }

  /// Which way a frame went, seen from the station; nil for frames of others that were overheard.
  private func direction(of frame: CapturedFrame) -> FrameDirection? {
    if let direction = frame.direction { return direction }
    guard frame.bytes.count >= 6 else { return nil }
    let bytes = frame.bytes.span.bytes
    if frame.bytes.count >= 12, bytes.macAddress(EthernetField.source) == station { return .outbound }
    let destination = bytes.macAddress(EthernetField.destination)
    return destination == station || destination.isGroup ? .inbound : nil
  }

  private func finish(_ how: End) {
    end = how
    isRunning = false
    timer.cancel()
    work.cancel()
    onEnd?()
  }
}

/// What happened to the frames of a capture.
public struct ReplayCounters: Sendable, Equatable, Codable {
  /// Frames of the capture.
  public var read: UInt64 = 0
  /// Those that arrived at the station.
  public var fed: UInt64 = 0
  /// Those that the captured station sent.
  public var reference: UInt64 = 0
  /// Those between others, and those that the capture cut: they are left out.
  public var others: UInt64 = 0
  public var cut: UInt64 = 0
  /// Frames that the station sent.
  public var answered: UInt64 = 0
  /// Frames that waited for the station to say what they answer, and waits that were given up.
  public var waits: UInt64 = 0
  public var waitsInVain: UInt64 = 0
  /// Times the NIC had no room.
  public var refused: UInt64 = 0
  /// Pauses of more than an hour, which were shortened.
  public var gapsShortened: UInt64 = 0
  public init() {}
}
