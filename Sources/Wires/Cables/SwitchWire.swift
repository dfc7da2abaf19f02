import EventLoop
import Link
import Packets

/// A learning Ethernet switch: frames go to the port where their destination was last heard, or to all others.
///
/// Each port has a bounded queue of frames on their way out, used when the plugged-in port refuses a frame or is in the
/// middle of receiving one; otherwise frames are handed over in the same call without a copy. What happens when the
/// queue is full is chosen by ``SwitchSettings/whenFull``: a plain switch drops the frame (and counts it); with
/// `.pauseSender` the sender of a frame for one port is refused until there is room, as with IEEE 802.3x flow control.
/// A frame for many ports is never held up by one of them: it is dropped at the full port only.
public final class SwitchWire {
  public let settings: SwitchSettings
  /// The sockets; each is the ``Wire`` of one port.
  public let ports: [SwitchPort]
  private let fabric: SwitchFabric

  public init(on loop: any EventLoop, portCount: Int, settings: SwitchSettings = SwitchSettings()) {
    precondition(portCount > 0)
    self.settings = settings
    let fabric = SwitchFabric(on: loop, portCount: portCount, settings: settings)
    self.fabric = fabric
    ports = (0..<portCount).map { SwitchPort(fabric: fabric, index: $0) }
  }

  public var counters: SwitchWireCounters { fabric.count }
  /// Stations in the table.
  public var stationCount: Int { fabric.stations.count }
  /// Frames that wait in the queues of all ports.
  public var framesInFlight: Int { fabric.outlets.reduce(0) { $0 + $1.queue.count } }

  /// The port on which `station` was heard within the ageing time.
  public func port(of station: MACAddress) -> Int? { fabric.stations.port(of: station, now: fabric.loop.now) }
}

public struct SwitchSettings: Sendable, Equatable {
  public enum Congestion: Sendable, Equatable {
    /// A frame for a port whose queue is full is dropped and counted.
    case dropTail
    /// The sender of a frame for one port is refused until that port's queue has room.
    case pauseSender
  }
  /// Most frames and most bytes in the queue of one port.
  public var queueFrames = 256
  public var queueBytes = 1 << 20
  public var whenFull = Congestion.dropTail
  /// Most stations in the table; a further one is not learned, and its frames are flooded.
  public var stationLimit = 4096
  /// How long a station is remembered after its last frame (IEEE 802.1D: 300 s).
  public var ageing = TimeSpan.seconds(300)

  public init() {}
}

public struct SwitchWireCounters: Sendable, Equatable {
  /// Frames taken from senders.
  public var received: UInt64 = 0
  /// Frames delivered; a flooded frame counts once for each port.
  public var delivered: UInt64 = 0
  /// Frames sent to all other ports: group address, or station unknown.
  public var flooded: UInt64 = 0
  /// Frames whose station is on the port they came from, or that are for the other end of their cable alone.
  public var filtered: UInt64 = 0
  /// Frames copied into a queue.
  public var queued: UInt64 = 0
  /// Frames dropped because a queue was full.
  public var droppedFull: UInt64 = 0
  /// Times a sender was refused (`.pauseSender`).
  public var refused: UInt64 = 0
  /// Frames shorter than an Ethernet header, or with a group address as source.
  public var malformed: UInt64 = 0
  /// Frames sent or queued without a carrier.
  public var lostWithoutCarrier: UInt64 = 0
  public var stationsLearned: UInt64 = 0
  public var stationsMoved: UInt64 = 0
  /// Frames whose source found no room in the table.
  public var stationTableFull: UInt64 = 0
  public init() {}
}

/// One socket of a ``SwitchWire``.
public final class SwitchPort: Wire {
  private let fabric: SwitchFabric
  private let outlet: SwitchOutlet
  public let index: Int

  init(fabric: SwitchFabric, index: Int) {
    self.fabric = fabric
    self.index = index
    outlet = fabric.outlets[index]
  }

  public var port: (any WirePort)? {
    get { outlet.port }
    set { outlet.port = newValue }
  }
  public var hasCarrier: Bool { outlet.hasCarrier }

  public func send(_ frame: RawSpan) -> Bool { fabric.forward(frame, from: index) }

  public func portIsReady() { outlet.portIsReady() }

  /// Pulls the cable of this port out: its stations are forgotten and its queue is lost.
  public func unplug() { setCarrier(false) }

  public func plug() { setCarrier(true) }

  private func setCarrier(_ present: Bool) {
    guard outlet.hasCarrier != present else { return }
    outlet.hasCarrier = present
    if !present {
      fabric.stations.forget(port: index)
      fabric.count.lostWithoutCarrier &+= UInt64(outlet.queue.count)
      outlet.clear()
    }
    outlet.port?.carrierChanged()
    fabric.wakeSenders()
  }
}
