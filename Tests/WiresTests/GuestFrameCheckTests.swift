import EventLoop
import Link
import Testing
import Wires

/// One malformed frame, what is wrong with it, and the counter that must rise.
struct MalformedFrame: Sendable, CustomTestStringConvertible {
  let name: String
  let frame: [UInt8]
  let counter: @Sendable (SlirpRefusals) -> UInt64
  var testDescription: String { name }

  init(_ name: String, _ counter: @escaping @Sendable (SlirpRefusals) -> UInt64, _ frame: [UInt8]) {
    self.name = name
    self.frame = frame
    self.counter = counter
  }

  /// `frame` with bytes replaced from `offset` on.
  static func patched(_ frame: [UInt8], _ offset: Int, _ bytes: [UInt8]) -> [UInt8] {
    var frame = frame
    frame.replaceSubrange(offset..<(offset + bytes.count), with: bytes)
    return frame
  }

  static func ipv6(_ next: UInt8, _ payload: [UInt8], length: Int? = nil) -> [UInt8] {
    SlirpBench.hostAddress + SlirpBench.guestAddress + [0x86, 0xDD, 0x60, 0, 0, 0]
      + SlirpBench.big(UInt16(length ?? payload.count)) + [next, 255] + address(0x15) + address(2) + payload
  }

  static func address(_ last: UInt8) -> [UInt8] {
    [0xFE, 0xC0] + [UInt8](repeating: 0, count: 13) + [last]
  }

  static let arp = SlirpBench.arp(for: SlirpBench.host)
  static let udp = SlirpBench.udp(from: 1, to: 9, [1, 2, 3, 4])
  static let tcp = SlirpBench.tcp(from: 1, to: 9, sequence: 1, flags: 2)
  static let zeros = [UInt8](repeating: 0, count: 300)

  static let all: [MalformedFrame] = [
    MalformedFrame("empty", { $0.length }, []),
    MalformedFrame("shorter than an Ethernet header", { $0.length }, [UInt8](repeating: 0, count: 13)),
    MalformedFrame("unknown type", { $0.ignoredType }, patched(arp, 12, [0x88, 0xCC])),
    MalformedFrame("NC-SI", { $0.management }, patched(arp, 12, [0x88, 0xF8])),
    MalformedFrame("ARP cut short", { $0.arp }, Array(arp.prefix(41))),
    MalformedFrame("ARP with long addresses", { $0.arp }, patched(arp, 18, [16])),
    MalformedFrame("ARP of another protocol", { $0.arp }, patched(arp, 16, [0x86, 0xDD])),
    MalformedFrame("IPv4 header cut short", { $0.ipv4 }, Array(udp.prefix(33))),
    MalformedFrame("IPv4 with version 5", { $0.ipv4 }, patched(udp, 14, [0x55])),
    MalformedFrame("IPv4 header length 16", { $0.ipv4 }, patched(udp, 14, [0x44])),
    MalformedFrame("IPv4 header longer than the datagram", { $0.ipv4 }, patched(udp, 14, [0x4F])),
    MalformedFrame("IPv4 total length beyond the frame", { $0.ipv4 }, patched(udp, 16, [1, 0])),
    MalformedFrame("IPv4 larger than the MTU", { $0.ipv4 }, SlirpBench.ipv4(99, [UInt8](repeating: 0, count: 1481))),
    MalformedFrame("fragment beyond 65535", { $0.fragment }, SlirpBench.ipv4(99, [1, 2, 3], fragment: 0x1FFF)),
    MalformedFrame("piece of odd length", { $0.fragment }, SlirpBench.ipv4(99, [1, 2, 3], fragment: 0x2000)),
    MalformedFrame("empty fragment", { $0.fragment }, SlirpBench.ipv4(99, [], fragment: 0x2001)),
    MalformedFrame("ICMP cut short", { $0.icmp }, SlirpBench.ipv4(1, [8, 0, 0, 0, 0, 0, 0])),
    MalformedFrame("UDP cut short", { $0.udp }, SlirpBench.ipv4(17, [0, 1, 0, 9, 0, 8, 0])),
    MalformedFrame("UDP to port 0", { $0.udp }, SlirpBench.udp(from: 1, to: 0, [1])),
    MalformedFrame("UDP from port 0", { $0.udp }, SlirpBench.udp(from: 0, to: 9, [1])),
    MalformedFrame("UDP length 7", { $0.udp }, patched(udp, 38, [0, 7])),
    MalformedFrame("UDP length beyond the datagram", { $0.udp }, patched(udp, 38, [0, 13])),
    MalformedFrame("short DHCP", { $0.dhcp }, SlirpBench.udp(from: 68, to: 67, Array(zeros.prefix(239)))),
    MalformedFrame("short TFTP", { $0.tftp }, SlirpBench.udp(from: 5, to: 69, [0, 1, 0])),
    MalformedFrame("unterminated TFTP", { $0.tftp }, SlirpBench.udp(from: 5, to: 69, [0, 1, 97, 0, 97])),
    MalformedFrame("TCP cut short", { $0.tcp }, SlirpBench.ipv4(6, Array(zeros.prefix(19)))),
    MalformedFrame("TCP header length 16", { $0.tcp }, patched(tcp, 46, [0x40])),
    MalformedFrame("TCP header beyond the segment", { $0.tcp }, patched(tcp, 46, [0x60])),
    MalformedFrame("TCP to port 0", { $0.tcp }, SlirpBench.tcp(from: 1, to: 0, sequence: 1, flags: 2)),
    MalformedFrame(
      "urgent pointer beyond the segment", { $0.urgent },
      SlirpBench.tcp(from: 1, to: 9, sequence: 1, flags: 0x38, payload: [1, 2], urgent: 3)),
    MalformedFrame(
      "urgent without data", { $0.urgent }, SlirpBench.tcp(from: 1, to: 9, sequence: 1, flags: 0x30, urgent: 0)),
    MalformedFrame("IPv6 header cut short", { $0.ipv6 }, Array(ipv6(17, zeros).prefix(53))),
    MalformedFrame("IPv6 payload beyond the frame", { $0.ipv6 }, ipv6(17, [1, 2, 3, 4], length: 5)),
    MalformedFrame("IPv6 with a hop-by-hop header", { $0.ipv6 }, ipv6(0, [58, 0, 5, 2, 0, 0, 1, 0])),
    MalformedFrame("IPv6 fragment", { $0.ipv6 }, ipv6(44, [17, 0, 0, 1, 0, 0, 0, 1])),
    MalformedFrame("neighbour solicitation cut short", { $0.icmp }, ipv6(58, [135, 0, 0, 0] + zeros.prefix(19))),
    MalformedFrame("neighbour option of length 0", { $0.icmp }, ipv6(58, [135, 0, 0, 0] + zeros.prefix(20 + 8))),
    MalformedFrame(
      "neighbour option beyond the message", { $0.icmp },
      ipv6(58, [135, 0, 0, 0] + zeros.prefix(20) + [1, 2] + zeros.prefix(6))),
  ]
}

