import EventLoop
import IntelNIC
import Link
import NICDrivers
import Packets
import Testing

/// The driver and the model of its controller, together.
@Suite struct ModelTests {
  @Test("frames go both ways, byte for byte")
  func frames() throws {
    let bench = try ModelBench()
    #expect(bench.driver.isLinkUp && bench.client.linkStates == [true])
    // Marvell, as its organisation's number says.
    #expect(bench.driver.phyIdentifier >> 16 == 0x0141)
    let frames = (0..<500).map { ModelBench.frame(60 + $0 * 37 % 1455, $0) }
    for frame in frames {
      #expect(bench.send(frame))
      bench.wire.deliver(frame)
      if frame[20] % 7 == 0 {
        bench.driver.doorbell()
        bench.settle()
      }
    }
    bench.driver.doorbell()
    bench.settle()
    #expect(bench.wire.sent == frames && bench.client.frames == frames)
    let statistics = bench.driver.statistics()
    #expect(statistics["GPRC"] == 500 && statistics["GPTC"] == 500)
    #expect(statistics["MPC"] == 0 && bench.model.counters.framesRefused == 0)
    // Octets count the FCS.
    #expect(statistics["GOTC"] == UInt64(frames.reduce(0) { $0 + $1.count + 4 }))
  }

  @Test("short frames are padded to 60 bytes")
  func padding() throws {
    let bench = try ModelBench()
    bench.send(ModelBench.frame(20))
    bench.driver.doorbell()
    #expect(bench.wire.sent == [ModelBench.frame(20) + [UInt8](repeating: 0, count: 40)])
  }

  @Test(
    "the device fills in transport checksums, with and without a change of context",
    arguments: [(true, false), (false, false), (true, true), (false, true)])
  func checksums(isTCP: Bool, isIPv6: Bool) throws {
    let bench = try ModelBench()
    var expected: [[UInt8]] = []
    for length in [1, 2, 3, 100, 999, 1000, 1400] {
      let payload = FakeBench.frame(length, length)
      bench.send(
        Segments.frame(payload, isIPv6: isIPv6, isTCP: isTCP, finished: false),
        offload: Segments.offload(isIPv6: isIPv6, isTCP: isTCP))
      expected.append(Segments.frame(payload, isIPv6: isIPv6, isTCP: isTCP, finished: true))
      if length % 2 == 0 {
        bench.send(Segments.frame(payload, isTCP: !isTCP, finished: false), offload: Segments.offload(isTCP: !isTCP))
        expected.append(Segments.frame(payload, isTCP: !isTCP, finished: true))
      }
    }
    bench.driver.doorbell()
    let trimmed = zip(bench.wire.sent, expected).map { Array($0.prefix($1.count)) }
    #expect(trimmed == expected && bench.wire.sent.count == expected.count)
  }

