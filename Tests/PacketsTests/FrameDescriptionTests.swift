import Packets
import Testing

struct FrameDescriptionTests {
  @Test(
    "each kind of frame has its line",
    arguments: [
      ("ARP request", "ARP who has 10.0.2.2? tell 10.0.2.15"), ("ARP reply", "ARP 10.0.2.15 is at 52:54:00:12:34:56"),
      (
        "SYN",
        "10.0.2.15:49152 > 10.0.2.2:80 TCP [S] seq 4294967295 win 64240 mss 1460 sackOK ts 1000/0 wscale 7 length 0"
      ),
      (
        "data over IPv6",
        "[fe80::5054:ff:fe12:3456]:49152 > [fe80::2]:80 TCP [P.] seq 7..<12 ack 9 win 502 ts 2000/1000 "
          + "sack 100..<200 sack 300..<400 length 5"
      ),
      (
        "DHCP",
        "10.0.2.2:67 > 10.0.2.15:68 DHCP offer xid deadbeef from 52:54:00:12:34:56 your address 10.0.2.15 "
          + "server 10.0.2.2 lease 86400 s"
      ),
      (
        "DNS",
        "10.0.2.2:53 > 10.0.2.15:5353 DNS response 4660 A www.example.test? CNAME web.example.test A 93.184.216.34 "
          + "AAAA fe80::2 MX 10 web.example.test and 4 more"
      ),
      (
        "neighbor advertisement",
        "fe80::2 > fe80::5054:ff:fe12:3456 ICMPv6 neighbor advertisement fe80::2 is at 52:55:0a:00:02:02"
      ),
      ("unreachable", "10.0.2.15 > 10.0.2.2 ICMP port unreachable for 10.0.2.2 > 10.0.2.15 UDP"),
      ("extension headers", "[fe80::5054:ff:fe12:3456]:1 > [fe80::2]:2 UDP length 1 [fragment 5 at 0]"),
      ("802.1Q", "vlan 42 10.0.2.15 > 10.0.2.2 ICMP echo request id 7 seq 3"),
      ("fragment", "10.0.2.15 > 10.0.2.2 UDP length 24 [fragment 0 at 1480+]"),
      ("LLC", "52:54:00:12:34:56 > 52:55:0a:00:02:02 LLC length 38"),
    ])
  func lines(name: String, line: String) throws {
    let frame = try #require(Samples.all.first { $0.name == name }).frame
    let described = FrameDescription.describe(frame.span.bytes)
    #expect(described == line)
  }

  @Test("what is missing or damaged is said")
  func damage() {
    let syn = Samples.syn
    let cut = FrameDescription.describe(syn.span.bytes.extracting(0..<60), originalLength: syn.count)
    #expect(cut.contains("[truncated: 46 of 60 bytes]") && cut.contains("[captured 60 of 74 bytes]"))
    #expect(FrameDescription.describe(syn.span.bytes.extracting(0..<20)).hasSuffix("IPv4 [truncated: 6 bytes]"))
    var damaged = syn
    damaged[24] ^= 1
    #expect(FrameDescription.describe(damaged.span.bytes).hasSuffix("[bad IP checksum]"))
    damaged = syn
    damaged[50] ^= 1
    #expect(FrameDescription.describe(damaged.span.bytes).hasSuffix("[bad TCP checksum]"))
  }
}
