import Packets
import Testing

struct AddressTests {
  @Test("a hardware address reads and prints six octets, and nothing else")
  func macText() {
    #expect(MACAddress("52:54:00:12:34:56")?.description == "52:54:00:12:34:56")
    #expect(MACAddress("52-54-0-12-34-56")?.rawValue == 0x5254_0012_3456)
    for bad in ["", "52:54:00:12:34", "52:54:00:12:34:56:78", "52:54:00:12:34:+6", "52:54:00:12:34:g6", "::::::"] {
      #expect(MACAddress(bad) == nil, "\(bad)")
    }
    #expect(MACAddress.broadcast.isGroup && MACAddress.broadcast.isBroadcast)
    #expect(!MACAddress(rawValue: 0x0200_0000_0000).isGroup)
    #expect(MACAddress(rawValue: 0x0102_0304_0506)[5] == 6)
    #expect(MACAddress(rawValue: 0x0102_0304_0506).octets == [1, 2, 3, 4, 5, 6])
    #expect(MACAddress(octets: [9, 1, 2, 3, 4, 5, 6].dropFirst()).rawValue == 0x0102_0304_0506)
  }

  @Test("an IPv4 address is four decimal octets without leading zeros")
  func ipv4Text() {
    #expect(IPv4Address("10.0.2.15") == IPv4Address(10, 0, 2, 15))
    #expect(IPv4Address(255, 0, 1, 20).description == "255.0.1.20")
    for bad in ["", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.+4", "1..3.4", " 1.2.3.4"] {
      #expect(IPv4Address(bad) == nil, "\(bad)")
    }
    #expect(IPv4Address(224, 0, 0, 1).isMulticast && !IPv4Address.broadcast.isMulticast)
    #expect(IPv4Address(127, 9, 9, 9).isLoopback)
  }

  @Test(
    "an IPv6 address prints in the canonical form of RFC 5952 and reads every form of RFC 4291",
    arguments: [
      ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("2001:DB8::1", "2001:db8::1"),
      ("2001:0db8:0000:0000:0000:0000:0002:0001", "2001:db8::2:1"), ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
      ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
      ("::ffff:192.0.2.1", "::ffff:192.0.2.1"), ("::FFFF:C000:201", "::ffff:192.0.2.1"),
      ("64:ff9b::1.2.3.4", "64:ff9b::102:304"),
      ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
      ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
    ])
  func ipv6Text(input: String, canonical: String) throws {
    let address = try #require(IPv6Address(input))
    #expect(address.description == canonical)
    #expect(IPv6Address(canonical) == address)
  }

  @Test(
    "text that is no IPv6 address is refused",
    arguments: [
      "", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", ":1::2", "1::2:", "12345::", "g::", "::+1",
      "::-1",
      "1:2:3:4:5:6:7::8", "::1.2.3", "1.2.3.4::", "::1.2.3.4:5", "fe80::1%eth0", "::/0", "1:2:3:4:5:6:7:1.2.3.4",
    ])
  func badIPv6(text: String) { #expect(IPv6Address(text) == nil) }

  @Test("addresses derived from others are those of the RFCs")
  func derived() {
    #expect(
      IPv6Address(linkLocal: MACAddress(rawValue: 0x5254_0012_3456)).description == "fe80::5054:ff:fe12:3456")
    #expect(IPv6Address("4037::1:800:200e:8c6c")?.solicitedNode == IPv6Address("ff02::1:ff0e:8c6c"))
    #expect(MACAddress(multicast: IPv4Address(224, 129, 2, 3)).description == "01:00:5e:01:02:03")
    #expect(MACAddress(multicast: .allNodes).description == "33:33:00:00:00:01")
    #expect(IPv6Address(mapped: IPv4Address(1, 2, 3, 4)).mappedIPv4 == IPv4Address(1, 2, 3, 4))
    #expect(IPv6Address.allRouters.isMulticast && IPv6Address("fe80::1")?.isLinkLocal == true)
  }

  @Test("a subnet knows its mask, network, broadcast address and members")
  func subnet() throws {
    let subnet = try #require(IPv4Subnet("10.0.2.15/24"))
    #expect(subnet.mask.description == "255.255.255.0")
    #expect(subnet.network.description == "10.0.2.0" && subnet.broadcast.description == "10.0.2.255")
    #expect(subnet.contains(IPv4Address(10, 0, 2, 200)) && !subnet.contains(IPv4Address(10, 0, 3, 1)))
    #expect(subnet.description == "10.0.2.15/24")
    let all = try #require(IPv4Subnet("0.0.0.0/0"))
    #expect(all.contains(.broadcast) && all.mask == .any && all.broadcast == .broadcast)
    let one = try #require(IPv4Subnet("1.2.3.4/32"))
    #expect(one.contains(IPv4Address(1, 2, 3, 4)) && !one.contains(IPv4Address(1, 2, 3, 5)) && !one.hasBroadcast)
    for bad in ["10.0.2.0", "10.0.2.0/33", "10.0.2.0/", "10.0.2.0/-1", "10.0.2/24", "10.0.2.0/24/1"] {
      #expect(IPv4Subnet(bad) == nil, "\(bad)")
    }
    for length in 0...32 {
      let given = IPv4Subnet(.loopback, prefixLength: length)
      #expect(given.flatMap { IPv4Subnet(.loopback, mask: $0.mask) } == given)
    }
    #expect(IPv4Subnet(.loopback, mask: IPv4Address(255, 0, 255, 0)) == nil)
  }

  @Test("an IPv6 subnet compares prefixes on either side of bit 64", arguments: [0, 1, 63, 64, 65, 100, 127, 128])
  func subnet6(length: Int) throws {
    let base = try #require(IPv6Address("2001:db8:1:2:3:4:5:6"))
    let subnet = try #require(IPv6Subnet(base, prefixLength: length))
    #expect(subnet.contains(base))
    for bit in 0..<128 {
      let flipped =
        bit < 64
        ? IPv6Address(high: base.high ^ 1 << UInt64(63 - bit), low: base.low)
        : IPv6Address(high: base.high, low: base.low ^ 1 << UInt64(127 - bit))
      #expect(subnet.contains(flipped) == (bit >= length))
    }
    #expect(IPv6Subnet("2001:db8::/129") == nil && IPv6Subnet("fd00::/8")?.prefixLength == 8)
  }
}
