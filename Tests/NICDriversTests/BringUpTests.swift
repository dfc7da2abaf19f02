import EventLoop
import Events
import IntelNIC
import Link
import Machine
import NICDrivers
import Packets
import Testing

@Suite struct BringUpTests {
  /// What making the driver, and starting it, ends in.
  private func failure(
    probing setUp: (FakeController) -> Void = { _ in }, starting later: (FakeController) -> Void = { _ in }
  ) throws -> (DriverError?, FakeController) {
    let loop = VirtualLoop(seed: 1)
    let device = FakeController(on: loop)
    setUp(device)
    var configuration = E1000Configuration()
    configuration.pollLimit = 50
    do throws(DriverError) {
      let driver = try E1000Driver(device, on: loop, tap: EventTap(on: loop), configuration: configuration)
      later(device)
      try driver.start()
      return (nil, device)
    } catch {
      return (error, device)
    }
  }

  @Test("registers are written in the order of the manual's chapter 14")
  func sequence() throws {
    let bench = try FakeBench()
    let device = bench.device
    #expect(device.commandWord & 0x406 == 6)
    func first(_ offset: Int) -> Int {
      device.log.lastIndex { if case .write(offset, _) = $0 { true } else { false } } ?? -1
    }
    let order = [
      Register.deviceControl, Register.receiveAddressLow, Register.multicastTable, Register.receiveBaseLow,
      Register.receiveLength, Register.receiveControl, Register.receiveTail, Register.transmitBaseLow,
      Register.transmitControl, Register.interruptMaskSet,
    ].map(first)
    #expect(order == order.sorted() && order.allSatisfy { $0 >= 0 })
    #expect(device.writes(to: Register.deviceControl).contains { $0 & 1 << 26 != 0 })
    let control = DeviceControl(rawValue: device.registers[Register.deviceControl]!)
    #expect(control.setLinkUp && control.autoSpeedDetection && !control.forceSpeed && !control.reset)
  }

  @Test("rings, filters and control registers hold what the driver means")
  func registers() throws {
    let bench = try FakeBench()
    let registers = bench.device.registers
    #expect(registers[Register.receiveAddressLow] == 0x1200_5452)
    #expect(registers[Register.receiveAddressHigh] == 0x8000_5634)
    #expect((1..<16).allSatisfy { registers[Register.receiveAddressHigh + $0 * 8] == 0 })
    #expect((0..<128).allSatisfy { registers[Register.multicastTable + $0 * 4] == 0 })
    #expect(registers[Register.receiveLength] == 4096 && registers[Register.transmitLength] == 4096)
    #expect(registers[Register.receiveTail] == 255 && registers[Register.transmitTail] == 0)
    #expect(registers[Register.receiveControl] == 0x0400_8002)
    #expect(registers[Register.transmitControl] == 0x0104_00FA)
    #expect(registers[Register.transmitInterPacketGap] == 0x0060_2008)
    #expect(registers[Register.receiveChecksumControl] == 0x300)
    #expect(bench.device.mask == 0xD4)
    for index in 0..<256 {
      let descriptor = bench.device.receiveDescriptor(index)
      #expect(descriptor.load(0, as: UInt64.self) % 2048 == 0 && descriptor.load(8, as: UInt64.self) == 0)
    }
  }

  @Test(
    "MTU chooses buffer size, BSIZE, BSEX and LPE",
    arguments: [
      (1500, 0x0400_8002, 2048), (1501, 0x0400_8022, 2048), (2026, 0x0400_8022, 2048), (2027, 0x0603_8022, 4096),
      (9000, 0x0601_8022, 16_384), (8000, 0x0602_8022, 8192), (16_110, 0x0601_8022, 16_384),
    ] as [(Int, UInt32, Int)])
  func jumbo(mtu: Int, control: UInt32, size: Int) throws {
    let bench = try FakeBench { $0.receiveDescriptors = 16 }
    try bench.driver.setMTU(mtu)
    #expect(bench.driver.mtu == mtu && bench.driver.state == .running)
    #expect(bench.device.registers[Register.receiveControl] == control)
    let first = bench.device.receiveDescriptor(0).load(0, as: UInt64.self)
    #expect(bench.device.receiveDescriptor(1).load(0, as: UInt64.self) - first == UInt64(size))
    #expect(bench.driver.reserve(capacity: mtu + 18) != nil)
  }

  @Test("an MTU outside 68...16110 is refused and changes nothing", arguments: [0, 67, 16_111, -1, .max])
  func badMTU(mtu: Int) throws {
    let bench = try FakeBench()
    #expect(throws: DriverError.self) { try bench.driver.setMTU(mtu) }
    #expect(bench.driver.mtu == 1500 && bench.driver.state == .running)
  }

