import EventLoop
import Testing
import Wires

@Suite struct ImpairmentSettingsTests {
  @Test("the text of the command line is read item by item")
  func full() throws {
    let settings = try ImpairmentSettings(
      "loss=1%, delay=20ms±5ms,reorder=2%,duplicate=0.01,corrupt=0.1%,rate=100mbit,queue=50,hold=3ms")
    var lane = LaneImpairment()
    lane.loss = 0.01
    lane.delay = .milliseconds(20)
    lane.jitter = .milliseconds(5)
    lane.reorder = 0.02
    lane.duplicate = 0.01
    lane.corrupt = 0.001
    lane.rate = 100_000_000
    lane.queue = 50
    lane.hold = .milliseconds(3)
    #expect(settings == ImpairmentSettings(both: lane))
  }

  @Test("±, +- and +/- mean the same")
  func plusMinus() throws {
    let settings = try ImpairmentSettings("delay=1ms±500us")
    #expect(try ImpairmentSettings("delay=1ms+-500us") == settings)
    #expect(try ImpairmentSettings("delay=1ms+/-0.5ms") == settings)
    #expect(settings.inbound.jitter == .microseconds(500))
  }

  @Test("in. and out. say something of one direction, beside what is said of both, in any order")
  func directions() throws {
    for text in ["loss=1%,in.loss=5%,out.rate=1mbit", "out.rate=1mbit,in.loss=5%,loss=1%"] {
      let settings = try ImpairmentSettings(text)
      #expect(settings.inbound.loss == 0.05 && settings.outbound.loss == 0.01)
      #expect(settings.inbound.rate == nil && settings.outbound.rate == 1_000_000)
    }
  }

  @Test("empty text disturbs nothing", arguments: ["", "  "])
  func empty(text: String) throws {
    #expect(try ImpairmentSettings(text).isNone)
    #expect(try ImpairmentSettings(text).description == "")
  }

  @Test(
    "the description reads back as the same settings",
    arguments: [
      "loss=1%", "loss=12.5%,duplicate=0.3%", "delay=20ms±5ms,rate=100mbit", "delay=1500us,reorder=1%,hold=2ms",
      "in.loss=5%,out.rate=64kbit", "loss=1%,in.delay=1s", "corrupt=0.1%,queue=7", "rate=1gbit,out.loss=100%",
      "delay=123ns", "loss=33.3%,in.rate=1500bit",
    ])
  func roundTrip(text: String) throws {
    let settings = try ImpairmentSettings(text)
    #expect(try ImpairmentSettings(settings.description) == settings, "\(settings.description)")
  }

  @Test(
    "an error names the item, what is wrong with it, and what is accepted",
    arguments: [
      ("loss", "loss", "no value"), ("loss=101%", "loss=101%", "no probability"), ("loss=-1%", "loss=-1%", "no prob"),
      ("loss=1%,jam=3", "jam=3", "unknown"), ("delay=5", "delay=5", "no time"), ("delay=1e9s", "delay=1e9s", "no time"),
      ("delay=1ms±2ms", "delay=1ms±2ms", "larger than the delay"), ("rate=fast", "rate=fast", "no rate"),
      ("rate=1bit", "rate=1bit", "no rate"), ("queue=0", "queue=0", "no number"), ("loss=1%,", "", "empty"),
      ("loss=1%,loss=2%", "loss=2%", "twice"), ("up.loss=1%", "up.loss=1%", "unknown"),
      ("loss=nan", "loss=nan", "no p"),
      ("loss=0x1p-3", "loss=0x1p-3", "no p"), ("in.in.loss=1%", "in.in.loss=1%", "unknown"),
    ])
  func errors(text: String, item: String, problem: String) {
    let error = #expect(throws: ImpairmentError.self) { try ImpairmentSettings(text) }
    #expect(error?.item == item)
    #expect(error?.problem.contains(problem) == true, "\(error?.problem ?? "")")
    #expect(error?.accepted.isEmpty == false)
  }
}
