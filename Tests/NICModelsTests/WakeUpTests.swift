import IntelNIC
import Machine
import NICModels
import Packets
import Testing

@Suite struct WakeUpTests {
  @Test("a magic packet sets WUS and the PME status in both places; PME_STATUS is cleared by 1", arguments: [0, 1, 13])
  func magicPacket(_ place: Int) {
    let bench = ModelBench.running()
    bench.write(Register.wakeUpControl, 2)
    bench.write(Register.wakeUpFilterControl, 2)
    let magic = [UInt8](repeating: 0xFF, count: 6) + (0..<16).flatMap { _ in Frames.octets(ModelBench.address) }
    var broken = magic
    broken[50] ^= 1
    bench.deliver(Frames.ethernet(to: .broadcast, type: 0x0842, Frames.payload(place) + broken))
    #expect(bench.read(Register.wakeUpStatus) == 0)
    // Power state D3: only the wake-up filters listen.
    bench.model.configuration.write(0xE0, size: 2, value: 0x0103)
    bench.model.configurationWritten(offset: 0xE0, size: 2)
    let frame = Frames.ethernet(to: .broadcast, type: 0x0842, Frames.payload(place) + magic)
    bench.deliver(frame)
    #expect(bench.read(Register.wakeUpStatus) == 2)
    #expect(bench.read(Register.wakeUpControl) & 4 != 0)
    #expect(bench.model.configuration.get(0xE0, size: 2) & 0x8000 != 0)
    #expect(bench.read(Register.receiveHead) == 1, "nothing is received in D3")
    #expect(bench.read(Register.wakeUpPacketLength) == UInt32(frame.count))
    #expect(bench.registers.bytes(Register.wakeUpPacketMemory, 100).array == Array(frame[..<100]))
    bench.write(Register.wakeUpControl, 4 | 2)
    #expect(bench.read(Register.wakeUpControl) & 4 == 0)
    #expect(bench.model.configuration.get(0xE0, size: 2) & 0x8000 == 0)
    bench.write(Register.wakeUpStatus, 2)
    #expect(bench.read(Register.wakeUpStatus) == 0)
  }

  @Test("after the first wake-up frame the others are passed over until software has cleared its reasons")
  func firstOnly() {
    let bench = ModelBench.running()
    bench.write(Register.wakeUpControl, 2)
    bench.write(Register.wakeUpFilterControl, 0x14)
    bench.deliver(Frames.plain(70, to: ModelBench.address))
    bench.deliver(Frames.plain(80, to: .broadcast))
    #expect(bench.read(Register.wakeUpStatus) == 4 && bench.read(Register.wakeUpPacketLength) == 70)
    bench.write(Register.wakeUpStatus, 4)
    bench.deliver(Frames.plain(80, to: .broadcast))
    #expect(bench.read(Register.wakeUpStatus) == 16 && bench.read(Register.wakeUpPacketLength) == 80)
  }

  @Test("a flexible filter wakes by the bytes it names")
  func flexibleFilter() {
    let bench = ModelBench.running()
    bench.write(Register.wakeUpControl, 2)
    bench.write(Register.wakeUpFilterControl, 1 << 17)
    bench.write(Register.flexibleFilterLength + 8, 20)
    for (index, value) in [(12, 0x88), (13, 0xB5), (19, 0x9B)] as [(Int, UInt32)] {
      bench.write(Register.flexibleFilterMask + 8 * index, 2)
      bench.write(Register.flexibleFilterValue + 8 * index, value << 8)
    }
    bench.deliver(Frames.plain(64, seed: 1))
    #expect(bench.read(Register.wakeUpStatus) == 0)
    bench.deliver(Frames.plain(64))
    #expect(bench.read(Register.wakeUpStatus) == 1 << 17)
  }

  struct Filter: Sendable, CustomStringConvertible {
    var description: String
    var bit: UInt32
    var wakes: [UInt8]
    var doesNot: [UInt8]
  }

  static func arp(_ target: [UInt8]) -> [UInt8] {
    Frames.ethernet(
      to: .broadcast, type: 0x0806,
      [0, 1, 8, 0, 6, 4, 0, 1] + Frames.octets(Frames.peer) + [10, 0, 2, 2] + [0, 0, 0, 0, 0, 0] + target)
  }

  static let filters = [
    Filter(
      description: "EX", bit: 2, wakes: Frames.plain(64, to: ModelBench.address), doesNot: Frames.plain(64)),
    Filter(
      description: "MC", bit: 3, wakes: Frames.plain(64, to: MACAddress("01:00:5e:01:02:03")!),
      doesNot: Frames.plain(64, to: .broadcast)),
    Filter(
      description: "BC", bit: 4, wakes: Frames.plain(64, to: .broadcast),
      doesNot: Frames.plain(64, to: ModelBench.address)),
    Filter(description: "ARP", bit: 5, wakes: arp([10, 0, 2, 2]), doesNot: arp([10, 0, 2, 3])),
    Filter(
      description: "IPV4", bit: 6, wakes: Frames.packet(.ipv4, .udp, payload: [1], to: ModelBench.address).bytes,
      doesNot: Frames.packet(.ipv6, .udp, payload: [1], to: ModelBench.address).bytes),
    Filter(
      description: "IPV6", bit: 7, wakes: Frames.packet(.ipv6, .udp, payload: [1], to: ModelBench.address).bytes,
      doesNot: Frames.packet(.ipv4, .udp, payload: [1], to: ModelBench.address).bytes),
  ]