@Suite(.serialized) struct GuestFrameCheckTests {
  @Test(
    "a frame that is not well formed is counted under its name and kept from libslirp", arguments: MalformedFrame.all)
  func refused(malformed: MalformedFrame) throws {
    let bench = try SlirpBench()
    #expect(bench.port.send(malformed.frame))
    let counters = bench.wire.counters
    #expect(malformed.counter(counters.refused) == 1 && counters.refused.total == 1)
    #expect(counters.sent == 0)
  }

  @Test("after all malformed frames the network still answers")
  func goesOn() throws {
    let bench = try SlirpBench()
    for malformed in MalformedFrame.all { bench.port.send(malformed.frame) }
    try bench.introduce()
    #expect(bench.wire.counters.refused.total == UInt64(MalformedFrame.all.count))
  }

  @Test("random frames of every kind, whole and damaged, neither stop the network nor the process")
  func randomFrames() throws {
    let bench = try SlirpBench()
    var random = SeededRandom(seed: 11)
    let seeds = [
      MalformedFrame.arp, MalformedFrame.tcp, SlirpBench.echoRequest(sequence: 1),
      MalformedFrame.ipv6(58, [135, 0, 0, 0] + MalformedFrame.zeros.prefix(20)),
    ]
    for _ in 0..<20_000 {
      var frame = seeds[Int.random(in: 0..<seeds.count, using: &random)]
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        // Addresses stay: nothing may leave the virtual network.
        let at = Int.random(in: 12..<frame.count, using: &random)
        if frame[12] == 8 && (26..<34).contains(at) || frame[12] == 0x86 && (22..<54).contains(at) { continue }
        frame[at] = UInt8.random(in: 0...255, using: &random)
      }
      if frame[12] == 8 && frame[13] == 0 && frame[30..<34] != [10, 0, 2, 2] { continue }
      if Int.random(in: 0..<8, using: &random) == 0 {
        frame.removeLast(Int.random(in: 0..<frame.count, using: &random))
      }
      bench.port.send(frame)
    }
    try bench.loop.run { try await bench.loop.sleep(for: .milliseconds(20)) }
    bench.port.takeFrames()
    try bench.introduce()
    #expect(bench.wire.counters.refused.total > 1000)
  }
}
