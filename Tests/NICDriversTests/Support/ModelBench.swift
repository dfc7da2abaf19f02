import EventLoop
import Events
import IntelNIC
import Link
import Machine
import Memory
import NICDrivers
import NICModels
import Packets

/// A cable that writes down what the controller sends, and brings what a test gives it.
final class RecordingWire: Wire {
  weak var port: (any WirePort)?
  var sent: [[UInt8]] = []
  /// Frames that may still be sent before the wire has no room.
  var room = Int.max
  var hasCarrier = true
  private var waiting: [[UInt8]] = []
  private(set) var delivered = 0

  func send(_ frame: RawSpan) -> Bool {
    guard room > 0 else { return false }
    room -= 1
    sent.append((0..<frame.byteCount).map { frame.unsafeLoad(fromByteOffset: $0, as: UInt8.self) })
    return true
  }

  func portIsReady() { flush() }

  /// Frames that the controller has not taken.
  var backlog: Int { waiting.count }

  func deliver(_ frame: [UInt8]) {
    waiting.append(frame)
    flush()
  }

  private func flush() {
    while let frame = waiting.first {
      guard port?.receive(frame.span.bytes) == true else { return }
      waiting.removeFirst()
      delivered += 1
    }
  }
}

/// A function's handle with a hook before and after every register access.
final class WatchedHandle: FunctionHandle {
  let inner: LocalFunction
  var onAccess: () -> Void = {}

  init(_ inner: LocalFunction) { self.inner = inner }

  var address: PCIAddress { inner.address }
  func readConfiguration(_ offset: Int, size: Int) -> UInt32 { inner.readConfiguration(offset, size: size) }
  func writeConfiguration(_ offset: Int, size: Int, value: UInt32) {
    inner.writeConfiguration(offset, size: size, value: value)
  }
  func read32(bar: Int, offset: Int) -> UInt32 {
    onAccess()
    defer { onAccess() }
    return inner.read32(bar: bar, offset: offset)
  }
  func write32(bar: Int, offset: Int, value: UInt32) {
    onAccess()
    inner.write32(bar: bar, offset: offset, value: value)
    onAccess()
  }
  func allocateDMA(byteCount: Int, alignment: Int) throws(MachineError) -> DMABuffer {
    try inner.allocateDMA(byteCount: byteCount, alignment: alignment)
  }
  func freeDMA(_ buffer: DMABuffer) { inner.freeDMA(buffer) }
  func setInterruptHandler(_ handler: (() -> Void)?) { inner.setInterruptHandler(handler) }
}

/// A driver over the model of its controller, in a machine, in virtual time.
struct ModelBench {
  static let place = PCIAddress(bus: 0, device: 3, function: 0)

  let loop: VirtualLoop
  let machine: Machine
  let model: Intel8254x
  let wire = RecordingWire()
  let handle: WatchedHandle
  let driver: E1000Driver
  let client = RecordingClient()

  /// Starts the driver and waits for the link.
  init(
    controller: IntelController = .i82540EM, lossless: Bool = true,
    _ configure: (inout E1000Configuration) -> Void = { _ in }
  ) throws {
    loop = VirtualLoop(seed: 7)
    let tap = EventTap(on: loop)
    machine = try Machine(on: loop, tap: tap)
    let registers = try machine.makeRegisterFile(byteCount: 128 << 10)
    var options = Intel8254x.Options()
    options.lossless = lossless
    model = try Intel8254x(
      controller, address: MACAddress("52:54:00:12:34:56")!, loop: loop, tap: tap, registers: registers.window,
      name: "nic", options: options)
    try machine.plug(model, at: Self.place, name: "nic", registers: [0: registers])
    machine.enumerate()
    model.plug(into: wire)
    handle = WatchedHandle(machine.handle(at: Self.place)!)
    var configuration = E1000Configuration()
    configure(&configuration)
    driver = try DriverTable.standard.probe(handle, on: loop, tap: tap, configuration: configuration)
    driver.client = client
    try driver.start()
    loop.advance(by: .milliseconds(50))
  }

  var bytesInUse: UInt64 { machine.allocator.counters.bytesInUse }

  func settle() { loop.advance(by: .zero) }

  @discardableResult func send(_ frame: [UInt8], offload: TransmitOffload = .none) -> Bool {
    guard let buffer = driver.reserve(capacity: frame.count) else { return false }
    buffer.window.copy(from: frame.span.bytes)
    driver.submit(buffer, length: frame.count, offload: offload)
    return true
  }

  /// A frame for the driver's address, of `length` bytes.
  static func frame(_ length: Int, _ seed: Int = 0) -> [UInt8] {
    [0x52, 0x54, 0, 0x12, 0x34, 0x56, 2, 0, 0, 0, 0, 1, 0x88, 0xB5]
      + (14..<length).map { UInt8(truncatingIfNeeded: $0 &* 13 &+ seed) }
  }
}
