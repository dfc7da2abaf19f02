import EventLoop
import Link

/// A cable with two ends that joins two ports: what one end is given, the other end's port receives in the same call,
/// without a copy.
///
/// Flow control passes through: a frame that the far port refuses is refused to the sender, and
/// ``Wire/portIsReady()`` of the far side becomes ``WirePort/wireIsReady()`` of the sender. A port that sends from
/// inside a delivery of the same direction (A sends within B's receive within A's send) is refused, and told in the
/// same turn of the loop, once the delivery is over, to try again: the depth of calls is bounded by two.
public final class LoopWire {
  /// The two ends; each is the ``Wire`` of one port. An end works as long as it lives, with or without this object.
  public let a: LoopWireEnd
  public let b: LoopWireEnd
  /// True while the cable is plugged in.
  public private(set) var isPlugged = true

  public init(on loop: any EventLoop) {
    let one = LoopSocket(on: loop)
    let other = LoopSocket(on: loop)
    a = LoopWireEnd(near: one, far: other)
    b = LoopWireEnd(near: other, far: one)
  }

  /// Pulls the cable out: both ports lose the carrier, and what they still send is lost and counted.
  public func unplug() { setCarrier(false) }

  /// Plugs the cable in again.
  public func plug() { setCarrier(true) }

  private func setCarrier(_ present: Bool) {
    guard isPlugged != present else { return }
    isPlugged = present
    a.near.hasCarrier = present
    b.near.hasCarrier = present
    a.port?.carrierChanged()
    b.port?.carrierChanged()
    // A refused frame has a fate again: the void, or the port that may have changed meanwhile.
    a.near.wakeSender()
    b.near.wakeSender()
  }
}

/// One end of a ``LoopWire``. Its counters are those of the frames that its own port sends.
public final class LoopWireEnd: Wire {
  let near: LoopSocket
  private let far: LoopSocket

  init(near: LoopSocket, far: LoopSocket) {
    self.near = near
    self.far = far
  }

  public var port: (any WirePort)? {
    get { near.port }
    set { near.port = newValue }
  }
  public var hasCarrier: Bool { near.hasCarrier }

  /// What this end's port has sent so far.
  public var counters: LoopWireCounters { near.count }

  public func send(_ frame: RawSpan) -> Bool { near.send(frame, to: far) }

  public func portIsReady() { far.wakeSender() }
}

/// The state of one end and of the direction that starts there.
final class LoopSocket {
  weak var port: (any WirePort)?
  var hasCarrier = true
  var count = LoopWireCounters()
  private var isDelivering = false
  private var senderWaits = false
  private var retry: DeferredWork!

  init(on loop: any EventLoop) {
    retry = DeferredWork(on: loop) { [weak self] in self?.wakeSender() }
  }

  func send(_ frame: RawSpan, to far: LoopSocket) -> Bool {
    guard hasCarrier else {
      count.lostWithoutCarrier &+= 1
      return true
    }
    guard let receiver = far.port else {
      count.lostWithoutPeer &+= 1
      return true
    }
    guard !isDelivering else {
      count.refusedNested &+= 1
      senderWaits = true
      return false
    }
    isDelivering = true
    let taken = receiver.receive(frame)
    isDelivering = false
    // A nested send was refused during this delivery; its frame goes on from the loop, not from this depth of calls.
    if senderWaits { retry.schedule() }
    if taken {
      count.frames &+= 1
      count.bytes &+= UInt64(frame.byteCount)
    } else {
      count.refused &+= 1
      senderWaits = true
    }
    return taken
  }

  /// Tells this end's port to send what it kept.
  func wakeSender() {
    guard senderWaits else { return }
    senderWaits = false
    port?.wireIsReady()
  }
}

/// One direction of a ``LoopWire``.
public struct LoopWireCounters: Sendable, Equatable {
  /// Frames the far port took, and their bytes.
  public var frames: UInt64 = 0
  public var bytes: UInt64 = 0
  /// Times the far port had no room.
  public var refused: UInt64 = 0
  /// Times a frame was sent from inside a delivery of the same direction.
  public var refusedNested: UInt64 = 0
  public var lostWithoutCarrier: UInt64 = 0
  /// Nothing was plugged into the far end.
  public var lostWithoutPeer: UInt64 = 0
  public init() {}
}
