import EventLoop
import Events
import Testing

@Suite("Event counters") struct EventCountersTests {
  let tap = EventTap(on: VirtualLoop(seed: 1))
  let counters = EventCounters()

  init() { counters.attach(to: tap) }

  @Test("events are counted by layer and kind")
  func counting() {
    for _ in 0..<3 { tap.emit(.tcp, .segment(direction: "tx", connection: "a", summary: "b")) }
    tap.emit(.tcp, .wake(object: "a", reason: "b"))
    tap.emit(.wire, .frame(direction: "rx", length: 60, summary: "c"))
    let counted = counters.counters
    #expect(counted[.tcp, .segment] == 3 && counted[.tcp, .wake] == 1 && counted[.wire, .frame] == 1)
    #expect(counted[.tcp] == 4 && counted[.ip] == 0 && counted.total == 5)
  }

  @Test("every layer and kind has a count of its own")
  func distinct() {
    for (row, layer) in EventLayer.allCases.enumerated() {
      for (column, (_, _, event, _)) in EventPrinterTests.lines.enumerated() {
        for _ in 0..<(row + column % 3) {
          counters.count(EventRecord(time: .zero, layer: layer, event: event))
        }
      }
    }
    for (row, layer) in EventLayer.allCases.enumerated() {
      for kind in EventKind.allCases {
        let expected = EventPrinterTests.lines.enumerated().filter { $0.element.2.kind == kind }
          .reduce(0) { $0 + row + $1.offset % 3 }
        #expect(counters.counters[layer, kind] == UInt64(expected))
      }
    }
  }

  @Test("a snapshot stands still, and the difference of two is what came in between")
  func snapshots() {
    tap.emit(.ip, .note("before"))
    let before = counters.counters
    tap.emit(.ip, .note("between"))
    tap.emit(.udp, .note("between"))
    let difference = counters.counters.since(before)
    #expect(before.total == 1)
    #expect(difference[.ip, .note] == 1 && difference[.udp, .note] == 1 && difference.total == 2)
  }

  @Test("the table has a line for each layer and kind that occurred, in the order of the layers")
  func table() {
    #expect(counters.counters.table.isEmpty)
    for _ in 0..<12 {
      tap.emit(.driver, .registerWrite(bar: 0, offset: 0, name: "CTRL", value: 0, size: 4))
    }
    tap.emit(.machine, .note("x"))
    #expect(
      counters.counters.table == """
        machine   note                           1
        driver    register write                12
        """)
  }
}
