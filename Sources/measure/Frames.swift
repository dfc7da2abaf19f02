import ArgumentParser
import EventLoop
import Events
import IntelNIC
import Link
import Machine
import Memory
import NICDrivers
import NICModels
import Packets
import Wires

/// 64-byte frames through driver and model, without a stack: the difference of two runs with different counts is the
/// cost of a frame.
struct Frames: ParsableCommand {
  enum Direction: String, ExpressibleByArgument { case transmit, receive }

  @Argument(help: "transmit: driver to model to wire; receive: wire to model to driver.")
  var direction: Direction

  @Option(help: "How many frames.")
  var count = 100_000

  func run() throws {
    let loop = VirtualLoop(seed: 1)
    let tap = EventTap(on: loop)
    let machine = try Machine(on: loop, tap: tap)
    let registers = try machine.makeRegisterFile(byteCount: Intel8254xBAR.memoryByteCount)
    let model = try Intel8254x(
      .i82540EM, address: MACAddress(rawValue: 0x5254_0012_3456), loop: loop, tap: tap, registers: registers.window,
      name: "model")
    try machine.plug(
      model, at: PCIAddress(bus: 0, device: 3, function: 0), name: "82540EM",
      registers: [Intel8254xBAR.memory: registers])
    machine.enumerate()
    let handle = machine.handle(at: PCIAddress(bus: 0, device: 3, function: 0))!
    let driver = try DriverTable.standard.probe(handle, on: loop, tap: tap)
    let wire = NullWire()
    model.plug(into: wire)
    try driver.start()
    loop.advance(by: .milliseconds(100))
    let client = CountingClient()
    driver.client = client
    switch direction {
    case .transmit: try transmit(driver, wire, loop)
    case .receive: try receive(model, client, loop)
    }
    driver.stop()
  }

  private func transmit(_ driver: E1000Driver, _ wire: NullWire, _ loop: VirtualLoop) throws {
    let frame = Self.frame
    var sent = 0
    while sent < count {
      for _ in 0..<min(64, count - sent) {
        guard let buffer = driver.reserve(capacity: 64) else { break }
        frame.withUnsafeBytes { buffer.window.copy(from: $0.bytes) }
        driver.submit(buffer, length: 64, offload: .none)
        sent += 1
      }
      driver.doorbell()
      try loop.runUntilIdle()
    }
    guard wire.counters.frames == UInt64(count) else { throw ValidationError("\(wire.counters.frames) frames arrived") }
  }

  private func receive(_ model: Intel8254x, _ client: CountingClient, _ loop: VirtualLoop) throws {
    let frame = Self.frame
    var sent = 0
    while sent < count {
      for _ in 0..<min(64, count - sent) {
        guard frame.withUnsafeBytes({ model.receive($0.bytes) }) else { break }
        sent += 1
      }
      try loop.runUntilIdle()
    }
    guard client.frames == count else { throw ValidationError("\(client.frames) frames arrived") }
  }

  /// A broadcast frame of 64 bytes of an experimental type.
  private static let frame: [UInt8] =
    [UInt8](repeating: 0xFF, count: 6) + [0x52, 0x54, 0, 0, 0, 1, 0x88, 0xB5] + [UInt8](repeating: 0, count: 50)
}

private final class CountingClient: NetworkDeviceClient {
  var frames = 0
  func received(_ frame: RawSpan, _ metadata: ReceiveMetadata) { frames += 1 }
  func receiveBatchEnded() {}
  func transmitReady() {}
  func linkChanged(isUp: Bool) {}
}
