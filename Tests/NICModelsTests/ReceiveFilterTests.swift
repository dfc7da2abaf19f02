import IntelNIC
import Packets
import Testing

@Suite struct ReceiveFilterTests {
  static let other = MACAddress("02:11:22:33:44:55")!
  static let group = MACAddress("01:00:5e:01:02:03")!

  /// Delivers a frame and says whether it was stored, and its status.
  private func status(_ bench: ModelBench, _ destination: MACAddress) -> ReceiveStatus? {
    bench.setUpReceive(control: bench.read(Register.receiveControl))
    bench.deliver(Frames.plain(64, to: destination))
    return bench.read(Register.receiveHead) == 0 ? nil : bench.receiveDescriptor(0).status
  }

  @Test("own address, other, multicast and broadcast, by UPE, MPE and BAM", arguments: 0..<8)
  func promiscuity(_ bits: UInt32) {
    let bench = ModelBench.running()
    var control = ReceiveControl(rawValue: 0x0400_0002)
    control.unicastPromiscuous = bits & 1 != 0
    control.multicastPromiscuous = bits & 2 != 0
    control.acceptBroadcast = bits & 4 != 0
    bench.write(Register.receiveControl, control.rawValue)
    #expect(status(bench, ModelBench.address)?.contains(.inexactFilter) == false)
    #expect((status(bench, Self.other)?.contains(.inexactFilter) == true) == control.unicastPromiscuous)
    #expect((status(bench, Self.group)?.contains(.inexactFilter) == true) == control.multicastPromiscuous)
    #expect((status(bench, .broadcast) != nil) == (control.acceptBroadcast || control.multicastPromiscuous))
  }

  @Test("each of the sixteen address entries", arguments: 0..<16)
  func addressTable(_ index: Int) {
    let bench = ModelBench.running()
    let offset = Register.receiveAddressLow + 8 * index
    let old = (bench.read(offset), bench.read(offset + 4))
    #expect(status(bench, Self.other) == nil)
    bench.write(offset, 0x3322_1102)
    bench.write(offset + 4, 0x5544)
    #expect(status(bench, Self.other) == nil, "not valid without AV")
    bench.write(offset + 4, 0x8000_5544)
    #expect(status(bench, Self.other)?.contains(.inexactFilter) == false)
    // AS = 1 compares with the source, which is our own address in these frames.
    bench.write(offset + 4, 0x8001_5544)
    #expect(status(bench, Self.other) == nil)
    bench.write(offset, old.0)
    bench.write(offset + 4, old.1)
  }

  @Test("an entry with AS = 1 accepts what comes from its address")
  func sourceAddress() {
    let bench = ModelBench.running()
    bench.write(Register.receiveAddressLow + 8, 0x1200_5452)
    #expect(status(bench, Self.other) == nil)
    // Frames of the fixture come from 52:54:00:12:34:56.
    bench.write(Register.receiveAddressHigh + 8, 0x8001_5634)
    #expect(status(bench, Self.other)?.contains(.inexactFilter) == false)
  }

  @Test("the multicast hash takes the 12 bits that MO names", arguments: 0..<4)
  func multicastHash(_ offset: UInt32) {
    let bench = ModelBench.running()
    var control = ReceiveControl(rawValue: 0x0400_0002)
    control.multicastOffset = offset
    bench.write(Register.receiveControl, control.rawValue)
    // Octets 5 and 6 of the address as one number; section 13.4.22 names bits 47:36, 46:35, 45:34 and 43:32.
    let last = UInt32(Self.group[4]) | UInt32(Self.group[5]) << 8
    let hash = (last >> [4, 3, 2, 0][Int(offset)]) & 0xFFF
    let register = Register.multicastTable + 4 * Int(hash >> 5)
    bench.write(register, ~(1 << (hash & 31)))
    #expect(status(bench, Self.group) == nil)
    bench.write(register, 1 << (hash & 31))
    #expect(status(bench, Self.group)?.contains(.inexactFilter) == true)
  }

  static func tagged(_ tag: UInt16) -> [UInt8] {
    let frame = Frames.plain(100, to: ModelBench.address)
    return Array(frame[..<12]) + [0x81, 0x00] + Frames.big(tag) + Array(frame[12...])
  }

  @Test("the VLAN filter looks the identifier up in VFTA; CFIEN compares CFI")
  func vlanFilter() {
    let bench = ModelBench.running()
    bench.deliver(Self.tagged(0x0123))
    #expect(bench.read(Register.receiveHead) == 1, "no filter without VFE")
    bench.write(Register.receiveControl, 0x0404_8002)
    bench.deliver(Self.tagged(0x0123))
    #expect(bench.read(Register.receiveHead) == 1)
    bench.write(Register.vlanFilterTable + 4 * (0x123 >> 5), 1 << (0x123 & 31))
    bench.deliver(Self.tagged(0x0123))
    bench.deliver(Self.tagged(0x0124))
    bench.deliver(Frames.plain(100, to: ModelBench.address))
    #expect(bench.read(Register.receiveHead) == 3)
    bench.write(Register.receiveControl, 0x040C_8002)
    bench.deliver(Self.tagged(0x1123))
    #expect(bench.read(Register.receiveHead) == 3)
    bench.write(Register.receiveControl, 0x041C_8002)
    bench.deliver(Self.tagged(0x1123))
    #expect(bench.read(Register.receiveHead) == 4)
  }

  @Test("VME strips the tag into the descriptor; without it the tag stays")
  func vlanStrip() {
    let bench = ModelBench.running()
    bench.deliver(Self.tagged(0x6123))
    #expect(bench.receiveDescriptor(0).length == 104)
    #expect(!bench.receiveDescriptor(0).status.contains(.vlan))
    bench.write(Register.deviceControl, bench.read(Register.deviceControl) | 1 << 30)
    bench.deliver(Self.tagged(0x6123))
    let descriptor = bench.receiveDescriptor(1)
    #expect(descriptor.status.contains(.vlan) && descriptor.special == 0x6123)
    #expect(descriptor.length == 100)
    #expect(bench.get(ModelBench.receiveBuffers + 2048, 100) == Frames.plain(100, to: ModelBench.address))
  }

  @Test("frames too short for a header are counted, not stored", arguments: [0, 1, 13])
  func runts(_ length: Int) {
    let bench = ModelBench.running()
    #expect(bench.deliver([UInt8](repeating: 0xFF, count: length)))
    #expect(bench.read(Register.receiveHead) == 0)
    #expect(bench.read(Statistic.fragmentsReceived) == 1)
  }
}
