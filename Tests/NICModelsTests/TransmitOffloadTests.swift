import IntelNIC
import NICModels
import Testing

@Suite struct TransmitOffloadTests {
  struct Case: Sendable, CustomStringConvertible {
    var network: Frames.Network
    var transport: Frames.Transport
    var description: String { "\(network) \(transport)" }
  }
  static let all = [
    Case(network: .ipv4, transport: .tcp), Case(network: .ipv4, transport: .udp),
    Case(network: .ipv6, transport: .tcp), Case(network: .ipv6, transport: .udp),
  ]

  @Test("IP and transport checksums are inserted as software would", arguments: all, [0, 1, 2, 18, 700, 1446])
  func checksums(_ kind: Case, _ length: Int) {
    let bench = ModelBench.running()
    let right = Frames.packet(kind.network, kind.transport, payload: Frames.payload(length, seed: 3))
    var given = right
    if kind.network == .ipv4 { given.bytes.replaceSubrange(24..<26, with: [0, 0]) }
    given.bytes.replaceSubrange(
      given.checksumOffset..<given.checksumOffset + 2,
      with: Frames.big(
        Frames.pseudo(kind.network, kind.transport, length: right.bytes.count - right.transport)))
    bench.put(given.bytes, at: ModelBench.transmitBuffers)
    let options: TransmitOptions = kind.network == .ipv4 ? [.ipChecksum, .transportChecksum] : .transportChecksum
    bench.transmit([
      Frames.context(given, kind.network).descriptor,
      .data(
        address: bench.bus(ModelBench.transmitBuffers), length: given.bytes.count,
        command: [.endOfPacket, .insertFCS, .reportStatus], options: options),
    ])
    let padding = [UInt8](repeating: 0, count: max(0, 60 - right.bytes.count))
    #expect(bench.wire.frames == [right.bytes + padding])
    #expect(bench.get(ModelBench.transmitBuffers, given.bytes.count) == given.bytes, "guest memory is not written")
    #expect(bench.model.counters.guestErrors.total == 0)
  }

  @Test("the legacy checksum goes from CSS to the end")
  func legacyChecksum() {
    let bench = ModelBench.running()
    var frame = Frames.plain(101)
    bench.put(frame, at: ModelBench.transmitBuffers)
    bench.transmit([
      .legacy(
        address: bench.bus(ModelBench.transmitBuffers), length: 101,
        command: [.endOfPacket, .insertFCS, .insertChecksum], checksumStart: 20, checksumOffset: 30)
    ])
    frame.replaceSubrange(30..<32, with: Frames.big(~Frames.sum(Array(frame[20...]))))
    #expect(bench.wire.frames == [frame])
  }

  @Test(
    "segmentation of IPv4 equals software's, bit for bit", arguments: [Frames.Transport.tcp, .udp],
    [1, 536, 1448, 1460])
  func segmentationIPv4(_ transport: Frames.Transport, _ size: Int) {
    for length in [1, size - 1, size, size + 1, 3 * size, 5 * size + 7] where length > 0 && length <= 9000 {
      let bench = ModelBench.running()
      let payload = Frames.payload(length, seed: 5)
      let given = Frames.large(.ipv4, transport, payload: payload)
      bench.put(given.bytes, at: ModelBench.transmitBuffers)
      bench.transmit([
        Frames.context(given, .ipv4, segmentSize: size, payloadLength: length).descriptor,
        .data(
          address: bench.bus(ModelBench.transmitBuffers), length: given.bytes.count,
          command: [.endOfPacket, .insertFCS, .segment, .reportStatus], options: [.ipChecksum, .transportChecksum]),
      ])
      #expect(bench.wire.frames == Frames.segments(.ipv4, transport, payload: payload, size: size))
    }
  }

  @Test(
    "segmentation of IPv6 equals software's, bit for bit", arguments: [Frames.Transport.tcp, .udp], [1, 536, 1428])
  func segmentationIPv6(_ transport: Frames.Transport, _ size: Int) {
    for length in [1, size, size + 1, 4 * size, 5 * size + 7] {
      let bench = ModelBench.running()
      let payload = Frames.payload(length, seed: 6)
      let given = Frames.large(.ipv6, transport, payload: payload)
      bench.put(given.bytes, at: ModelBench.transmitBuffers)
      bench.transmit([
        Frames.context(given, .ipv6, segmentSize: size, payloadLength: length).descriptor,
        .data(
          address: bench.bus(ModelBench.transmitBuffers), length: given.bytes.count,
          command: [.endOfPacket, .insertFCS, .segment, .reportStatus], options: .transportChecksum),
      ])
      #expect(bench.wire.frames == Frames.segments(.ipv6, transport, payload: payload, size: size))
      #expect(bench.model.counters.guestErrors.total == 0)
      #expect(bench.read(Statistic.segmentationContexts) == 1)
    }
  }

