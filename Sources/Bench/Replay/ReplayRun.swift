import EventLoop
import Events
import Link
import NetStack
import PacketCapture
import Packets
import Wires

/// What to replay, and how.
public struct ReplayPlan: Sendable {
  public var settings = ReplaySettings()
  /// Frames arrive as fast as the NIC takes them; causality holds all the same.
  public var isFullSpeed = false
  /// A pcapng file of the whole exchange.
  public var capturePath: String?
  /// Gets a line an event.
  public var eventSink: (@Sendable (String) -> Void)?

  public init(settings: ReplaySettings = ReplaySettings()) { self.settings = settings }
}

/// What a station answered to a capture.
public struct ReplayResult: Sendable, Equatable {
  public var answers: [ReplayExpectation.Frame]
  public var outcome: String?
  public var counters: ReplayCounters
  /// Hash over time and bytes of every answer.
  public var fingerprint: String
  /// Why the capture could not be read to its end; nil if it could.
  public var damage: Damage?

  public enum Damage: Sendable, Equatable {
    case file(CaptureError)
    case linkType(CaptureLinkType, frame: Int)
  }
}

/// One replay: the frames of a capture arrive at the NIC of a station of its own, in virtual time, and what its driver
/// and stack answer is kept.
///
/// Time zero is when the link is up and the first frame of the capture has its time. A damaged capture is replayed up
/// to the damage.
public final class ReplayRun {
  private let plan: ReplayPlan
  private let loop: VirtualLoop
  private let tap: EventTap
  private let cable: ReplayCable
  private let capture: CaptureWire?
  private let station: Station
  private let applications: ReplayApplications
  private let fingerprint = ReplayFingerprint()
  private var epoch = Instant.zero
  private var isRecording = false
  private var answers: [ReplayExpectation.Frame] = []

  /// Most answers that are kept and compared.
  public static let answerLimit = 250_000
  /// Longest time that a link may take to come up.
  private static let linkTime = TimeSpan.seconds(10)

  public init(_ plan: ReplayPlan, reader: CaptureReader) throws(ReplayError) {
    self.plan = plan
    let settings = plan.settings
    loop = VirtualLoop(seed: settings.seed)
    tap = EventTap(on: loop)
    if let sink = plan.eventSink { EventPrinter(write: sink).attach(to: tap) }
    cable = ReplayCable(
      on: loop, reader: reader, station: settings.hardwareAddress,
      pacing: plan.isFullSpeed ? .fullSpeed : .original)
    if let path = plan.capturePath {
      do throws(CaptureError) { capture = try CaptureWire(cable, on: loop, path: path, name: "station") } catch {
        throw .cannotWrite(path, error)
      }
    } else {
      capture = nil
    }
    do throws(BenchError) {
      var options = Station.Options()
      options.board.hardwareAddress = settings.hardwareAddress
      station = try Station(name: "station", on: loop, tap: tap, options: options)
    } catch {
      throw .station(error)
    }
    applications = ReplayApplications(station, settings)
  }

  /// Replays the capture to its end and lets the station go on for the time of ``ReplaySettings/linger``. Only once.
  public func run() throws(ReplayError) -> ReplayResult {
    try start()
    cable.onSent = { [unowned self] frame, time in sent(frame, time) }
    var outcome: String?
    let finished = Waiter(on: loop)
    cable.onEnd = { finished.wake() }
    epoch = loop.now
    isRecording = true
    do throws(BenchError) { try applications.start() } catch { throw .station(error) }
    cable.start()
    do {
      try loop.run { _ = await finished.wait() }
      loop.run(until: loop.now + plan.settings.linger)
      isRecording = false
      outcome = applications.outcome
      try loop.run { [self] in
        applications.stop()
        await station.stop()
      }
    } catch {
      throw .stuck(path: "", reason: String(describing: error))
    }
    if let capture, let path = plan.capturePath {
      do throws(CaptureError) { try capture.close() } catch {
        throw .cannotWrite(path, error)
      }
    }
    return ReplayResult(
      answers: answers, outcome: outcome, counters: cable.count, fingerprint: fingerprint.text,
      damage: damage)
  }

  private func start() throws(ReplayError) {
    let settings = plan.settings
    do throws(BenchError) {
      try station.start(on: capture ?? cable)
      if let address = settings.address { try station.configure(address, gateway: settings.gateway) }
      for neighbour in settings.neighbours {
        do throws(NetworkError) {
          try station.interface.neighbours.setPermanent(neighbour.address, neighbour.hardwareAddress)
        } catch {
          throw .badOption(name: "neighbour \(neighbour.address)", reason: String(describing: error))
        }
      }
    } catch {
      throw .station(error)
    }
    let limit = loop.now + Self.linkTime
    while !station.driver.isLinkUp, loop.now < limit { loop.advance(by: .milliseconds(10)) }
    // The link's coming up may have work behind it.
    loop.advance(by: .milliseconds(10))
  }

  private func sent(_ frame: RawSpan, _ time: Instant) {
    guard isRecording else { return }
    let span = time - epoch
    fingerprint.add(frame, at: span)
    guard answers.count < Self.answerLimit else { return }
    answers.append(
      ReplayExpectation.Frame(time: span.nanoseconds / 1000, description: FrameDescription.describe(frame)))
  }

  private var damage: ReplayResult.Damage? {
    switch cable.end {
    case .finished, nil: nil
    case .damaged(let error): .file(error)
    case .wrongLinkType(let type, let frame): .linkType(type, frame: frame)
    }
  }
}

/// A running hash over answers (FNV-1a, 64 bit), to compare runs by.
private final class ReplayFingerprint {
  private var state: UInt64 = 0xCBF2_9CE4_8422_2325

  func add(_ frame: RawSpan, at time: TimeSpan) {
    for shift in stride(from: 0, to: 64, by: 8) { mix(UInt8(truncatingIfNeeded: time.nanoseconds >> Int64(shift))) }
    for index in 0..<frame.byteCount { mix(frame.octet(index)) }
  }

  private func mix(_ octet: UInt8) { state = (state ^ UInt64(octet)) &* 0x100_0000_01B3 }

  var text: String {
    let digits = String(state, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
