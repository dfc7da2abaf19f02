import EventLoop
import Events
import Link
import Memory
import NetStack
import Packets

/// One frame on the test cable, for ``TestNetwork/disturb`` to change.
struct Flight {
  let sender: TestDevice
  /// Counts the frames of the network from 0.
  let number: Int
  /// From destination address to the end of the payload; change it to damage the frame.
  var bytes: [UInt8]
  /// 0 drops the frame, 2 duplicates it.
  var copies = 1
  /// On top of the network's latency; more than the others get reorders.
  var delay = TimeSpan.zero
}

/// Hosts on one Ethernet segment, in virtual time.
///
///     let network = TestNetwork(seed: 1)
///     let a = network.addHost("10.0.0.1/24")
///     let b = network.addHost("10.0.0.2/24", features: [.transmitChecksum, .segmentationIPv4, .receiveChecksum])
///     network.disturb = { flight in if flight.number % 10 == 0 { flight.copies = 0 } }
///     try network.loop.run { ... }          // or network.advance(.seconds(1))
final class TestNetwork {
  let loop: VirtualLoop
  let tap: EventTap
  private(set) var hosts: [TestHost] = []
  /// Everything on the cable: the devices of ``hosts`` and of stations.
  private var devices: [TestDevice] = []
  /// Called for every frame before it travels.
  var disturb: ((inout Flight) -> Void)?
  var latency = TimeSpan.microseconds(50)
  /// Every frame that was sent (before ``disturb``), kept only while ``isRecording``.
  var recording: [(time: Instant, sender: TestDevice, bytes: [UInt8])] = []
  var isRecording = false
  private(set) var frameCount = 0

  private enum Happening {
    case arrival(from: TestDevice, [UInt8])
    case transmitted(TestDevice, Int)
  }
  private var agenda: [(time: Instant, order: Int, what: Happening)] = []
  private var order = 0
  private var timer: LoopTimer!

  convenience init(seed: UInt64 = 1) {
    let loop = VirtualLoop(seed: seed)
    self.init(loop, EventTap(on: loop))
  }

  /// Another segment in the time of `other`.
  convenience init(besides other: TestNetwork) { self.init(other.loop, other.tap) }

  private init(_ loop: VirtualLoop, _ tap: EventTap) {
    self.loop = loop
    self.tap = tap
    timer = LoopTimer(on: loop) { [unowned self] in happen() }
  }

  /// A host with one interface `eth0`. `address` is "a.b.c.d/n", nil for none.
  func addHost(
    _ address: String? = nil, features: DeviceFeatures = [], mtu: Int = 1500, buffers: Int = 256,
    configuration: StackConfiguration = .init()
  ) -> TestHost {
    let device = addDevice(features: features, mtu: mtu, buffers: buffers)
    let host = TestHost(device, configuration: configuration)
    hosts.append(host)
    if let address { host.interface.add(IPv4Subnet(address)!) }
    return host
  }

  /// A device on the cable that nobody owns yet.
  func addDevice(features: DeviceFeatures = [], mtu: Int = 1500, buffers: Int = 256) -> TestDevice {
    let device = TestDevice(
      network: self, mac: MACAddress(rawValue: 0x5254_0000_0001 + UInt64(devices.count)), features: features, mtu: mtu,
      buffers: buffers)
    devices.append(device)
    return device
  }

  func advance(_ span: TimeSpan) { loop.advance(by: span) }

  /// Frames under way.
  var inFlight: Int { agenda.count }

  /// Puts a frame on the cable as if `sender` had sent it.
  func inject(_ bytes: [UInt8], from sender: TestDevice, at departure: Instant? = nil) {
    if isRecording { recording.append((loop.now, sender, bytes)) }
    var flight = Flight(sender: sender, number: frameCount, bytes: bytes)
    frameCount += 1
    disturb?(&flight)
    for _ in 0..<flight.copies {
      schedule((departure ?? loop.now) + latency + flight.delay, .arrival(from: sender, flight.bytes))
    }
  }

  fileprivate func scheduleTransmitted(_ device: TestDevice, _ token: Int, at time: Instant) {
    schedule(time, .transmitted(device, token))
  }

  private func schedule(_ time: Instant, _ what: Happening) {
    // Most happenings are the latest so far.
    var place = agenda.count
    while place > 0 && agenda[place - 1].time > time { place -= 1 }
    agenda.insert((time, order, what), at: place)
    order += 1
    if place == 0 { timer.arm(at: time) }
  }

  private func happen() {
    let now = loop.now
    var due = 0
    while due < agenda.count && agenda[due].time <= now { due += 1 }
    let batch = agenda[..<due]
    agenda.removeFirst(due)
    var receivers: [TestDevice] = []
    for (_, _, what) in batch {
      switch what {
      case .transmitted(let device, let token): device.transmitted(token)
      case .arrival(let sender, let bytes):
        for device in devices where device !== sender && device.receive(bytes) {
          if !receivers.contains(where: { $0 === device }) { receivers.append(device) }
        }
      }
    }
    for device in receivers { device.client?.receiveBatchEnded() }
    if let next = agenda.first { timer.arm(at: max(next.time, now)) }
  }
}

