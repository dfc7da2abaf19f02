import EventLoop
import Events
import Testing

@Suite("Event printer") struct EventPrinterTests {
  static let lines: [(Int64, EventLayer, Event, String)] = [
    (
      0, .driver, .registerWrite(bar: 0, offset: 0x3818, name: "TDT", value: 4, size: 4),
      "    0.000000 driver    write 0:0x3818 TDT = 0x00000004 (4)"
    ),
    (
      1_203_999, .driver, .registerRead(bar: 0, offset: 8, name: "STATUS", value: 0x8_0000, size: 4),
      "    0.001203 driver    read  0:0x0008 STATUS = 0x00080000 (4)"
    ),
    (
      999_999_999, .machine, .configurationAccess(function: "00:03.0", write: true, offset: 4, value: 7, size: 2),
      "    0.999999 machine   write config 00:03.0 0x04 = 0x0007 (2)"
    ),
    (
      1_000_000_000, .machine,
      .configurationAccess(function: "00:03.0", write: false, offset: 0, value: 0x100E_8086, size: 4),
      "    1.000000 machine   read  config 00:03.0 0x00 = 0x100e8086 (4)"
    ),
    (
      12_345_678_901_000, .model, .descriptor(ring: "tx", index: 3, length: 74, status: 1),
      "12345.678901 model     descriptor tx[3] length 74 status 0x00000001"
    ),
    (
      1_000, .model, .interrupt(line: "INTA", asserted: true, causes: 0x80),
      "    0.000001 model     interrupt INTA raised causes 0x00000080"
    ),
    (
      1_000, .model, .interrupt(line: "INTA", asserted: false, causes: 0),
      "    0.000001 model     interrupt INTA lowered causes 0x00000000"
    ),
    (
      1_000, .ethernet, .frame(direction: "tx", length: 42, summary: "ARP who has 10.0.2.2"),
      "    0.000001 ethernet  tx 42 bytes: ARP who has 10.0.2.2"
    ),
    (
      1_000, .ip, .dropped(reason: "bad checksum", length: 60), "    0.000001 ip        dropped 60 bytes: bad checksum"
    ),
    (
      1_000, .tcp, .segment(direction: "rx", connection: "10.0.2.15:1>10.0.2.2:80", summary: "SYN ACK"),
      "    0.000001 tcp       rx 10.0.2.15:1>10.0.2.2:80: SYN ACK"
    ),
    (
      1_000, .udp, .stateChange(object: "DHCP", from: "selecting", to: "bound"),
      "    0.000001 udp       DHCP: selecting -> bound"
    ),
    (1_000, .sockets, .wake(object: "fd 3", reason: "readable"), "    0.000001 sockets   wake fd 3: readable"),
    (
      1_000, .syscall, .systemCall(number: 42, name: "connect", arguments: "3, 10.0.2.2:80", result: -111),
      "    0.000001 syscall   connect(3, 10.0.2.2:80) = -111 [42]"
    ),
    (1_000, .bench, .note("a fault was injected"), "    0.000001 bench     a fault was injected"),
    (1_000, .wire, .note("x"), "    0.000001 wire      x"),
  ]

  @Test("each kind of event has its line: time, layer, what happened", arguments: lines)
  func line(nanoseconds: Int64, layer: EventLayer, event: Event, expected: String) {
    let record = EventRecord(time: Instant(nanoseconds: nanoseconds), layer: layer, event: event)
    #expect(EventPrinter.line(record) == expected)
  }

  @Test("the table above has every layer and every kind")
  func complete() {
    #expect(Set(Self.lines.map(\.1)) == Set(EventLayer.allCases))
    #expect(Set(Self.lines.map(\.2.kind)) == Set(EventKind.allCases))
  }

  @Test("a hostile text cannot end the line or drive the terminal")
  func hostileText() {
    let record = EventRecord(
      time: .zero, layer: .bench, event: .note("a\r\nb\tc\u{1B}[2J\u{7F}\u{9B}\u{2028}é"))
    #expect(
      EventPrinter.line(record)
        == "    0.000000 bench     a\\r\\nb\\tc\\u{1b}[2J\\u{7f}\\u{9b}\\u{2028}é")
  }

  @Test("a printer attached to a tap writes the wanted layers")
  func attached() {
    let loop = VirtualLoop(seed: 1)
    let tap = EventTap(on: loop)
    var lines: [String] = []
    EventPrinter(layers: [.tcp, .wire]) { lines.append($0) }.attach(to: tap)
    tap.emit(.tcp, .note("one"))
    tap.emit(.ip, .note("two"))
    tap.emit(.wire, .note("three"))
    #expect(lines == ["    0.000000 tcp       one", "    0.000000 wire      three"])
  }
}
