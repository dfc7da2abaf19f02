import Packets
import Testing

struct DNSMessageTests {
  private func parse(_ bytes: [UInt8]) throws(DNSError) -> DNSMessage { try DNSMessage(parsing: bytes.span.bytes) }

  private func error(_ bytes: [UInt8]) -> DNSError? {
    do throws(DNSError) {
      _ = try parse(bytes)
      return nil
    } catch { return error }
  }

  @Test("a query has the bytes of RFC 1035")
  func query() throws {
    let name = try #require(DNSName("example.com."))
    let bytes = DNSMessage.query(identifier: 0xABCD, name: name, type: .aaaa).encoded()
    #expect(bytes == hex("abcd 0100 0001 0000 0000 0000 07 6578616d706c65 03 636f6d 00 001c 0001"))
    let back = try parse(bytes)
    #expect(back.questions == [DNSQuestion(name: name, type: .aaaa)] && back.recursionDesired && !back.isResponse)
    #expect(back.udpPayloadSize == 512)
    let extended = DNSMessage.query(identifier: 1, name: name, type: .a, udpPayloadSize: 1232)
    #expect(try parse(extended.encoded()).udpPayloadSize == 1232)
  }

  @Test("every kind of record reads back what was written, with names compressed")
  func records() throws {
    let message = Samples.dnsMessage
    let bytes = message.encoded()
    #expect(try parse(bytes) == message)
    let uncompressed = message.answers.reduce(0) { $0 + $1.name.wire.count }
    #expect(uncompressed > 0 && bytes.count < 330)
  }

  @Test("a message above the limit loses whole records, says so and keeps its OPT record")
  func limit() throws {
    let message = Samples.dnsMessage
    let whole = message.encoded().count
    for limit in [40, 60, 100, 200, whole - 1] {
      let bytes = message.encoded(limit: limit)
      let back = try parse(bytes)
      #expect(bytes.count <= limit && back.isTruncated)
      #expect(back.additionals == message.additionals)
      #expect(back.answers == Array(message.answers.prefix(back.answers.count)))
    }
    #expect(try !parse(message.encoded(limit: whole)).isTruncated)
  }

  @Test(
    "a compression pointer to itself, forwards or in a circle is refused",
    arguments: ["c00c", "c00d", "c0ff", "0161 c00c", "c012 00 00 00 00 c00c"])
  func loops(name: String) {
    let bytes = hex("0001 0100 0001 0000 0000 0000 \(name) 0001 0001")
    guard case .badPointer? = error(bytes) else {
      Issue.record("\(name) gave \(String(describing: error(bytes)))")
      return
    }
  }

  @Test("two names that point at each other are refused")
  func circle() {
    // The answer's name begins in front of the question's end and points back into a name that ends in a pointer.
    let bytes = hex("0001 8180 0001 0001 0000 0000 0161 c010 0001 0001 c00c 0001 0001 00000000 0004 01020304")
    #expect(error(bytes) == .badPointer(offset: 14))
  }

  @Test("a chain of bare pointers is cut short")
  func chain() {
    var bytes = hex("0001 8180 0000 0002 0000 0000 00 03e7 0001 00000000 0320")
    let start = bytes.count
    bytes.append(0)
    for index in 1..<400 {
      let target = index == 1 ? start : start + 1 + 2 * (index - 2)
      bytes += [0xC0 | UInt8(target >> 8), UInt8(target & 255)]
    }
    bytes.append(0)
    let last = start + 1 + 2 * 398
    bytes += [0xC0 | UInt8(last >> 8), UInt8(last & 255)] + hex("0001 0001 00000000 0004 01020304")
    guard case .badPointer? = error(bytes) else {
      Issue.record("gave \(String(describing: error(bytes)))")
      return
    }
  }

  @Test("a name of more than 255 octets is refused, one of 255 is not")
  func longNames() {
    let label = [UInt8(62)] + [UInt8](repeating: 97, count: 62)
    let header = hex("0001 0100 0001 0000 0000 0000")
    let longest = label + label + label + label + [1, 97, 0]
    #expect(error(header + longest + [0, 1, 0, 1]) == nil)
    let longer = label + label + label + label + [2, 97, 97, 0]
    #expect(error(header + longer + [0, 1, 0, 1]) == .nameTooLong(offset: 12 + 252))
    #expect(error(header + [0x40, 0, 0, 1, 0, 1]) == .badLabel(offset: 12))
    #expect(DNSName(labels: [[UInt8]](repeating: [UInt8](repeating: 97, count: 63), count: 4)) == nil)
  }

  @Test("record data of the wrong length are refused")
  func badData() {
    let header = hex("0001 8180 0000 0001 0000 0000 00")
    #expect(error(header + hex("0001 0001 00000000 0005 0102030405")) == .badData(offset: 23))
    #expect(error(header + hex("0001 0001 00000000 0003 010203")) == .truncated(offset: 23))
    #expect(error(header + hex("0010 0001 00000000 0003 036161")) != nil)
    #expect(error(header + hex("0010 0001 00000000 0003 026161")) == nil)
    #expect(error(header + hex("0005 0001 00000000 0001 0161 00")) != nil)
  }

  @Test("counts without records end in an error, not in memory")
  func counts() { #expect(error(hex("0001 8180 ffff ffff ffff ffff")) == .truncated(offset: 12)) }

  @Test("names compare without case, and print and read with escapes")
  func names() throws {
    #expect(DNSName("WWW.Example.COM") == DNSName("www.example.com."))
    #expect(Set([DNSName("A.b"), DNSName("a.B")]).count == 1)
    let odd = try #require(DNSName(labels: [[46, 92, 0, 32, 97]]))
    #expect(odd.description == #"\.\\\000\032a"# && DNSName(odd.description) == odd)
    #expect(DNSName(".") == .root && DNSName.root.description == "." && DNSName.root.labels.isEmpty)
    for bad in ["", "..", "a..b", ".a", #"\"#, #"\25"#, #"\256"#, String(repeating: "a", count: 64)] {
      #expect(DNSName(bad) == nil, "\(bad)")
    }
    #expect(DNSName("test")?.prepending("www") == DNSName("www.test"))
  }

  @Test("reverse names are those of RFC 1035 and RFC 3596")
  func reverse() throws {
    #expect(DNSName(reverse: IPv4Address(10, 2, 0, 52)).description == "52.0.2.10.in-addr.arpa")
    let address = try #require(IPv6Address("4321:0:1:2:3:4:567:89ab"))
    #expect(
      DNSName(reverse: address).description
        == "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa")
  }
}