  @Test("each filter of WUFC wakes by its frames and no others", arguments: filters)
  func filter(_ filter: Filter) {
    let bench = ModelBench.running()
    bench.write(Register.receiveControl, 0x0400_8012)
    bench.write(Register.ipAddressValid, 0x0001_0002)
    bench.write(Register.ipv4AddressTable + 8, 0x0202_000A)
    for word in 0..<4 {
      let bytes = (0..<4).map { UInt32(Frames.v6Addresses[16 + 4 * word + $0]) << UInt32(8 * $0) }
      bench.write(Register.ipv6AddressTable + 4 * word, bytes.reduce(0, |))
    }
    bench.write(Register.wakeUpControl, 2)
    bench.write(Register.wakeUpFilterControl, 1 << filter.bit)
    bench.deliver(filter.doesNot)
    #expect(bench.read(Register.wakeUpStatus) == 0)
    bench.deliver(filter.wakes)
    #expect(bench.read(Register.wakeUpStatus) == 1 << filter.bit)
    #expect(bench.read(Register.wakeUpControl) & 4 != 0)
  }

  @Test("LNKC wakes when the link changes; nothing wakes without PME_EN")
  func linkChange() {
    let bench = ModelBench.running()
    bench.write(Register.wakeUpFilterControl, 1)
    bench.wire.hasCarrier = false
    #expect(bench.read(Register.wakeUpStatus) == 0)
    bench.write(Register.wakeUpControl, 2)
    bench.wire.hasCarrier = true
    bench.loop.advance(by: .seconds(1))
    #expect(bench.read(Register.wakeUpStatus) == 1)
  }

  /// `ethtool -s eth0 wol g` and a suspend, as Linux's e1000 does them.
  @Test("suspend to D3hot with magic packet, wake, and D0 again: the device is reset, the reason is kept")
  func suspendAndResume() {
    let bench = ModelBench.running()
    let space = bench.model.configuration
    func power(_ value: UInt32) {
      space.write(0xE0, size: 2, value: value)
      bench.model.configurationWritten(offset: 0xE0, size: 2)
    }
    bench.write(Register.deviceControl, bench.read(Register.deviceControl) | 0x0030_0000)
    bench.write(Register.wakeUpControl, 2)
    bench.write(Register.wakeUpFilterControl, 2)
    bench.write(Register.vlanEtherType, 0x88A8)
    power(0x0103)
    let magic =
      [UInt8](repeating: 0xFF, count: 6) + (0..<16).flatMap { _ in Frames.octets(ModelBench.address) }
    let first = Frames.ethernet(to: ModelBench.address, type: 0x0842, magic)
    bench.deliver(Frames.plain(64, to: ModelBench.address))
    #expect(bench.read(Register.wakeUpStatus) == 0, "only magic packets")
    bench.deliver(first)
    bench.deliver(Frames.ethernet(to: .broadcast, type: 0x0842, Frames.payload(40) + magic))
    #expect(space.get(0xE0, size: 2) == 0x8103)
    #expect(bench.read(Register.wakeUpPacketLength) == UInt32(first.count), "the first frame is kept")
    let resets = bench.model.counters.resets
    power(0x8000)
    #expect(space.get(0xE0, size: 2) == 0, "PME_STATUS cleared by 1, PME_EN off, D0")
    #expect(bench.model.counters.resets == resets + 1 && bench.read(Register.vlanEtherType) == 0x8100)
    #expect(bench.read(Register.wakeUpStatus) == 2 && bench.read(Register.wakeUpFilterControl) == 2)
    bench.write(Register.wakeUpStatus, .max)
    #expect(bench.read(Register.wakeUpStatus) == 0)
    bench.bringLinkUp()
    bench.expectAlive()
  }

  @Test("APME of EEPROM word 24h is WUC's after a bus reset; then a magic packet wakes from D3 without PME_EN")
  func advancedPowerManagement() {
    let bench = ModelBench()
    let pins = BitBang(bench: bench, addressBits: 6)
    pins.acquire()
    pins.enableWrites(true)
    pins.write(0x24, 0x0400)
    pins.release()
    #expect(bench.read(Register.wakeUpControl) & 1 == 0)
    bench.model.reset()
    #expect(bench.read(Register.wakeUpControl) & 1 == 1)
    bench.model.configuration.write(0xE0, size: 2, value: 0x0003)
    bench.model.configurationWritten(offset: 0xE0, size: 2)
    let magic =
      [UInt8](repeating: 0xFF, count: 6) + (0..<16).flatMap { _ in Frames.octets(ModelBench.address) }
    bench.deliver(Frames.ethernet(to: .broadcast, type: 0x0842, magic))
    #expect(bench.read(Register.wakeUpStatus) == 2)
  }
}
