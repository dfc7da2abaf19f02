import EventLoop
import Link
import Packets
import Testing
import Wires

@Suite struct SwitchWireTests {
  let loop = VirtualLoop(seed: 1)

  /// A frame between stations with these numbers; 0xFF is broadcast.
  func frame(to destination: UInt8, from source: UInt8, _ mark: UInt8 = 0) -> [UInt8] {
    let target = destination == 0xFF ? [UInt8](repeating: 0xFF, count: 6) : [2, 0, 0, 0, 0, destination]
    return target + [2, 0, 0, 0, 0, source] + [8, 0, mark]
  }

  func station(_ number: UInt8) -> MACAddress { MACAddress(rawValue: 0x0200_0000_0000 | UInt64(number)) }

  func bench(_ ports: Int = 3, _ settings: SwitchSettings = SwitchSettings()) -> (SwitchWire, [FrameRecorder]) {
    let wire = SwitchWire(on: loop, portCount: ports, settings: settings)
    return (wire, wire.ports.map { FrameRecorder(on: $0) })
  }

  @Test("a frame for an unknown station goes to all other ports, one for a known station to its port alone")
  func learning() {
    let (wire, ports) = bench()
    ports[0].send(frame(to: 2, from: 1))
    #expect(ports[1].frames.count == 1 && ports[2].frames.count == 1 && ports[0].frames.isEmpty)
    ports[1].send(frame(to: 1, from: 2))
    ports[0].send(frame(to: 2, from: 1))
    #expect(ports[0].frames.count == 1 && ports[1].frames.count == 2 && ports[2].frames.count == 1)
    #expect(wire.counters.flooded == 1 && wire.counters.stationsLearned == 2 && wire.counters.delivered == 4)
  }