  @Test("segments do not depend on how the data lies in descriptors, nor on the wire's room", arguments: [1, 2, 3, 7])
  func fragments(_ room: Int) {
    let payload = Frames.payload(6000, seed: 9)
    let given = Frames.large(.ipv4, .tcp, payload: payload)
    for cuts in [[20, 66, 67], [66], [10, 11, 12, 13, 66, 1526, 1527, 3000], [5000]] {
      let bench = ModelBench.running()
      bench.put(given.bytes, at: ModelBench.transmitBuffers)
      bench.wire.room = room
      bench.push([Frames.context(given, .ipv4, segmentSize: 1460, payloadLength: 6000).descriptor])
      var start = 0
      for end in cuts + [given.bytes.count] {
        let isLast = end == given.bytes.count
        bench.push([
          .data(
            address: bench.bus(ModelBench.transmitBuffers + start), length: end - start,
            command: isLast ? [.endOfPacket, .insertFCS, .segment, .reportStatus] : [.segment, .insertFCS],
            options: [.ipChecksum, .transportChecksum])
        ])
        start = end
      }
      bench.doorbell()
      for _ in 0..<10 {
        bench.wire.room = room
        bench.model.wireIsReady()
      }
      #expect(bench.wire.frames == Frames.segments(.ipv4, .tcp, payload: payload, size: 1460))
      #expect(bench.read(Register.transmitHead) == UInt32(cuts.count + 2))
      #expect(bench.model.counters.guestErrors.total == 0)
    }
  }

  @Test("every segment gets the VLAN tag")
  func segmentedVLAN() {
    let bench = ModelBench.running()
    bench.write(Register.deviceControl, bench.read(Register.deviceControl) | 1 << 30)
    let payload = Frames.payload(3000)
    let given = Frames.large(.ipv4, .tcp, payload: payload)
    bench.put(given.bytes, at: ModelBench.transmitBuffers)
    bench.transmit([
      Frames.context(given, .ipv4, segmentSize: 1000, payloadLength: 3000).descriptor,
      .data(
        address: bench.bus(ModelBench.transmitBuffers), length: given.bytes.count,
        command: [.endOfPacket, .insertFCS, .segment, .insertVLAN], options: [.ipChecksum, .transportChecksum],
        special: 0x2003),
    ])
    let expected = Frames.segments(.ipv4, .tcp, payload: payload, size: 1000).map {
      Array($0[..<12]) + [0x81, 0x00, 0x20, 0x03] + Array($0[12...])
    }
    #expect(bench.wire.frames == expected)
  }

  @Test("a context holds for many frames, and the two kinds are kept apart")
  func contextsPersist() {
    let bench = ModelBench.running()
    let payload = Frames.payload(2000)
    let large = Frames.large(.ipv4, .tcp, payload: payload)
    var small = Frames.packet(.ipv4, .tcp, payload: Frames.payload(100))
    let right = small.bytes
    small.bytes.replaceSubrange(24..<26, with: [0, 0])
    small.bytes.replaceSubrange(
      small.checksumOffset..<small.checksumOffset + 2,
      with: Frames.big(Frames.pseudo(.ipv4, .tcp, length: right.count - small.transport)))
    bench.put(large.bytes, at: ModelBench.transmitBuffers)
    bench.put(small.bytes, at: ModelBench.transmitBuffers + 0x4000)
    let segmented = TransmitDescriptor.data(
      address: bench.bus(ModelBench.transmitBuffers), length: large.bytes.count,
      command: [.endOfPacket, .insertFCS, .segment], options: [.ipChecksum, .transportChecksum])
    let checked = TransmitDescriptor.data(
      address: bench.bus(ModelBench.transmitBuffers + 0x4000), length: small.bytes.count,
      command: [.endOfPacket, .insertFCS], options: [.ipChecksum, .transportChecksum])
    bench.transmit([
      Frames.context(large, .ipv4, segmentSize: 1460, payloadLength: 2000).descriptor,
      Frames.context(small, .ipv4).descriptor, segmented, checked, segmented, checked,
    ])
    let segments = Frames.segments(.ipv4, .tcp, payload: payload, size: 1460)
    #expect(bench.wire.frames == segments + [right] + segments + [right])
  }
}
