import EventLoop
import Events
import FuzzScript
import Glibc
import IntelNIC
import Link
import Machine
import Memory
import NICModels
import Packets
import VfioUser

/// A server with a model behind it, and what must hold when the script is over.
enum Session {
  /// One loop and one folder for all inputs of the process.
  private static let loop: EpollLoop = {
    do { return try EpollLoop(seed: 1) } catch { fatalError("\(error)") }
  }()
  private static let path: String = {
    var template = Array("/tmp/wirebench-fuzz-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { fatalError("mkdtemp") }
    atexit {
      unlink(Session.path)
      rmdir(String(Session.path.dropLast("/socket".count)))
    }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self) + "/socket"
  }()

  static func run(_ script: Script) {
    _ = (Client.shared, loop)
    let before = descriptorCount()
    do {
      try loop.run { try await play(script) }
    } catch {
      fatalError("\(error)")
    }
    require(descriptorCount() == before, "a descriptor leaks: \(before) before, \(descriptorCount()) after")
  }

  private static func play(_ script: Script) async throws {
    let registers = UnsafeMutableRawPointer.allocate(byteCount: Intel8254xBAR.memoryByteCount, alignment: 4096)
    registers.initializeMemory(as: UInt8.self, repeating: 0, count: Intel8254xBAR.memoryByteCount)
    defer { registers.deallocate() }
    let tap = EventTap(on: loop)
    var options = Intel8254x.Options()
    options.transmitBudget = 64
    let model = try Intel8254x(
      .i82540EM, address: MACAddress("52:54:00:12:34:56")!, loop: loop, tap: tap,
      registers: MemoryWindow(registers, count: Intel8254xBAR.memoryByteCount), name: "nic", options: options)
    model.plug(into: Sink())
    let server = try VfioUserServer(model, on: loop, tap: tap, path: path, name: "nic", patience: .milliseconds(1))
    defer { server.close() }

    let turn = Turn(loop)
    let client = Client(path, turn, script)
    await client.play()
    client.leave()
    for _ in 0..<200 where server.isConnected { await turn.take() }
    require(!server.isConnected && server.mappingCount == 0, "something of the client is left")
    let counters = server.counters
    require(counters.connections == counters.disconnections, "connections do not balance")
    require(counters.messages <= client.sentHeaders, "more messages than were sent")

    let next = Client(path, turn, Script(UnsafeBufferPointer(start: nil, count: 0)))
    await next.expectService()
    next.leave()
    for _ in 0..<200 where server.isConnected { await turn.take() }
    require(!server.isConnected, "the next client does not end")
  }

  private static func descriptorCount() -> Int {
    guard let folder = opendir("/proc/self/fd") else { fatalError("no /proc") }
    defer { closedir(folder) }
    var count = 0
    while readdir(folder) != nil { count += 1 }
    return count
  }
}

/// Lets the loop look at its descriptors once.
final class Turn {
  private let loop: EpollLoop
  private let waiter: Waiter

  init(_ loop: EpollLoop) {
    self.loop = loop
    waiter = Waiter(on: loop)
  }

  func take() async { _ = await waiter.wait(until: loop.now + .nanoseconds(1)) }
}

/// Takes every frame.
private final class Sink: Wire {
  weak var port: (any WirePort)?
  var hasCarrier: Bool { true }
  func send(_ frame: RawSpan) -> Bool { true }
  func portIsReady() {}
}
