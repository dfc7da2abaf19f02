import CLinux
import EventLoop
import Glibc
import IntelNIC
import Machine
import Testing
import VfioUser

@Suite("vfio-user server: INTx") struct InterruptTests {
  @Test("set IMS, write ICS, read STATUS: raised, lowered by the client, and raised again until the cause is read")
  func script() throws {
    let bench = try ServedController()
    try bench.served.run {
      let eventfd = makeEventfd()
      defer { close(eventfd) }
      let client = try await bench.served.client()
      try await client.write(7, 4, [7, 0])
      #expect(!(try await client.setTrigger(eventfd).isError))
      client.postWrite32(0, Register.interruptMaskSet, 4)
      client.postWrite32(0, Register.interruptCauseSet, 4)
      _ = try await client.read32(0, Register.deviceStatus)
      #expect(taken(eventfd) == 1)
      _ = try await client.read32(0, Register.deviceStatus)
      #expect(taken(eventfd) == 0, "masked until the client unmasks")
      try await client.unmask()
      #expect(taken(eventfd) == 1, "the cause is still there")
      #expect(try await client.read32(0, Register.interruptCauseRead) & 4 == 4)
      try await client.unmask()
      #expect(taken(eventfd) == 0)
      client.postWrite32(0, Register.interruptCauseSet, 4)
      _ = try await client.read32(0, Register.deviceStatus)
      #expect(taken(eventfd) == 1)
    }
  }

  @Test("mask, unmask and Interrupt Disable hold an interrupt back, and lose none")
  func masking() throws {
    let served = try ServedFunction()
    try served.run {
      let eventfd = makeEventfd()
      defer { close(eventfd) }
      let client = try await served.client()
      func set(_ flags: InterruptSetting.Flags, data: [UInt8] = []) async throws {
        var setting = InterruptSetting(flags: flags, index: 0, count: 1)
        setting.argumentByteCount += UInt32(data.count)
        #expect(!(try await client.request(.setInterrupts, bytes(setting) + data).isError))
      }
      _ = try await client.setTrigger(eventfd)
      try await set([.none, .mask])
      served.function.slot?.setInterruptPin(true)
      #expect(taken(eventfd) == 0)
      try await set([.bool, .unmask], data: [0])
      #expect(taken(eventfd) == 0, "a false boolean does nothing")
      try await set([.bool, .unmask], data: [1])
      #expect(taken(eventfd) == 1)
      try await client.write(7, 4, [0, 4])
      try await set([.none, .unmask])
      #expect(taken(eventfd) == 0, "Interrupt Disable")
      #expect(try await client.read(7, 6, 1).body[16] & 8 == 8, "the status register shows it")
      try await client.write(7, 4, [0, 0])
      #expect(taken(eventfd) == 1)
      served.function.slot?.setInterruptPin(false)
      try await set([.none, .trigger])
      #expect(taken(eventfd) == 1, "on request, whatever the pin")
      try await set([.bool, .trigger], data: [0])
      #expect(taken(eventfd) == 0)
    }
  }

  @Test("a new trigger fires at once if the pin is asserted; without one nothing fires")
  func triggers() throws {
    let served = try ServedFunction()
    try served.run {
      let (first, second) = (makeEventfd(), makeEventfd())
      defer {
        close(first)
        close(second)
      }
      let client = try await served.client()
      served.function.slot?.setInterruptPin(true)
      _ = try await client.setTrigger(first)
      #expect(taken(first) == 1)
      let off = bytes(InterruptSetting(flags: [.none, .trigger], index: 0, count: 0))
      #expect(!(try await client.request(.setInterrupts, off).isError))
      try await client.unmask()
      #expect(taken(first) == 0)
      _ = try await client.setTrigger(second)
      #expect(taken(first) == 0 && taken(second) == 1)
      // No descriptor takes the trigger away.
      let none = bytes(InterruptSetting(flags: [.eventfd, .trigger], index: 0, count: 1))
      #expect(!(try await client.request(.setInterrupts, none).isError))
      try await client.unmask()
      #expect(taken(second) == 0)
      // MSI and the rest are not there, and may be switched off.
      let msi = bytes(InterruptSetting(flags: [.none, .trigger], index: 1, count: 0))
      #expect(!(try await client.request(.setInterrupts, msi).isError))
    }
  }

  @Test("the resample eventfd unmasks")
  func resample() throws {
    let served = try ServedFunction()
    try served.run {
      let (trigger, resample) = (makeEventfd(), makeEventfd())
      defer {
        close(trigger)
        close(resample)
      }
      let client = try await served.client()
      _ = try await client.setTrigger(trigger)
      let setting = bytes(InterruptSetting(flags: [.eventfd, .unmask], index: 0, count: 1))
      #expect(!(try await client.request(.setInterrupts, setting, descriptors: [resample]).isError))
      served.function.slot?.setInterruptPin(true)
      #expect(taken(trigger) == 1)
      for _ in 0..<3 {
        var one: UInt64 = 1
        try #require(write(resample, &one, 8) == 8)
        let fired = served.counters.interrupts.fired
        while served.counters.interrupts.fired == fired { try await served.loop.sleep(for: .zero) }
        #expect(taken(trigger) == 1)
      }
      #expect(!(try await client.request(.setInterrupts, setting).isError), "and it can be taken away")
    }
  }

  @Test("an eventfd that is full does not hold the server up")
  func fullEventfd() throws {
    let served = try ServedFunction()
    try served.run {
      let trigger = eventfd(0, 0)
      defer { close(trigger) }
      var most = UInt64.max - 1
      try #require(write(trigger, &most, 8) == 8)
      let client = try await served.client()
      _ = try await client.setTrigger(trigger)
      served.function.slot?.setInterruptPin(true)
      #expect(served.counters.interrupts.notTaken == 1)
      #expect(try await client.read32(7, 0) == 0x100E_8086)
    }
  }
}