  @Test("an EEPROM with a wrong checksum is refused, and the error tells the sum")
  func checksum() throws {
    let (error, device) = try failure(probing: { $0.eeprom[5] &+= 1 })
    #expect(error == .eepromChecksum(sum: 0xBABB))
    #expect(error?.description == "the EEPROM's checksum is 0xbabb, not 0xbaba")
    #expect(device.bytesInUse == 0)
  }

  @Test("group and zero addresses in the EEPROM are refused")
  func address() throws {
    func image(_ first: UInt8) -> [UInt16] {
      EEPROMLayout.image(address: (first, 0, 0, 0, 0, first), controller: .i82540EM)
    }
    #expect(try failure(probing: { $0.eeprom = image(1) }).0 == .badHardwareAddress(MACAddress("01:00:00:00:00:01")!))
    #expect(try failure(probing: { $0.eeprom = image(0) }).0 == .badHardwareAddress(.zero))
  }

  @Test("a device that does not answer is given up in bounded time, by name")
  func dead() throws {
    #expect(try failure(probing: { $0.staysInReset = true }).0 == .resetTimedOut)
    #expect(try failure(probing: { $0.eepromIsDead = true }).0 == .eepromTimedOut(word: 0))
    #expect(try failure(probing: { $0.isGone = true }).0 == .deviceGone)
    let cases: [(DriverError, (FakeController) -> Void)] = [
      (.resetTimedOut, { $0.staysInReset = true }),
      (.phyTimedOut(register: 2), { $0.phyIsDead = true }),
      (.phyAbsent(register: 2), { $0.phyFails = true }),
      (.unknownPHY(identifier: 0xFFFF_FFFF), { $0.phy = [2: 0xFFFF, 3: 0xFFFF] }),
      (.unknownPHY(identifier: 0), { $0.phy = [:] }),
      (.deviceGone, { $0.isGone = true }),
      (.functionAbsent, { $0.vendorID = 0xFFFF }),
      (.memory(.outOfMemory(byteCount: 524_288)), { $0.memoryLimit = 5000 }),
      (.memory(.outOfMemory(byteCount: 65_664 * 32)), { $0.memoryLimit = 2 << 20 }),
    ]
    for (expected, fault) in cases {
      let (error, device) = try failure(starting: fault)
      #expect(error == expected)
      #expect(device.log.count < 2000)
      #expect(device.bytesInUse == 0 && device.commandWord & 4 == 0)
    }
  }

  @Test("a PHY that is powered down or does not negotiate is told to; one that does is left alone")
  func phy() throws {
    #expect(try FakeBench().device.phy[0] == 0x1140)
    #expect(try FakeBench(device: { $0.phy[0] = 0x0900 }).device.phy[0] == 0x1300)
    #expect(try FakeBench(device: { $0.phy[0] = 0x5140 }).device.phy[0] == 0x1340)
    #expect(try FakeBench().driver.phyIdentifier == 0x0141_0C50)
  }

  @Test("a missing link is no failure; the client hears when it comes and goes")
  func link() throws {
    let bench = try FakeBench(device: { $0.linkIsUp = false })
    #expect(!bench.driver.isLinkUp && bench.client.linkStates.isEmpty)
    #expect(bench.send())
    #expect(bench.driver.counters.transmitWithoutLink == 1 && bench.driver.framesInFlight == 0)
    bench.device.linkIsUp = true
    bench.device.raise(.linkStatusChange)
    bench.settle()
    #expect(bench.driver.isLinkUp && bench.client.linkStates == [true])
    bench.device.linkIsUp = false
    bench.device.raise(.linkStatusChange)
    bench.settle()
    bench.device.raise(.linkStatusChange)
    bench.settle()
    #expect(bench.client.linkStates == [true, false] && bench.driver.counters.linkChanges == 2)
  }

  @Test("configurations that the hardware cannot do are refused")
  func configuration() {
    let bad: [(inout E1000Configuration) -> Void] = [
      { $0.receiveDescriptors = 8 }, { $0.receiveDescriptors = 4104 }, { $0.transmitDescriptors = 20 },
      { $0.transmitBuffers = 0 }, { $0.segmentationBuffers = -1 }, { $0.receiveBufferByteCount = 1000 },
      { $0.receiveBufferByteCount = 128 }, { $0.receiveBudget = 0 },
    ]
    for change in bad { #expect(throws: DriverError.self) { try FakeBench(change) } }
  }

  @Test("features follow the configuration")
  func features() throws {
    #expect(
      try FakeBench().driver.features == [
        .transmitChecksum, .receiveChecksum, .segmentationIPv4, .segmentationIPv6,
      ])
    #expect(try FakeBench { $0.segmentation = false }.driver.features == [.transmitChecksum, .receiveChecksum])
    #expect(try FakeBench { $0.segmentationBuffers = 0 }.driver.features == [.transmitChecksum, .receiveChecksum])
    #expect(try FakeBench { $0.checksumOffload = false }.driver.features == [])
  }

