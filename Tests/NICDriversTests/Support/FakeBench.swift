import EventLoop
import Events
import IntelNIC
import Link
import Machine
import Memory
import NICDrivers

/// A driver over a ``FakeController``, in virtual time.
struct FakeBench {
  let loop: VirtualLoop
  let tap: EventTap
  let device: FakeController
  let driver: E1000Driver
  let client = RecordingClient()

  init(starting: Bool = true, _ configure: (inout E1000Configuration) -> Void = { _ in }) throws {
    try self.init(device: { _ in }, starting: starting, configure)
  }

  init(device setUp: (FakeController) -> Void) throws { try self.init(device: setUp, starting: true) { _ in } }

  private init(
    device setUp: (FakeController) -> Void, starting: Bool, _ configure: (inout E1000Configuration) -> Void
  ) throws {
    loop = VirtualLoop(seed: 1)
    tap = EventTap(on: loop)
    device = FakeController(on: loop)
    setUp(device)
    var configuration = E1000Configuration()
    configuration.pollLimit = 100
    configure(&configuration)
    driver = try E1000Driver(device, on: loop, tap: tap, configuration: configuration)
    driver.client = client
    if starting { try driver.start() }
  }

  /// Runs what is due now.
  func settle() { loop.advance(by: .zero) }

  /// Sends one frame of `length` bytes of `fill`; false if there was no buffer.
  @discardableResult
  func send(_ length: Int = 64, fill: UInt8 = 0xAB, offload: TransmitOffload = .none, capacity: Int? = nil) -> Bool {
    guard let buffer = driver.reserve(capacity: capacity ?? length) else { return false }
    buffer.window.fill(fill, at: 0, count: length)
    driver.submit(buffer, length: length, offload: offload)
    return true
  }

  static func frame(_ length: Int, _ seed: Int = 0) -> [UInt8] {
    (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ seed) }
  }
}
