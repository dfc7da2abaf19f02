import EventLoop
import IntelNIC
import NICModels
import Testing

@Suite struct InterruptTests {
  static let all = InterruptCauses.all.rawValue

  @Test("the line is the level of ICR and IMS")
  func level() {
    let bench = ModelBench()
    bench.write(Register.interruptCauseSet, 0x84)
    #expect(!bench.slot.pin, "nothing enabled")
    bench.write(Register.interruptMaskSet, 0x04)
    #expect(bench.slot.pin)
    #expect(bench.read(Register.interruptMaskSet) == 0x04)
    bench.write(Register.interruptMaskClear, 0x04)
    #expect(!bench.slot.pin)
    bench.write(Register.interruptMaskSet, 0x80)
    #expect(bench.slot.pin)
    #expect(bench.read(Register.interruptCauseRead) == 0x84, "masked causes show too")
    #expect(!bench.slot.pin && bench.read(Register.interruptCauseRead) == 0)
  }

  @Test("a write of 1 to ICR clears that cause and lowers the line", arguments: [0, 1, 2, 4, 6, 7, 9, 15, 16])
  func writeToClear(_ bit: UInt32) {
    let bench = ModelBench()
    bench.write(Register.interruptMaskSet, 1 << bit)
    bench.write(Register.interruptCauseSet, Self.all)
    #expect(bench.slot.pin)
    bench.write(Register.interruptCauseRead, 1 << bit)
    #expect(!bench.slot.pin)
    #expect(bench.read(Register.interruptCauseRead) == Self.all & ~(1 << bit))
  }

  @Test("ICS sets every cause and no other bit; ICS and IMC read 0")
  func causeSet() {
    let bench = ModelBench()
    bench.write(Register.interruptCauseSet, .max)
    #expect(bench.read(Register.interruptCauseSet) == 0 && bench.read(Register.interruptMaskClear) == 0)
    #expect(bench.read(Register.interruptCauseRead) == Self.all)
    bench.write(Register.interruptMaskSet, .max)
    #expect(bench.read(Register.interruptMaskSet) == Self.all)
  }

  @Test("ITR keeps its distance, to the nanosecond", arguments: [1, 651, 65535])
  func throttling(_ interval: Int) {
    let bench = ModelBench()
    bench.write(Register.interruptMaskSet, Self.all)
    bench.write(Register.interruptThrottling, UInt32(interval))
    bench.write(Register.interruptCauseSet, 1)
    #expect(bench.slot.assertions == 1, "the first one at once")
    _ = bench.read(Register.interruptCauseRead)
    bench.write(Register.interruptCauseSet, 1)
    bench.loop.advance(by: .nanoseconds(256 * interval - 1))
    #expect(!bench.slot.pin)
    bench.loop.advance(by: .nanoseconds(1))
    #expect(bench.slot.pin && bench.slot.assertions == 2)
    _ = bench.read(Register.interruptCauseRead)
    bench.loop.advance(by: .seconds(1))
    #expect(bench.slot.assertions == 2, "nothing to report, nothing asserted")
    bench.write(Register.interruptCauseSet, 1)
    #expect(bench.slot.assertions == 3)
  }

  @Test("a throttled interrupt whose cause is read before its time is not asserted; ITR 0 lets it through")
  func throttledAway() {
    let bench = ModelBench()
    bench.write(Register.interruptMaskSet, Self.all)
    bench.write(Register.interruptThrottling, 1000)
    for _ in 0..<2 {
      bench.write(Register.interruptCauseSet, 1)
      _ = bench.read(Register.interruptCauseRead)
    }
    bench.loop.advance(by: .seconds(1))
    #expect(bench.slot.assertions == 1)
    bench.write(Register.interruptCauseSet, 1)
    _ = bench.read(Register.interruptCauseRead)
    bench.write(Register.interruptCauseSet, 1)
    #expect(!bench.slot.pin)
    bench.write(Register.interruptThrottling, 0)
    #expect(bench.slot.pin)
  }

  private func receive(_ bench: ModelBench) { bench.deliver(Frames.plain(64, to: ModelBench.address)) }
  private func pending(_ bench: ModelBench) -> UInt32 {
    bench.registers.load(Register.interruptCauseRead, as: UInt32.self)
  }

