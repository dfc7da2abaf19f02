import EventLoop
import Events
import Machine
import Testing

@Suite struct InterruptTests {
  let box: Box
  let nic = ProbeFunction.nic()
  let handle: LocalFunction
  let line: InterruptLine

  init() throws {
    box = try Box()
    let slot = try box.machine.plug(nic, at: at(3), name: "nic")
    handle = try #require(box.machine.handle(at: at(3)))
    line = try #require(slot.interruptLine)
  }

  func settle() { box.loop.advance(by: .milliseconds(1)) }

  @Test("the handler runs on the loop, not inside the access that raised the line")
  func deferred() {
    var runs = 0
    handle.setInterruptHandler { [nic] in
      runs += 1
      nic.slot?.setInterruptPin(false)
    }
    nic.slot?.setInterruptPin(true)
    #expect(runs == 0)
    settle()
    #expect(runs == 1)
    settle()
    #expect(runs == 1)
    #expect(
      line.counters
        == {
          var c = InterruptCounters(); c.raised = 1; c.delivered = 1; return c
        }())
  }

  @Test("the handler runs again as long as the line stays asserted, and other work comes in between")
  func level() {
    var order: [String] = []
    let other = DeferredWork(on: box.loop) { order.append("work") }
    handle.setInterruptHandler { [nic] in
      order.append("irq")
      other.schedule()
      if order.count >= 5 { nic.slot?.setInterruptPin(false) }
    }
    nic.slot?.setInterruptPin(true)
    settle()
    #expect(order == ["irq", "work", "irq", "work", "irq", "work"])
  }

  @Test("a line raised again inside the handler is not lost")
  func raisedWithin() {
    var runs = 0
    handle.setInterruptHandler { [nic] in
      runs += 1
      nic.slot?.setInterruptPin(false)
      if runs < 4 { nic.slot?.setInterruptPin(true) }
    }
    nic.slot?.setInterruptPin(true)
    settle()
    #expect(runs == 4)
    #expect(line.counters.raised == 4)
  }

  @Test("a line that fell before its turn is spurious and calls nobody")
  func spurious() {
    var runs = 0
    handle.setInterruptHandler { runs += 1 }
    nic.slot?.setInterruptPin(true)
    nic.slot?.setInterruptPin(false)
    settle()
    #expect(runs == 0)
    #expect(line.counters.spurious == 1)
  }

  @Test("a line that is asserted already is delivered when a handler comes, and never again when it has gone")
  func lateHandler() {
    var runs = 0
    nic.slot?.setInterruptPin(true)
    settle()
    handle.setInterruptHandler { [nic] in
      runs += 1
      nic.slot?.setInterruptPin(false)
    }
    settle()
    #expect(runs == 1)
    nic.slot?.setInterruptPin(true)
    handle.setInterruptHandler(nil)
    settle()
    #expect(runs == 1)
  }

  @Test("functions on one line share it: the line falls with the last, and every handler is asked")
  func sharing() throws {
    let other = ProbeFunction.nic()
    // Four devices on, the pins meet again.
    let slot = try box.machine.plug(other, at: at(7), name: "other")
    #expect(slot.interruptLine === line)
    let second = try #require(box.machine.handle(at: at(7)))
    var calls: [String] = []
    handle.setInterruptHandler { [nic] in
      calls.append("first")
      nic.slot?.setInterruptPin(false)
    }
    second.setInterruptHandler {
      calls.append("second")
      if calls.count >= 4 { other.slot?.setInterruptPin(false) }
    }
    nic.slot?.setInterruptPin(true)
    other.slot?.setInterruptPin(true)
    nic.slot?.setInterruptPin(true)
    settle()
    #expect(calls == ["first", "second", "first", "second"])
    #expect(!line.isAsserted)
    #expect(line.counters.raised == 1)
  }

  @Test("a handler that disconnects its neighbour in the middle of a delivery silences it")
  func disconnectWithin() throws {
    var calls: [String] = []
    let controller = box.machine.interrupts.line(19)
    var second: InterruptConnection?
    let first = controller.connect {
      calls.append("first")
      if let second { controller.disconnect(second) }
    }
    second = controller.connect { calls.append("second") }
    let function = ProbeFunction.nic()
    let slot = try box.machine.plug(function, at: at(11), name: "nic")
    #expect(slot.interruptLine === controller)
    slot.setInterruptPin(true)
    let stop = DeferredWork(on: box.loop) { slot.setInterruptPin(false) }
    stop.schedule()
    settle()
    #expect(calls.first == "first" && !calls.contains("second"))
    controller.disconnect(first)
  }

  @Test("INTx Disable holds the pin back but shows in status; clearing it lets the level through")
  func interruptDisable() {
    var runs = 0
    handle.setInterruptHandler { [nic] in
      runs += 1
      nic.slot?.setInterruptPin(false)
    }
    handle.writeConfiguration(0x04, size: 2, value: 0x400)
    nic.slot?.setInterruptPin(true)
    settle()
    #expect(runs == 0 && !line.isAsserted)
    #expect(handle.readConfiguration(0x06, size: 2) & 8 == 8)
    handle.writeConfiguration(0x04, size: 2, value: 0)
    settle()
    #expect(runs == 1)
    #expect(handle.readConfiguration(0x06, size: 2) & 8 == 0)
    nic.slot?.setInterruptPin(true)
    handle.writeConfiguration(0x04, size: 2, value: 0x400)
    #expect(!line.isAsserted)
  }

  @Test("a masked line delivers nothing until the mask goes")
  func mask() {
    var runs = 0
    handle.setInterruptHandler { [nic] in
      runs += 1
      nic.slot?.setInterruptPin(false)
    }
    line.isMasked = true
    nic.slot?.setInterruptPin(true)
    settle()
    #expect(runs == 0)
    line.isMasked = false
    settle()
    #expect(runs == 1)
  }

  @Test("a line that nobody quiets is masked after a bounded number of runs")
  func storm() {
    var runs = 0
    handle.setInterruptHandler { runs += 1 }
    nic.slot?.setInterruptPin(true)
    settle()
    #expect(runs == InterruptLine.stormLimit)
    #expect(line.isMasked && line.counters.storms == 1)
  }

  @Test("a function without pin asserts nothing, and the attempt is counted")
  func noPin() throws {
    let mute = ProbeFunction.nic(pin: 0)
    let slot = try box.machine.plug(mute, at: at(5), name: "mute")
    slot.setInterruptPin(true)
    #expect(slot.interruptLine == nil && slot.refusedInterrupts == 1)
    #expect(mute.configuration.status.contains(.interrupt) == false)
  }

  @Test("changes of the line are events")
  func events() {
    var events: [Event] = []
    box.tap.attach { events.append($0.event) }
    nic.slot?.setInterruptPin(true)
    nic.slot?.setInterruptPin(true)
    nic.slot?.setInterruptPin(false)
    let name = "IRQ \(line.number)"
    #expect(
      events == [
        .interrupt(line: name, asserted: true, causes: 0), .interrupt(line: name, asserted: false, causes: 0),
      ])
  }

  @Test("a handle that goes away takes its handler with it")
  func handleGone() {
    var runs = 0
    var short = box.machine.handle(at: at(3))
    short?.setInterruptHandler { runs += 1 }
    short = nil
    nic.slot?.setInterruptPin(true)
    settle()
    #expect(runs == 0)
  }
}
