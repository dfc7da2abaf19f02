import Packets
import Testing
import Wires

@Suite struct WireAddressTests {
  @Test(
    "every form is read, and written again as it was",
    arguments: [
      ("stream:unix:/run/a.sock", WireAddress.connect(.unix("/run/a.sock"))),
      ("stream:unix:with:colons", .connect(.unix("with:colons"))),
      ("stream:10.0.0.1:1234", .connect(.internet(IPv4Address(10, 0, 0, 1), 1234))),
      ("stream:listen:unix:x", .listen(.unix("x"))),
      ("stream:listen:127.0.0.1:65535", .listen(.internet(.loopback, 65535))),
      ("dgram:unix:a:b", .datagram(local: .unix("a"), remote: .unix("b"))),
      (
        "dgram:127.0.0.1:1:10.0.0.1:2",
        .datagram(local: .internet(.loopback, 1), remote: .internet(IPv4Address(10, 0, 0, 1), 2))
      ),
    ])
  func forms(text: String, address: WireAddress) throws {
    #expect(try WireAddress(text) == address)
    #expect(address.description == text)
    #expect(WireAddress.isMeant(by: text))
  }

  @Test("localhost is 127.0.0.1")
  func localhost() throws { #expect(try WireAddress("stream:localhost:9").description == "stream:127.0.0.1:9") }

  @Test(
    "what is no address is refused with what would be accepted",
    arguments: [
      "", "slirp", "stream", "stream:", "stream:unix:", "stream:listen", "stream:listen:unix:", "stream:1.2.3.4",
      "stream:1.2.3.4:0", "stream:1.2.3.4:65536", "stream:1.2.3.4:+5", "stream:1.2.3.4:5:6", "stream:example.test:80",
      "dgram:unix:a", "dgram:unix:a:b:c", "dgram:unix::b", "dgram:1.2.3.4:5", "dgram:1.2.3.4:5:1.2.3.4:x",
      "stream:unix:" + String(repeating: "x", count: 108),
    ])
  func refused(text: String) {
    #expect(throws: WireAddressError.self) { try WireAddress(text) }
    do { _ = try WireAddress(text) } catch { #expect(error.description.contains("accepted: ")) }
  }

  @Test("the -netdev option of the QEMU at the other end has the roles and the ends exchanged")
  func netdev() throws {
    #expect(
      try WireAddress("stream:listen:unix:/run/a,b").netdevOption(id: "n")
        == "stream,id=n,server=off,addr.type=unix,addr.path=/run/a,,b")
    #expect(
      try WireAddress("stream:127.0.0.1:7").netdevOption(id: "n")
        == "stream,id=n,server=on,addr.type=inet,addr.host=127.0.0.1,addr.port=7")
    #expect(
      try WireAddress("dgram:unix:a:b").netdevOption(id: "n")
        == "dgram,id=n,local.type=unix,local.path=b,remote.type=unix,remote.path=a")
  }
}
