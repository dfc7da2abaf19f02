import IntelNIC
import Link
import NICDrivers
import Testing

@Suite struct TransmitTests {
  let tcp = TransmitOffload(insertsTransportChecksum: true, isTCP: true, transportHeaderLength: 20)
  let udp = TransmitOffload(insertsTransportChecksum: true, isTCP: false)

  @Test("a batch is one tail write; only its last descriptor asks for a report")
  func batch() throws {
    let bench = try FakeBench()
    for index in 0..<5 { bench.send(60 + index) }
    #expect(bench.device.transmitPending == 0)
    bench.driver.doorbell()
    bench.driver.doorbell()
    #expect(bench.device.writes(to: Register.transmitTail).suffix(1) == [5] && bench.driver.counters.doorbells == 1)
    let descriptors = bench.device.takeDescriptors()
    #expect(descriptors.map(\.legacyLength) == [60, 61, 62, 63, 64])
    #expect(descriptors.allSatisfy { !$0.isExtended && $0.command.isSuperset(of: [.endOfPacket, .insertFCS]) })
    #expect(descriptors.map { $0.command.contains(.reportStatus) } == [false, false, false, false, true])
    #expect(bench.driver.framesInFlight == 5)
  }

  @Test("the descriptor points at the bytes that were written into the buffer")
  func contents() throws {
    let bench = try FakeBench()
    let buffer = try #require(bench.driver.reserve(capacity: 1514))
    #expect(buffer.window.count >= 1514)
    for index in 0..<100 { buffer.window.store(UInt8(index), index) }
    bench.driver.submit(buffer, length: 100, offload: .none)
    bench.driver.doorbell()
    let descriptor = try #require(bench.device.takeDescriptor())
    let bytes = bench.device.memory(descriptor.address, 100)
    #expect((0..<100).allSatisfy { bytes.load($0, as: UInt8.self) == UInt8($0) })
  }

  @Test("a long batch asks for a report about every 32 descriptors")
  func reports() throws {
    let bench = try FakeBench()
    for _ in 0..<100 { bench.send() }
    bench.driver.doorbell()
    let descriptors = bench.device.takeDescriptors()
    let places = descriptors.indices.filter { descriptors[$0].command.contains(.reportStatus) }
    #expect(places == [31, 63, 95, 99])
  }

  @Test("a checksum context is written only when it changes")
  func contexts() throws {
    let bench = try FakeBench()
    for offload in [tcp, tcp, .none, tcp, udp, udp, tcp] { bench.send(offload: offload) }
    bench.driver.doorbell()
    let kinds = bench.device.takeDescriptors().map { $0.isData ? "d" : $0.isExtended ? "c" : "l" }.joined()
    #expect(kinds == "cddldcddcd")
    #expect(bench.driver.counters.contextDescriptors == 3 && bench.driver.counters.checksumsOffloaded == 6)
  }

  @Test(
    "a checksum context names the transport header and the field",
    arguments: [(true, false, 34, 50), (false, false, 34, 40), (true, true, 54, 70), (false, true, 54, 60)])
  func context(isTCP: Bool, isIPv6: Bool, start: Int, field: Int) throws {
    let bench = try FakeBench()
    let offload = TransmitOffload(
      insertsTransportChecksum: true, isTCP: isTCP, isIPv6: isIPv6, networkHeaderLength: isIPv6 ? 40 : 20)
    bench.send(100, offload: offload)
    bench.driver.doorbell()
    let descriptors = bench.device.takeDescriptors()
    let context = TransmitContext(descriptors[0])
    #expect(context.transportStart == start && context.transportOffset == field && context.transportEnd == 0)
    #expect(context.command.contains(.tcp) == isTCP && !context.command.contains(.segment))
    #expect(descriptors[1].options == .transportChecksum && descriptors[1].dataLength == 100)
  }

