import IntelNIC
import Testing

@Suite struct ReceiveChecksumTests {
  struct Case: Sendable {
    var network: Frames.Network
    var transport: Frames.Transport
  }
  static let all = [
    Case(network: .ipv4, transport: .tcp), Case(network: .ipv4, transport: .udp),
    Case(network: .ipv6, transport: .tcp), Case(network: .ipv6, transport: .udp),
  ]

  private func verdict(_ bytes: [UInt8], _ control: UInt32 = 0x700) -> (ReceiveStatus, ReceiveErrors) {
    let bench = ModelBench.running()
    bench.write(Register.receiveChecksumControl, control)
    bench.deliver(bytes)
    let descriptor = bench.receiveDescriptor(0)
    return (descriptor.status.intersection([.networkChecked, .transportChecked, .ignoreChecksum]), descriptor.errors)
  }

  @Test("right checksums are found right, of any length", arguments: all, [0, 1, 2, 3, 6, 7, 64, 65, 1001])
  func good(_ kind: Case, _ length: Int) {
    let packet = Frames.packet(kind.network, kind.transport, payload: Frames.payload(length), to: ModelBench.address)
    let status: ReceiveStatus = kind.network == .ipv4 ? [.networkChecked, .transportChecked] : .transportChecked
    #expect(verdict(packet.bytes) == (status, []))
  }

  @Test("a damaged byte is found, in header and payload", arguments: all)
  func bad(_ kind: Case) {
    let packet = Frames.packet(kind.network, kind.transport, payload: Frames.payload(33), to: ModelBench.address)
    for position in packet.transport..<packet.bytes.count where position != packet.checksumOffset + 1 {
      var damaged = packet.bytes
      damaged[position] ^= 0x10
      let (status, errors) = verdict(damaged)
      #expect(status.contains(.transportChecked) && errors == .transportChecksum, "byte \(position)")
    }
    if kind.network == .ipv4 {
      var damaged = packet.bytes
      damaged[packet.network + 8] ^= 1
      #expect(verdict(damaged).1 == .networkChecksum)
    }
  }

  @Test("RXCSUM turns each check on and off")
  func control() {
    let v4 = Frames.packet(.ipv4, .tcp, payload: [1], to: ModelBench.address).bytes
    let v6 = Frames.packet(.ipv6, .tcp, payload: [1], to: ModelBench.address).bytes
    #expect(verdict(v4, 0).0 == .ignoreChecksum)
    #expect(verdict(v4, 0x100).0 == .networkChecked)
    #expect(verdict(v4, 0x200).0 == .transportChecked)
    #expect(verdict(v6, 0x300).0 == .ignoreChecksum)
    #expect(verdict(v6, 0x600).0 == .transportChecked)
  }

  @Test("a UDP packet without checksum and a fragment are not judged")
  func notJudged() {
    var udp = Frames.packet(.ipv4, .udp, payload: [1, 2, 3], to: ModelBench.address)
    udp.bytes.replaceSubrange(udp.checksumOffset..<udp.checksumOffset + 2, with: [0, 0])
    #expect(verdict(udp.bytes) == (.networkChecked, []))
    var fragment = Frames.packet(.ipv4, .tcp, payload: Frames.payload(40), to: ModelBench.address).bytes
    fragment[20] = 0x20
    fragment.replaceSubrange(24..<26, with: [0, 0])
    fragment.replaceSubrange(24..<26, with: Frames.big(~Frames.sum(Array(fragment[14..<34]))))
    #expect(verdict(fragment) == (.networkChecked, []))
  }

  @Test("lengths that do not fit are not judged")
  func badLengths() {
    let packet = Frames.packet(.ipv4, .tcp, payload: Frames.payload(40), to: ModelBench.address).bytes
    for (offset, bytes) in [(16, [0xFF, 0xFF]), (16, [0, 0]), (16, [0, 20]), (14, [0x44]), (14, [0x55])]
      as [(Int, [UInt8])]
    {
      var damaged = packet
      damaged.replaceSubrange(offset..<offset + bytes.count, with: bytes)
      #expect(!verdict(damaged).0.contains(.transportChecked))
    }
    var v6 = Frames.packet(.ipv6, .udp, payload: Frames.payload(40), to: ModelBench.address).bytes
    v6.replaceSubrange(18..<20, with: [0xFF, 0xFF])
    #expect(!verdict(v6).0.contains(.transportChecked))
  }

  @Test(
    "the packet checksum starts at PCSS, whatever else is checked", arguments: [0, 13, 14, 15, 34, 35, 70, 200, 255])
  func packetChecksum(_ start: UInt32) {
    for (length, checks) in [(20, 0x700), (1, 0x700), (20, 0), (151, 0x700)] as [(Int, UInt32)] {
      for network in [Frames.Network.ipv4, .ipv6] {
        let bench = ModelBench.running()
        bench.write(Register.receiveChecksumControl, checks | start)
        let packet = Frames.packet(
          network, .udp, payload: Frames.payload(length, seed: 1), to: ModelBench.address)
        let stored = packet.bytes + [UInt8](repeating: 0, count: max(0, 60 - packet.bytes.count))
        bench.deliver(packet.bytes)
        let expected = Int(start) < stored.count ? ~Frames.sum(Array(stored[Int(start)...])) : 0
        #expect(bench.receiveDescriptor(0).checksum == expected, "\(network) \(length)")
      }
    }
  }
}
