import EventLoop
import Link

/// A plug that returns what is sent into it, for self-tests of a port.
///
/// The frames come back in the same turn of the loop, but after the send has returned: a port is never entered from its
/// own transmit path. Up to `frameLimit` frames wait; beyond that the plug refuses until the port has taken some.
public final class LoopbackPlug: Wire {
  public weak var port: (any WirePort)?
  public private(set) var hasCarrier = true

  private let queue: FrameQueue
  private var delivery: DeferredWork!
  private var portRefused = false
  private var senderWaits = false
  private var count = LoopbackPlugCounters()

  public init(on loop: any EventLoop, frameLimit: Int = 256) {
    queue = FrameQueue(frameLimit: frameLimit, byteLimit: 1 << 22)
    delivery = DeferredWork(on: loop) { [weak self] in self?.deliver() }
  }

  public var counters: LoopbackPlugCounters { count }

  /// Frames on their way back.
  public var framesInFlight: Int { queue.count }

  public func send(_ frame: RawSpan) -> Bool {
    guard hasCarrier else {
      count.lostWithoutCarrier &+= 1
      return true
    }
    guard queue.append(frame) else {
      count.refused &+= 1
      senderWaits = true
      return false
    }
    if !portRefused { delivery.schedule() }
    return true
  }

  public func portIsReady() {
    guard portRefused else { return }
    portRefused = false
    delivery.schedule()
  }

  /// Takes the plug out or puts it in again; what is under way is lost with the carrier.
  public func setPlugged(_ plugged: Bool) {
    guard plugged != hasCarrier else { return }
    hasCarrier = plugged
    if !plugged {
      count.lostWithoutCarrier &+= UInt64(queue.count)
      queue.removeAll()
      portRefused = false
    }
    port?.carrierChanged()
    wakeSender()
  }

  private func deliver() {
    // Only what waits now: a port that answers each frame with a frame gets its turn, and so does everything else.
    var budget = queue.count
    while budget > 0, let frame = queue.first {
      guard let port, port.receive(frame.bytes) else {
        portRefused = true
        break
      }
      guard !queue.isEmpty else { break }
      count.frames &+= 1
      count.bytes &+= UInt64(frame.count)
      queue.removeFirst()
      budget -= 1
    }
    if !queue.isEmpty && !portRefused { delivery.schedule() }
    wakeSender()
  }

  private func wakeSender() {
    guard senderWaits, queue.count < queue.frameLimit else { return }
    senderWaits = false
    port?.wireIsReady()
  }
}

public struct LoopbackPlugCounters: Sendable, Equatable {
  /// Frames that came back, and their bytes.
  public var frames: UInt64 = 0
  public var bytes: UInt64 = 0
  /// Times the plug was full.
  public var refused: UInt64 = 0
  public var lostWithoutCarrier: UInt64 = 0
  public init() {}
}
