import EventLoop
import Events
import IntelNIC
import NICModels
import Packets
import Testing

/// The usual frame takes a short way through the model, and every other the long one; a tap that listens makes all of
/// them take the long one. Both must leave the same memory and registers behind.
@Suite struct ReceiveWaysTests {
  private let short = ModelBench.running()
  private let long: ModelBench

  init() {
    long = ModelBench.running()
    long.tap.attach { _ in }
  }

  private func both(_ body: (ModelBench) -> Void) {
    body(short)
    body(long)
  }

  private func expectSame(_ comment: Comment) {
    #expect(short.memory.bytes.array == long.memory.bytes.array, comment)
    #expect(short.registers.bytes.array == long.registers.bytes.array, comment)
    #expect(short.model.counters == long.model.counters, comment)
    #expect(short.slot.dma.counters == long.slot.dma.counters, comment)
  }

  private func frame(_ random: SeededRandom) -> [UInt8] {
    let station = ModelBench.address
    let broadcast = MACAddress("ff:ff:ff:ff:ff:ff")!
    let kind = Int(random.next() % 12)
    let length = Int(random.next() % 1400)
    let payload = Frames.payload(length, seed: Int(random.next() % 251))
    var bytes: [UInt8]
    switch kind {
    case 0: bytes = Frames.plain(14 + length % 90, to: broadcast)
    case 1: bytes = Frames.plain(60 + length, to: station)
    case 2: bytes = Frames.plain(60 + length, to: MACAddress("33:33:00:00:00:01")!)
    case 3: bytes = Frames.packet(.ipv6, .tcp, payload: payload, to: station).bytes
    case 4: bytes = Frames.packet(.ipv6, .udp, payload: payload, to: station).bytes
    case 5: bytes = Frames.packet(.ipv4, .udp, payload: payload, to: station).bytes
    case 6: bytes = Frames.pause(3)
    default: bytes = Frames.packet(.ipv4, .tcp, payload: payload, to: station).bytes
    }
    if random.next() % 6 == 0 { bytes += [UInt8](repeating: UInt8(random.next() % 256), count: 1 + length % 7) }
    if random.next() % 6 == 0 { bytes[Int(random.next() % UInt64(bytes.count))] ^= UInt8(1 + random.next() % 255) }
    return bytes
  }

  @Test("whatever software does to the registers between frames", arguments: 1...12)
  func anySequence(_ seed: UInt64) {
    let random = SeededRandom(seed: seed)
    for step in 0..<400 {
      let value = UInt32(truncatingIfNeeded: random.next())
      switch random.next() % 40 {
      case 0:
        let start = value & 0x800 == 0 ? 0 : value >> 12 & 0x3F
        both { $0.write(Register.receiveChecksumControl, value & 0x700 | start) }
      case 1: both { $0.write(Register.receiveTail, value & 15) }
      case 2: both { $0.write(Register.receiveHead, value & 15) }
      case 3:
        let promiscuous: UInt32 = value >> 28 == 0 ? 8 : 0
        both { $0.write(Register.receiveControl, 0x0400_8002 | value & 0x0003_0300 | promiscuous) }
      case 4: both { $0.write(Register.receiveDelayTimer, value >> 30 == 0 ? 4 : 0) }
      case 5: both { $0.write(Register.receiveSmallPacketDetect, value >> 30 == 0 ? 100 : 0) }
      case 6: both { _ = $0.read(Register.interruptCauseRead) }
      case 7: both { $0.write(Register.receiveLength, value >> 30 == 0 ? 128 : 256) }
      case 8:
        both { bench in
          bench.slot.dma.unmap(start: bench.bus(0), byteCount: UInt64(bench.memory.count))
          if value & 1 == 0 { try? bench.slot.dma.map(bench.memory, at: bench.bus(0)) }
        }
      case 9: both { try? $0.slot.dma.map($0.memory, at: $0.bus(0)) }
      case 10: both { $0.slot.dma.isMasterEnabled = value & 3 != 0 }
      case 11: both { $0.write(Register.receiveAddressHigh, 0x5634 | (value & 3 == 0 ? 0 : 1 << 31)) }
      case 12: both { $0.write(Register.vlanEtherType, value & 3 == 0 ? 0x0800 : 0x8100) }
      case 13:
        both { bench in
          let address: UInt64 = value & 1 == 0 ? 0 : bench.bus(ModelBench.receiveBuffers)
          bench.memory.store(address, ModelBench.receiveRing + 48)
        }
      case 14, 15: both { $0.setUpReceive() }
      default:
        let bytes = frame(random)
        #expect(short.deliver(bytes) == long.deliver(bytes), "step \(step)")
      }
    }
    expectSame("seed \(seed)")
  }

  @Test("a frame that is padded leaves the next one its own descriptor")
  func padded() {
    both { bench in
      bench.deliver(Frames.plain(100, to: ModelBench.address))
      bench.deliver(Frames.plain(100, to: ModelBench.address, seed: 1))
      bench.deliver(Frames.plain(42, to: ModelBench.address))
      bench.deliver(Frames.plain(101, to: ModelBench.address))
      #expect((0..<4).map { bench.receiveDescriptor($0).length } == [100, 100, 60, 101])
      #expect(bench.read(Register.receiveHead) == 4)
    }
    expectSame("four frames")
  }

  @Test("memory that is taken away in the middle of a batch is not written")
  func unmapped() {
    both { bench in
      bench.deliver(Frames.plain(100, to: ModelBench.address))
      bench.deliver(Frames.plain(100, to: ModelBench.address))
      bench.slot.dma.unmap(start: bench.bus(0), byteCount: UInt64(bench.memory.count))
      #expect(bench.deliver(Frames.plain(100, to: ModelBench.address, seed: 9)))
      #expect(bench.errors(.dmaRefused) == 1)
      #expect(bench.receiveDescriptor(2).length == 0)
    }
    expectSame("an unmapped ring")
  }
}
