import EventLoop
import Events
import Testing

@Suite("Event tap") struct EventTapTests {
  let loop = VirtualLoop(seed: 1)

  @Test("while nobody listens the tap is off, builds no event and keeps none for later")
  func off() {
    let tap = EventTap(on: loop)
    var built = 0
    func summary() -> String {
      built += 1
      return "text"
    }
    // What every layer writes.
    func layer() {
      if tap.isOn { tap.emit(.tcp, .note(summary())) }
    }
    layer()
    #expect(!tap.isOn && built == 0)
    tap.emit(.tcp, .note("to nobody"))
    var records: [EventRecord] = []
    tap.attach { records.append($0) }
    #expect(tap.isOn && records.isEmpty)
    layer()
    #expect(built == 1 && records.count == 1)
  }

  @Test("every listener gets every event, in order of attaching, with the loop's time and the layer")
  func listeners() {
    let tap = EventTap(on: loop)
    var log: [String] = []
    var records: [EventRecord] = []
    tap.attach { _ in log.append("first") }
    tap.attach { record in
      log.append("second")
      records.append(record)
    }
    loop.advance(by: .microseconds(15))
    tap.emit(.driver, .note("a"))
    loop.advance(by: .microseconds(5))
    tap.emit(.wire, .note("b"))
    #expect(log == ["first", "second", "first", "second"])
    #expect(
      records == [
        EventRecord(time: Instant(nanoseconds: 15_000), layer: .driver, event: .note("a")),
        EventRecord(time: Instant(nanoseconds: 20_000), layer: .wire, event: .note("b")),
      ])
  }

  @Test("a listener may emit and attach while it is called")
  func reentrance() {
    let tap = EventTap(on: loop)
    var seen: [Event] = []
    tap.attach { record in
      seen.append(record.event)
      if record.event == .note("question") {
        tap.emit(.bench, .note("answer"))
        tap.attach { seen.append($0.event) }
      }
    }
    tap.emit(.bench, .note("question"))
    #expect(seen == [.note("question"), .note("answer")])
    tap.emit(.bench, .note("end"))
    #expect(seen.count == 4)
  }
}