  @Test(
    "a large segment leaves as the frames that software would have made of it", arguments: [false, true],
    [1, 1448, 1449, 2896, 20_000, 40_000, 65_000])
  func segmentation(isIPv6: Bool, length: Int) throws {
    let bench = try ModelBench()
    let payload = FakeBench.frame(length, 5)
    let size = isIPv6 ? 1428 : 1448
    #expect(
      bench.send(
        Segments.frame(payload, isIPv6: isIPv6, flags: 0x19, finished: false, segments: true),
        offload: Segments.offload(isIPv6: isIPv6, segmentSize: UInt16(size))))
    bench.send(Segments.frame([1, 2, 3], finished: false), offload: Segments.offload())
    bench.driver.doorbell()
    bench.settle()
    var expected: [[UInt8]] = []
    for (index, start) in stride(from: 0, to: length, by: size).enumerated() {
      let end = min(start + size, length)
      // PSH and FIN belong to the last one.
      expected.append(
        Segments.frame(
          Array(payload[start..<end]), isIPv6: isIPv6, sequence: 1000 + UInt32(start),
          identification: 7 + UInt16(index), flags: end == length ? 0x19 : 0x10, finished: true))
    }
    expected.append(Segments.frame([1, 2, 3], finished: true))
    #expect(bench.wire.sent.map(\.count) == expected.map { max($0.count, 60) })
    #expect(zip(bench.wire.sent, expected).allSatisfy { $0.starts(with: $1) })
    #expect(bench.driver.framesInFlight == 2)
    #expect(bench.model.counters.guestErrors == .init())
  }

  @Test("the device's verdict on checksums reaches the client")
  func verdicts() throws {
    let bench = try ModelBench()
    var broken = Segments.frame([1, 2, 3], finished: true)
    broken[60] ^= 1
    var header = Segments.frame([1, 2, 3], finished: true)
    header[22] ^= 1
    for frame in [Segments.frame([1, 2, 3], finished: true), broken, header, ModelBench.frame(60)] {
      bench.wire.deliver(frame)
    }
    bench.settle()
    #expect(bench.client.metadata[0] == ReceiveMetadata(networkChecksum: .good, transportChecksum: .good))
    #expect(bench.client.metadata[1] == ReceiveMetadata(networkChecksum: .good, transportChecksum: .bad))
    #expect(bench.client.metadata[2].networkChecksum == .bad)
    #expect(bench.client.metadata[3] == ReceiveMetadata())
    let plain = try ModelBench { $0.checksumOffload = false }
    plain.wire.deliver(broken)
    plain.settle()
    #expect(plain.client.metadata == [ReceiveMetadata()])
  }

  @Test("a wire without room holds the ring back; every frame leaves in the end, and the waiting client hears of it")
  func backPressure() throws {
    let bench = try ModelBench { $0.transmitBuffers = 16 }
    bench.wire.room = 5
    var sent = 0
    func fill() {
      while sent < 1000, bench.send(ModelBench.frame(100, sent)) { sent += 1 }
      bench.driver.doorbell()
    }
    bench.client.onReady = fill
    fill()
    while bench.wire.sent.count < 1000 {
      let before = bench.wire.sent.count
      bench.settle()
      bench.wire.room = 3
      bench.model.wireIsReady()
      bench.settle()
      #expect(bench.wire.sent.count > before)
      guard bench.wire.sent.count > before else { break }
    }
    #expect(bench.wire.sent == (0..<1000).map { ModelBench.frame(100, $0) })
    #expect(bench.driver.counters.transmitReadyCalls > 10)
  }

  @Test("a burst larger than ring and packet buffer waits on the wire, and all of it arrives in budgeted passes")
  func burst() throws {
    let bench = try ModelBench {
      $0.receiveDescriptors = 16
      $0.receiveBudget = 8
    }
    let frames = (0..<1000).map { ModelBench.frame(64, $0) }
    for frame in frames { bench.wire.deliver(frame) }
    // 15 descriptors, and 48 KiB in steps of 96 bytes.
    #expect(bench.wire.backlog == 1000 - 15 - 512)
    bench.settle()
    #expect(bench.client.frames == frames && bench.client.largestBatch == 8 && bench.wire.backlog == 0)
    #expect(bench.driver.counters.interrupts < 10)
  }

  @Test("frames that a lossy device could not store are counted by it, and the driver goes on")
  func overrun() throws {
    let bench = try ModelBench(lossless: false) { $0.receiveDescriptors = 16 }
    for index in 0..<600 { bench.wire.deliver(ModelBench.frame(64, index)) }
    bench.settle()
    #expect(bench.client.frames == (0..<527).map { ModelBench.frame(64, $0) })
    #expect(bench.driver.counters.receiverOverruns == 1)
    #expect(bench.driver.statistics()["MPC"] == 73)
    bench.wire.deliver(ModelBench.frame(64))
    bench.settle()
    #expect(bench.client.frames.count == 528)
  }

  @Test("jumbo frames, in one buffer or over several", arguments: [nil, 2048, 256] as [Int?])
  func jumbo(buffer: Int?) throws {
    let bench = try ModelBench { $0.receiveBufferByteCount = buffer }
    try bench.driver.setMTU(9000)
    bench.loop.advance(by: .milliseconds(50))
    let frames = [60, 1514, 2044, 2045, 4096, 9014].map { ModelBench.frame($0, $0) }
    for frame in frames {
      #expect(bench.send(frame))
      bench.wire.deliver(frame)
    }
    bench.driver.doorbell()
    bench.settle()
    #expect(bench.wire.sent == frames && bench.client.frames == frames)
    #expect((bench.driver.counters.framesAssembled > 0) == (buffer != nil))
  }

  @Test("filters: own address, broadcast, groups that were asked for; everything when promiscuous")
  func filters() throws {
    let bench = try ModelBench()
    let groups = (0..<20).map { MACAddress(rawValue: 0x3333_FF00_0000 | UInt64($0) << 12) }
    func frame(to address: MACAddress) -> [UInt8] { address.octets + ModelBench.frame(60).dropFirst(6) }
    let stranger = MACAddress("02:00:00:00:00:99")!
    func arrives(_ address: MACAddress) -> Bool {
      let before = bench.client.frames.count
      bench.wire.deliver(frame(to: address))
      bench.settle()
      return bench.client.frames.count > before
    }
    #expect(arrives(.broadcast) && arrives(bench.driver.hardwareAddress) && !arrives(stranger) && !arrives(groups[0]))
    for group in groups { bench.driver.setReception(of: group, isWanted: true) }
    #expect(groups.allSatisfy(arrives))
    for group in groups { bench.driver.setReception(of: group, isWanted: false) }
    #expect(!groups.contains(where: arrives))
    bench.driver.acceptsAllMulticast = true
    #expect(groups.allSatisfy(arrives) && !arrives(stranger))
    bench.driver.isPromiscuous = true
    #expect(arrives(stranger))
    bench.driver.isPromiscuous = false
    #expect(!arrives(stranger))
    // All at once, as a stack says it.
    let own = bench.driver.hardwareAddress
    var filter = ReceiveFilter(station: stranger)
    bench.driver.apply(filter)
    bench.driver.setReception(of: groups[3], isWanted: true)
    #expect(arrives(stranger) && !arrives(own) && arrives(groups[3]) && !arrives(groups[4]))
    filter.station = groups[5]
    bench.driver.apply(filter)
    #expect(bench.driver.hardwareAddress == stranger && !arrives(groups[5]))
    // It outlasts a stop.
    bench.driver.stop()
    try bench.driver.start()
    bench.settle()
    #expect(arrives(stranger) && !arrives(own) && arrives(groups[3]))
  }

  @Test("an MTU that cannot be leaves the driver running with the old one")
  func changingMTU() throws {
    let bench = try ModelBench()
    #expect(bench.driver.changeMTU(to: 9000) && bench.driver.mtu == 9000 && bench.driver.state == .running)
    #expect(!bench.driver.changeMTU(to: 20_000) && bench.driver.mtu == 9000 && bench.driver.state == .running)
  }
}
