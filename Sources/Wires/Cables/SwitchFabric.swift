import EventLoop
import Link
import Packets

/// The inside of a ``SwitchWire``: the table, the outlets, and the way of a frame from one port to others.
final class SwitchFabric {
  let loop: any EventLoop
  let settings: SwitchSettings
  var stations: StationTable
  var count = SwitchWireCounters()
  private(set) var outlets: [SwitchOutlet] = []

  init(on loop: any EventLoop, portCount: Int, settings: SwitchSettings) {
    self.loop = loop
    self.settings = settings
    stations = StationTable(limit: settings.stationLimit, ageing: settings.ageing)
    outlets = (0..<portCount).map { _ in SwitchOutlet(of: self) }
  }

  /// Takes a frame in on port `index`. False: the only port it is for is full, and its sender is to wait.
  func forward(_ frame: RawSpan, from index: Int) -> Bool {
    guard outlets[index].hasCarrier else {
      count.lostWithoutCarrier &+= 1
      return true
    }
    guard frame.byteCount >= 14 else {
      count.malformed &+= 1
      return true
    }
    let destination = address(in: frame, at: 0)
    let source = address(in: frame, at: 6)
    guard !source.isGroup else {
      count.malformed &+= 1
      return true
    }
    switch stations.learn(source, on: index, now: loop.now) {
    case .known: break
    case .new: count.stationsLearned &+= 1
    case .moved: count.stationsMoved &+= 1
    case .full: count.stationTableFull &+= 1
    }
    // Pause frames and other talk of two ends of a cable go no further (IEEE 802.1D, table 7-10).
    guard destination.rawValue & ~0xF != 0x0180_C200_0000 else {
      count.received &+= 1
      count.filtered &+= 1
      return true
    }
    if !destination.isGroup, let target = stations.port(of: destination, now: loop.now) {
      guard target != index else {
        count.received &+= 1
        count.filtered &+= 1
        return true
      }
      let pauses = settings.whenFull == .pauseSender
      guard outlets[target].give(frame, mayRefuse: pauses) else {
        count.refused &+= 1
        outlets[index].senderWaits = true
        return false
      }
    } else {
      count.flooded &+= 1
      for target in outlets.indices where target != index { _ = outlets[target].give(frame, mayRefuse: false) }
    }
    count.received &+= 1
    return true
  }

  private func address(in frame: RawSpan, at offset: Int) -> MACAddress {
    var value: UInt64 = 0
    for i in 0..<6 { value = value << 8 | UInt64(frame.unsafeLoad(fromByteOffset: offset + i, as: UInt8.self)) }
    return MACAddress(rawValue: value)
  }

  /// Lets every refused sender try again.
  func wakeSenders() {
    for outlet in outlets where outlet.senderWaits {
      outlet.senderWaits = false
      outlet.port?.wireIsReady()
    }
  }
}

/// The way out of one port of a switch, with its queue.
final class SwitchOutlet {
  weak var port: (any WirePort)?
  var hasCarrier = true
  /// The plugged-in port sent something that was refused.
  var senderWaits = false
  let queue: FrameQueue
  private unowned let fabric: SwitchFabric
  private var drain: DeferredWork!
  private var isDelivering = false
  private var portRefused = false

  init(of fabric: SwitchFabric) {
    self.fabric = fabric
    queue = FrameQueue(frameLimit: fabric.settings.queueFrames, byteLimit: fabric.settings.queueBytes)
    drain = DeferredWork(on: fabric.loop) { [weak self] in self?.deliverQueue() }
  }

  /// Delivers or queues `frame`. False only if `mayRefuse` and the queue is full.
  func give(_ frame: RawSpan, mayRefuse: Bool) -> Bool {
    guard hasCarrier, let port else {
      if !hasCarrier { fabric.count.lostWithoutCarrier &+= 1 }
      return true
    }
    if queue.isEmpty && !isDelivering && !portRefused {
      isDelivering = true
      let taken = port.receive(frame)
      isDelivering = false
      if taken {
        fabric.count.delivered &+= 1
        return true
      }
      portRefused = true
    }
    guard queue.append(frame) else {
      // A frame that fits no queue would wait for ever.
      if mayRefuse && !queue.isEmpty { return false }
      fabric.count.droppedFull &+= 1
      return true
    }
    fabric.count.queued &+= 1
    if !portRefused { drain.schedule() }
    return true
  }

  func portIsReady() {
    guard portRefused else { return }
    portRefused = false
    if !queue.isEmpty { drain.schedule() }
  }

  func clear() {
    queue.removeAll()
    portRefused = false
  }

  private func deliverQueue() {
    guard !isDelivering else { return }
    var budget = queue.count
    while budget > 0, let port, let frame = queue.first {
      isDelivering = true
      let taken = port.receive(frame.bytes)
      isDelivering = false
      guard !queue.isEmpty else { break }
      guard taken else {
        portRefused = true
        break
      }
      fabric.count.delivered &+= 1
      queue.removeFirst()
      budget -= 1
    }
    if port == nil { clear() }
    if !queue.isEmpty && !portRefused { drain.schedule() }
    fabric.wakeSenders()
  }
}