  @Test("RDTR reports a frame when none follows in time, RADV at the latest after the first")
  func receiveDelay() {
    let bench = ModelBench.running()
    bench.write(Register.receiveDelayTimer, 100)
    bench.write(Register.receiveAbsoluteDelay, 250)
    for _ in 0..<3 {
      receive(bench)
      #expect(pending(bench) == 0)
      bench.loop.advance(by: .nanoseconds(80 * 1024))
    }
    #expect(pending(bench) == 0, "240 units after the first frame")
    bench.loop.advance(by: .nanoseconds(10 * 1024 - 1))
    #expect(pending(bench) == 0)
    bench.loop.advance(by: .nanoseconds(1))
    #expect(pending(bench) == 0x80, "RADV")
    _ = bench.read(Register.interruptCauseRead)
    bench.loop.advance(by: .seconds(1))
    #expect(pending(bench) == 0, "the packet timer is over with it")
    receive(bench)
    bench.loop.advance(by: .nanoseconds(100 * 1024 - 1))
    #expect(pending(bench) == 0)
    bench.loop.advance(by: .nanoseconds(1))
    #expect(pending(bench) == 0x80, "RDTR")
  }

  @Test("RDTR.FPD reports at once what waits, and reads 0")
  func flush() {
    let bench = ModelBench.running()
    bench.write(Register.receiveDelayTimer, 1000)
    bench.write(Register.receiveDelayTimer, 0x8000_0000 | 1000)
    #expect(pending(bench) == 0, "nothing waits")
    receive(bench)
    bench.write(Register.receiveDelayTimer, 0x8000_0000 | 1000)
    #expect(pending(bench) == 0x80)
    #expect(bench.read(Register.receiveDelayTimer) == 1000)
  }

  @Test("TIDV and TADV delay TXDW of descriptors with IDE, and only of those")
  func transmitDelay() {
    let bench = ModelBench.running()
    bench.write(Register.transmitDelayTimer, 100)
    bench.write(Register.transmitAbsoluteDelay, 150)
    let delayed: TransmitCommand = [.endOfPacket, .insertFCS, .reportStatus, .delayInterrupt]
    bench.transmit(Frames.plain(64), command: delayed)
    #expect(bench.transmitDescriptor(0).status == .done, "written back at once")
    #expect(pending(bench) & 1 == 0)
    bench.loop.advance(by: .nanoseconds(90 * 1024))
    bench.transmit(Frames.plain(64), command: delayed)
    bench.loop.advance(by: .nanoseconds(60 * 1024 - 1))
    #expect(pending(bench) & 1 == 0)
    bench.loop.advance(by: .nanoseconds(1))
    #expect(pending(bench) & 1 == 1, "TADV")
    _ = bench.read(Register.interruptCauseRead)
    bench.transmit(Frames.plain(64), command: delayed)
    bench.loop.advance(by: .nanoseconds(100 * 1024))
    #expect(pending(bench) & 1 == 1, "TIDV")
    _ = bench.read(Register.interruptCauseRead)
    bench.transmit(Frames.plain(64))
    #expect(pending(bench) & 1 == 1, "no IDE, no delay")
  }

  @Test("TXD_LOW comes when the ring falls below LWTHRESH")
  func transmitLow() {
    let bench = ModelBench.running()
    bench.setUpTransmit(entries: 32)
    bench.write(Register.transmitDescriptorControl, 1 << 25)
    bench.wire.room = 3
    for _ in 0..<12 {
      bench.push([
        .legacy(address: bench.bus(ModelBench.transmitBuffers), length: 64, command: [.endOfPacket, .insertFCS])
      ])
    }
    bench.doorbell()
    #expect(pending(bench) & 0x8000 == 0, "nine are left")
    bench.wire.room = 2
    bench.model.wireIsReady()
    #expect(pending(bench) & 0x8000 != 0, "seven are left")
  }

  @Test("a descriptor that is reported at once reports the delayed ones with it: TIDV and TADV are over")
  func immediateEndsDelay() {
    let bench = ModelBench.running()
    bench.write(Register.transmitDelayTimer, 100)
    bench.write(Register.transmitAbsoluteDelay, 200)
    bench.transmit(Frames.plain(64), command: [.endOfPacket, .insertFCS, .reportStatus, .delayInterrupt])
    #expect(bench.read(Register.interruptCauseRead) & 1 == 0)
    bench.transmit(Frames.plain(64))
    #expect(bench.read(Register.interruptCauseRead) & 1 == 1)
    bench.loop.advance(by: .seconds(1))
    #expect(pending(bench) & 1 == 0, "no second interrupt")
  }

  @Test("a device reset ends every delay")
  func resetEndsDelays() {
    let bench = ModelBench.running()
    bench.write(Register.transmitDelayTimer, 100)
    bench.write(Register.receiveDelayTimer, 100)
    bench.transmit(Frames.plain(64), command: [.endOfPacket, .insertFCS, .reportStatus, .delayInterrupt])
    receive(bench)
    bench.write(Register.deviceControl, 1 << 26)
    bench.loop.advance(by: .seconds(1))
    #expect(pending(bench) == 0)
  }
}