  @Test("multicast groups go into the exact filter, then into the hash table; modes into RCTL")
  func filters() throws {
    let bench = try FakeBench()
    let groups = (1...17).map { MACAddress(rawValue: 0x0100_5E00_0000 | UInt64($0) << 4) }
    for address in groups + [groups[0], .broadcast, MACAddress("02:00:00:00:00:01")!] {
      bench.driver.setReception(of: address, isWanted: true)
    }
    let registers = bench.device.registers
    #expect(registers[Register.receiveAddressLow + 8] == 0x005E_0001)
    #expect(registers[Register.receiveAddressHigh + 8] == 0x8000_1000)
    #expect(registers[Register.receiveAddressHigh + 15 * 8] == 0x8000_F000)
    // 01:00:5e:00:01:00 and 01:00:5e:00:01:10 hash to 0x000 and 0x100.
    #expect(registers[Register.multicastTable] == 1 && registers[Register.multicastTable + 32] == 1)
    bench.driver.acceptsAllMulticast = true
    #expect(bench.device.registers[Register.receiveControl] == 0x0400_8012)
    bench.driver.isPromiscuous = true
    #expect(bench.device.registers[Register.receiveControl] == 0x0400_801A)
    bench.driver.acceptsAllMulticast = false
    bench.driver.stop()
    try bench.driver.start()
    #expect(bench.device.registers[Register.receiveControl] == 0x0400_801A)
    #expect(bench.device.registers[Register.multicastTable + 32] == 1)
  }

  @Test("a group that comes or goes touches no other's registers; an address changes while it is not valid")
  func stableFilters() throws {
    let bench = try FakeBench()
    func group(_ number: UInt64) -> MACAddress { MACAddress(rawValue: 0x0100_5E00_0000 | number) }
    func writes(_ body: () -> Void) -> [FakeController.Access] {
      bench.device.log = []
      body()
      return bench.device.log
    }
    func set(_ number: UInt64, _ isWanted: Bool) -> [FakeController.Access] {
      writes { bench.driver.setReception(of: group(number), isWanted: isWanted) }
    }
    let (low, high, table) = (
      Register.receiveAddressLow, Register.receiveAddressHigh, Register.multicastTable
    )
    #expect(
      set(0x90, true) == [.write(high + 8, 0), .write(low + 8, 0x005E_0001), .write(high + 8, 0x8000_9000)])
    // A lower one stands behind it.
    #expect(
      set(0x10, true) == [.write(high + 16, 0), .write(low + 16, 0x005E_0001), .write(high + 16, 0x8000_1000)])
    #expect(set(0x10, true) == [] && set(0x20, false) == [])
    for number in 1...13 as ClosedRange<UInt64> { #expect(set(number << 16, true).count == 3) }
    // The exact filter is full: 01:00:5e:00:01:23 and 01:00:5e:01:01:23 hash to 0x230, 01:00:5e:00:11:23 to 0x231.
    #expect(set(0x0123, true) == [.write(table + 0x44, 1 << 16)])
    #expect(set(0x1_0123, true) == [])
    #expect(set(0x1123, true) == [.write(table + 0x44, 3 << 16)])
    #expect(set(0x0123, false) == [])
    #expect(set(0x1_0123, false) == [.write(table + 0x44, 2 << 16)])
    // The next takes the entry that is free; those of the hash table stay there.
    #expect(set(0x90, false) == [.write(high + 8, 0)])
    #expect(set(0x95, true).last == .write(high + 8, 0x8000_9500))
    #expect(set(0x1123, false) == [.write(table + 0x44, 0)])
    let station = writes { bench.driver.apply(ReceiveFilter(station: MACAddress("02:00:00:00:00:07")!)) }
    #expect(
      station.prefix(3) == [.write(high, 0), .write(low, 2), .write(high, 0x8000_0700)] && station.count == 4)
    // While it is stopped nothing is written.
    bench.driver.stop()
    #expect(set(0x95, false) == [])
    try bench.driver.start()
    #expect(bench.device.registers[high + 8] == 0 && bench.device.registers[high + 16] == 0x8000_1000)
  }
}