/// A stack with one test device.
final class TestHost {
  let stack: NetworkStack
  let device: TestDevice
  let interface: NetworkInterface

  init(_ device: TestDevice, configuration: StackConfiguration) {
    self.device = device
    stack = NetworkStack(on: device.network.loop, tap: device.network.tap, configuration: configuration)
    interface = stack.attach(device)
  }

  /// The first address of `eth0`.
  var address: IPAddress { IPAddress(interface.addresses[0].address) }
}

/// A network card of the test cable: a bounded pool of buffers, and the offloads that it was made with, in software.
final class TestDevice: NetworkDevice {
  unowned let network: TestNetwork
  let name = "eth0"
  /// What the stack wants to receive.
  private(set) var filter: ReceiveFilter
  /// The groups that it wants to receive, and how often it said anything of them.
  private(set) var groups: Set<MACAddress> = []
  private(set) var groupChanges = 0
  var hardwareAddress: MACAddress { filter.station }
  private(set) var mtu: Int
  let features: DeviceFeatures
  weak var client: (any NetworkDeviceClient)?
  var isLinkUp = true {
    didSet { if oldValue != isLinkUp { client?.linkChanged(isUp: isLinkUp) } }
  }
  /// Bits per second that leave the card; nil: at once. A buffer is free again when its frame has left.
  var bandwidth: Int?
  /// Buffers that are reserved or under way; 0 when everything has been returned.
  var buffersInUse: Int { storage.count - free.count }
  /// Gets every frame of the cable, not only its own.
  var isPromiscuous = false
  private(set) var doorbells = 0
  private let storage: [UnsafeMutableRawPointer]
  private let capacity: Int
  private var free: [Int]
  private var submitted: [(token: Int, length: Int, offload: TransmitOffload)] = []
  private var isStarved = false
  private var busyUntil = Instant.zero
  private var ready: DeferredWork!

  init(network: TestNetwork, mac: MACAddress, features: DeviceFeatures, mtu: Int, buffers: Int) {
    self.network = network
    filter = ReceiveFilter(station: mac)
    self.features = features
    self.mtu = mtu
    let capacity = 14 + (features.contains(.segmentationIPv4) ? 65536 : mtu)
    self.capacity = capacity
    storage = (0..<buffers).map { _ in .allocate(byteCount: capacity, alignment: 64) }
    free = Array(0..<buffers)
    ready = DeferredWork(on: network.loop) { [unowned self] in client?.transmitReady() }
  }

  deinit { for buffer in storage { buffer.deallocate() } }

  func reserve(capacity wanted: Int) -> TransmitBuffer? {
    guard wanted <= capacity, let token = free.popLast() else {
      isStarved = true
      return nil
    }
    return TransmitBuffer(window: MemoryWindow(storage[token], count: capacity), token: token)
  }

  func release(_ buffer: TransmitBuffer) { transmitted(buffer.token) }

  fileprivate func transmitted(_ token: Int) {
    precondition(!free.contains(token), "a buffer was returned twice")
    free.append(token)
    if isStarved {
      isStarved = false
      ready.schedule()
    }
  }

  func submit(_ buffer: TransmitBuffer, length: Int, offload: TransmitOffload) {
    precondition(length <= capacity && (offload.segmentSize == 0 || features.contains(.segmentationIPv4)))
    submitted.append((buffer.token, length, offload))
  }

  func doorbell() {
    doorbells += 1
    let batch = submitted
    submitted = []
    for (token, length, offload) in batch {
      let bytes = [UInt8](UnsafeRawBufferPointer(start: storage[token], count: length))
      busyUntil = max(busyUntil, network.loop.now)
      for frame in FrameOffload.finish(bytes, offload) {
        if let bandwidth {
          busyUntil =
            busyUntil + TimeSpan(nanoseconds: Int64((frame.count + 24) * 8) * 1_000_000_000 / Int64(bandwidth))
        }
        if isLinkUp { network.inject(frame, from: self, at: busyUntil) }
      }
      if bandwidth == nil {
        transmitted(token)
      } else {
        network.scheduleTransmitted(self, token, at: busyUntil)
      }
    }
  }

  func apply(_ filter: ReceiveFilter) { self.filter = filter }

  func setReception(of group: MACAddress, isWanted: Bool) {
    groupChanges += 1
    if isWanted { groups.insert(group) } else { groups.remove(group) }
  }

  /// The card's buffers have room for what it was made for.
  func changeMTU(to mtu: Int) -> Bool {
    guard mtu + 14 <= capacity else { return false }
    self.mtu = max(self.mtu, mtu)
    return true
  }

  /// Hands a frame of the cable to the stack, if the card's filter takes it.
  fileprivate func receive(_ bytes: [UInt8]) -> Bool {
    guard isLinkUp, let client, bytes.count >= 6 else { return false }
    let isGroup = bytes[0] & 1 != 0
    guard isGroup || isPromiscuous || filter.isPromiscuous || bytes.starts(with: hardwareAddress.octets)
    else { return false }
    let metadata = features.contains(.receiveChecksum) ? FrameOffload.verify(bytes) : ReceiveMetadata()
    bytes.withUnsafeBytes { client.received($0.bytes, metadata) }
    return true
  }
}