  @Test("broadcast goes to all other ports, however well the stations are known")
  func broadcast() {
    let (_, ports) = bench(4)
    for i in 0..<4 { ports[i].send(frame(to: 0xFF, from: UInt8(i + 1))) }
    for port in ports { #expect(port.frames.count == 3) }
  }

  @Test("a frame for a station on the sender's own port goes nowhere")
  func filtered() {
    let (wire, ports) = bench()
    ports[0].send(frame(to: 0xFF, from: 1))
    ports[0].send(frame(to: 1, from: 9))
    #expect(ports[1].frames.count == 1 && ports[2].frames.count == 1)
    #expect(wire.counters.filtered == 1)
  }

  @Test("what is for the other end of a cable alone, like a pause frame, goes nowhere", arguments: [0, 1, 15, 16])
  func reserved(_ last: UInt8) {
    let (wire, ports) = bench()
    ports[0].send([0x01, 0x80, 0xC2, 0, 0, last, 2, 0, 0, 0, 0, 1, 0x88, 0x08, 0, 1, 0xFF, 0xFF])
    #expect(ports[1].frames.count == (last < 16 ? 0 : 1) && ports[2].frames.count == ports[1].frames.count)
    #expect(wire.counters.filtered == (last < 16 ? 1 : 0) && wire.counters.received == 1)
    #expect(wire.port(of: station(1)) == 0)
  }

  @Test("a station is forgotten after the ageing time in loop time, and found on its new port when it moves")
  func ageingAndMoving() {
    let (wire, ports) = bench()
    ports[0].send(frame(to: 0xFF, from: 1))
    loop.advance(by: .seconds(300))
    #expect(wire.port(of: station(1)) == 0)
    loop.advance(by: .nanoseconds(1))
    #expect(wire.port(of: station(1)) == nil)
    ports[0].send(frame(to: 0xFF, from: 1))
    ports[2].send(frame(to: 0xFF, from: 1))
    #expect(wire.port(of: station(1)) == 2 && wire.counters.stationsMoved == 1)
  }

  @Test("a flood of invented addresses fills the table and no more, and old entries make room")
  func tableIsBounded() {
    var settings = SwitchSettings()
    settings.stationLimit = 10
    let (wire, ports) = bench(2, settings)
    for i in 1...200 { ports[0].send(frame(to: 0xFF, from: UInt8(i))) }
    #expect(wire.stationCount == 10 && wire.counters.stationTableFull == 190)
    #expect(ports[1].frames.count == 200)
    loop.advance(by: .seconds(301))
    ports[0].send(frame(to: 0xFF, from: 250))
    #expect(wire.stationCount == 1 && wire.port(of: station(250)) == 0)
  }

  @Test("what a busy port refuses waits in its queue; beyond the queue the newest frames are dropped and counted")
  func dropTail() {
    var settings = SwitchSettings()
    settings.queueFrames = 4
    let (wire, ports) = bench(2, settings)
    ports[1].send(frame(to: 0xFF, from: 2))
    ports[1].capacity = 1
    for i in 0..<10 { #expect(ports[0].send(frame(to: 2, from: 1, UInt8(i)))) }
    #expect(wire.framesInFlight == 4 && wire.counters.droppedFull == 5)
    var seen: [UInt8] = []
    for _ in 0..<10 {
      seen += ports[1].takeFrames().map { $0[14] }
      loop.advance(by: .zero)
    }
    #expect(seen == [0, 1, 2, 3, 4] && wire.framesInFlight == 0)
  }

  @Test("with pauseSender the sender is held up instead, and nothing is lost")
  func pauseSender() {
    var settings = SwitchSettings()
    settings.queueFrames = 4
    settings.whenFull = .pauseSender
    let (wire, ports) = bench(3, settings)
    ports[1].send(frame(to: 0xFF, from: 2))
    ports[1].capacity = 1
    for i in 0..<20 { ports[0].send(frame(to: 2, from: 1, UInt8(i))) }
    #expect(ports[0].unsent.count == 15)
    var seen: [UInt8] = []
    for _ in 0..<40 {
      seen += ports[1].takeFrames().map { $0[14] }
      loop.advance(by: .zero)
    }
    #expect(seen == (0..<20).map { UInt8($0) })
    #expect(wire.counters.droppedFull == 0 && wire.counters.refused > 0 && wire.framesInFlight == 0)
  }

  @Test("a flooded frame is not held up by a full port")
  func floodPastFullPort() {
    var settings = SwitchSettings()
    settings.queueFrames = 1
    settings.whenFull = .pauseSender
    let (wire, ports) = bench(3, settings)
    ports[1].capacity = 0
    for i in 0..<5 { #expect(ports[0].send(frame(to: 0xFF, from: 1, UInt8(i)))) }
    #expect(ports[2].frames.count == 5 && wire.counters.droppedFull == 4)
  }

  @Test("ports that answer inside the delivery get their answers in order, without deep recursion")
  func nestedSends() {
    let (_, ports) = bench(2)
    var depth = 0
    var deepest = 0
    for (i, port) in ports.enumerated() {
      port.onFrame = { received in
        depth += 1
        deepest = max(deepest, depth)
        if received[14] < 100 { port.send(self.frame(to: UInt8(2 - i), from: UInt8(i + 1), received[14] + 1)) }
        depth -= 1
      }
    }
    ports[0].send(frame(to: 2, from: 1))
    loop.advance(by: .milliseconds(1))
    #expect(ports[1].frames.map { $0[14] } == (0...100).filter { $0 % 2 == 0 })
    #expect(ports[0].frames.map { $0[14] } == (0...100).filter { $0 % 2 == 1 })
    #expect(deepest <= 3)
  }

  @Test("short frames and group addresses as source are counted and go nowhere", arguments: [0, 1, 13])
  func malformed(length: Int) {
    let (wire, ports) = bench(2)
    ports[0].send([UInt8](repeating: 2, count: length))
    ports[0].send([2, 0, 0, 0, 0, 2, 3, 0, 0, 0, 0, 1, 8, 0])
    #expect(wire.counters.malformed == 2 && ports[1].frames.isEmpty && wire.stationCount == 0)
  }

  @Test("an unplugged port loses its stations and its queue, and the others go on")
  func unplug() {
    let (wire, ports) = bench()
    ports[1].send(frame(to: 0xFF, from: 2))
    ports[1].capacity = 0
    ports[0].send(frame(to: 2, from: 1))
    wire.ports[1].unplug()
    #expect(ports[1].carrierChanges == 1 && wire.framesInFlight == 0 && wire.port(of: station(2)) == nil)
    ports[0].send(frame(to: 2, from: 1))
    #expect(ports[2].frames.count == 2)
    wire.ports[1].plug()
    #expect(ports[1].carrierChanges == 2 && wire.ports[1].hasCarrier)
  }
}
