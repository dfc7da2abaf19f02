import EventLoop
import Events
import Machine
import Memory
import VfioUser

/// A served function and its loop, for clients on the same loop.
final class ServedFunction<Function: PCIFunction> {
  let folder: TemporaryFolder
  let loop: EpollLoop
  let tap: EventTap
  let function: Function
  let server: VfioUserServer
  private var waiters: [Waiter] = []

  init(
    rom: ExpansionROM? = nil, patience: TimeSpan = .seconds(5), _ make: (EpollLoop, EventTap) throws -> Function
  ) throws {
    folder = try TemporaryFolder()
    loop = try EpollLoop(seed: 1)
    tap = EventTap(on: loop)
    function = try make(loop, tap)
    server = try VfioUserServer(
      function, on: loop, tap: tap, path: folder.file("s"), name: "nic", expansionROM: rom,
      patience: patience)
    server.onConnectionChange = { [weak self] _ in
      for waiter in self?.waiters ?? [] { waiter.wake() }
    }
  }

  var path: String { server.path }
  var counters: VfioUserServerCounters { server.counters }
  func refusals(_ refusal: VfioUserRefusal) -> UInt64 { counters.refusals[refusal] }

  /// Runs `body` on the loop, with the server; what waits in vain in it fails after 30 s.
  func run(_ body: @escaping () async throws -> Void) throws {
    try loop.run { [loop] in try await loop.withTimeLimit(.seconds(30), body) }
  }

  func connect() throws -> ScriptedClient { try ScriptedClient(on: loop, path: path) }

  /// A client that has agreed on the version.
  func client(_ capabilities: VfioUserCapabilities = .init()) async throws -> ScriptedClient {
    let client = try connect()
    try await client.negotiate(capabilities)
    return client
  }

  /// Waits until the server has (or has no) client.
  func wait(connected: Bool) async throws {
    let waiter = Waiter(on: loop)
    waiters.append(waiter)
    defer { waiters.removeAll { $0 === waiter } }
    while server.isConnected != connected {
      guard await waiter.wait(until: loop.now + .seconds(10)) == .woken else { throw NoAnswer() }
    }
  }
}

extension ServedFunction where Function == ProbeFunction {
  convenience init(
    pin: UInt8 = 1, rom: ExpansionROM? = nil, patience: TimeSpan = .seconds(5)
  ) throws {
    try self.init(rom: rom, patience: patience) { _, _ in ProbeFunction(pin: pin) }
  }
}

/// Memory that a client shares.
func sharedMemory(_ byteCount: Int) throws -> SharedMemory { try SharedMemory(creating: "guest", byteCount: byteCount) }