  @Test("a large segment has its context and data descriptors of at most 16288 bytes", arguments: [false, true])
  func segmentation(isIPv6: Bool) throws {
    let bench = try FakeBench()
    let offload = TransmitOffload(
      insertsTransportChecksum: true, isTCP: true, isIPv6: isIPv6, networkHeaderLength: isIPv6 ? 40 : 20,
      transportHeaderLength: 32, segmentSize: 1400)
    let headers = isIPv6 ? 86 : 66
    bench.send(40_000, offload: offload)
    bench.send(2000, offload: offload)
    bench.send(60, offload: tcp)
    bench.driver.doorbell()
    let descriptors = bench.device.takeDescriptors()
    let context = TransmitContext(descriptors[0])
    #expect(context.payloadLength == 40_000 - headers && context.headerLength == headers)
    #expect(context.maximumSegmentSize == 1400 && context.transportEnd == 0)
    #expect(context.ipStart == 14 && context.ipOffset == (isIPv6 ? 0 : 24) && context.ipEnd == (isIPv6 ? 0 : 33))
    #expect(context.transportStart == headers - 32 && context.transportOffset == headers - 16)
    #expect(context.command.isSuperset(of: [.tcp, .segment]) && context.command.contains(.ipv4) == !isIPv6)
    let data = descriptors[1...3]
    #expect(data.map(\.dataLength) == [16_288, 16_288, 7424])
    #expect(data.map { $0.command.contains(.endOfPacket) } == [false, false, true])
    #expect(data.allSatisfy { $0.command.contains(.segment) })
    #expect(data.allSatisfy { $0.options == (isIPv6 ? .transportChecksum : [.ipChecksum, .transportChecksum]) })
    #expect(data.map(\.address) == [0, 16_288, 32_576].map { data[1].address + $0 })
    #expect(TransmitContext(descriptors[4]).payloadLength == 2000 - headers && descriptors[5].dataLength == 2000)
    #expect(!descriptors[6].isData && descriptors[7].dataLength == 60)
    #expect(bench.driver.counters.segmentsOffloaded == 2)
  }

  @Test("frames and offloads that cannot be done are refused and counted; their buffers are free again")
  func refused() throws {
    var segment = tcp
    segment.segmentSize = 1460
    var wide = segment
    wide.segmentSize = 1465
    var datagram = segment
    datagram.isTCP = false
    var far = tcp
    far.networkOffset = 250
    var headers = segment
    headers.networkHeaderLength = 240
    var plain = segment
    plain.insertsTransportChecksum = false
    let cases: [(Int, TransmitOffload)] = [
      (0, .none), (13, .none), (-1, .none), (1519, .none), (2049, .none), (.max, .none), (51, tcp), (200, far),
      (54, segment), (1000, wide), (1000, datagram), (1000, headers), (1000, plain),
    ]
    let bench = try FakeBench { $0.transmitBuffers = 1 }
    for (length, offload) in cases {
      let buffer = try #require(bench.driver.reserve(capacity: 1500))
      bench.driver.submit(buffer, length: length, offload: offload)
    }
    #expect(bench.driver.counters.transmitRefused == UInt64(cases.count))
    bench.driver.doorbell()
    #expect(bench.device.transmitPending == 0)
    let without = try FakeBench { $0.checksumOffload = false }
    without.send(offload: tcp)
    without.send(offload: segment)
    #expect(without.driver.counters.transmitRefused == 2)
    #expect(without.driver.reserve(capacity: 20_000) == nil)
    #expect(without.driver.counters.oversizedReservations == 1)
  }

  @Test("every buffer can be in flight, and every one comes back, over many rounds of the ring")
  func exhaustion() throws {
    let bench = try FakeBench {
      $0.transmitDescriptors = 64
      $0.transmitBuffers = 40
    }
    for round in 0..<50 {
      var sent = 0
      while bench.send(64 + round) { sent += 1 }
      // A promise of two descriptors each, one of which a plain frame does not use; one slot stays empty.
      #expect(sent == 40)
      bench.driver.doorbell()
      bench.device.takeDescriptors()
      bench.settle()
    }
    #expect(bench.driver.framesInFlight == 0 && bench.client.readyCalls == 50)
  }

  @Test("the ring never runs over, however descriptors are promised and used")
  func promises() throws {
    let bench = try FakeBench {
      $0.transmitDescriptors = 16
      $0.segmentationBuffers = 4
    }
    var held: [TransmitBuffer] = []
    var segment = tcp
    segment.segmentSize = 1460
    var total = 0
    for step in 0..<20_000 {
      switch bench.loop.random.next() % 6 {
      case 0, 1: if let buffer = bench.driver.reserve(capacity: step % 3 == 0 ? 65_000 : 1500) { held.append(buffer) }
      case 2: if let buffer = held.popLast() { bench.driver.release(buffer) }
      case 3:
        guard !held.isEmpty else { continue }
        let buffer = held.removeFirst()
        let isLarge = buffer.window.count > 60_000
        let offload = isLarge ? segment : [tcp, udp, .none][step % 3]
        bench.driver.submit(buffer, length: isLarge ? 65_000 : 100, offload: offload)
        total += 1
      case 4: bench.driver.doorbell()
      default: for _ in 0..<(step % 7) { _ = bench.device.takeDescriptor() }
      }
      if step % 50 == 0 { bench.settle() }
      #expect(bench.device.transmitPending < 16)
    }
    for buffer in held { bench.driver.release(buffer) }
    bench.driver.doorbell()
    bench.device.takeDescriptors()
    bench.settle()
    #expect(bench.driver.counters.framesSent == UInt64(total) && total > 1000)
    bench.driver.stop()
    #expect(bench.driver.counters.transmitAbandoned == 0)
  }
}
