import EventLoop
import Events
import IntelNIC
import Link
import Machine
import Memory
import NICModels
import Packets
import Testing

/// A cable end that keeps what it is given, and takes no more than it has room for.
final class RecordingWire: Wire {
  weak var port: (any WirePort)?
  var frames: [[UInt8]] = []
  var room = Int.max
  var readyCalls = 0
  var hasCarrier = true {
    didSet { port?.carrierChanged() }
  }
  /// Called inside of `send`, before the frame is taken or refused.
  var duringSend: (() -> Void)?

  func send(_ frame: RawSpan) -> Bool {
    duringSend?()
    guard room > 0 else { return false }
    room -= 1
    frames.append(frame.array)
    return true
  }

  func portIsReady() { readyCalls += 1 }
}

/// A slot that is nothing but DMA and a pin.
final class BareSlot: FunctionSlot {
  let address = PCIAddress(bus: 0, device: 3, function: 0)
  let dma = DMASpace()
  private(set) var pin = false
  private(set) var assertions = 0
  /// Called inside of the device's call, as an interrupt handler would be.
  var pinChanged: ((Bool) -> Void)?

  func setInterruptPin(_ asserted: Bool) {
    if asserted, !pin { assertions += 1 }
    pin = asserted
    pinChanged?(asserted)
  }
}

/// A model with guest memory, a recording wire and virtual time around it; what a guest would do by hand.
final class ModelBench {
  static let address = MACAddress("52:54:00:12:34:56")!
  /// Bus address of the first byte of guest memory, and where things lie in it.
  static let memoryBase: UInt64 = 0x10_0000
  static let memoryByteCount = 1 << 20
  static let transmitRing = 0x0000
  static let receiveRing = 0x2000
  static let transmitBuffers = 0x1_0000
  static let receiveBuffers = 0x8_0000

  let loop = VirtualLoop(seed: 1)
  let tap: EventTap
  let slot = BareSlot()
  let wire = RecordingWire()
  let model: Intel8254x
  let memory: MemoryWindow
  let registers: MemoryWindow
  private let storage: UnsafeMutableRawPointer
  var transmitEntries = 0
  var tail = 0

  init(_ controller: IntelController = .i82540EM, options: Intel8254x.Options = Intel8254x.Options()) {
    let registerBytes = Intel8254xBAR.memoryByteCount
    storage = .allocate(byteCount: registerBytes + Self.memoryByteCount, alignment: 4096)
    let all = MemoryWindow(storage, count: registerBytes + Self.memoryByteCount)
    all.fill(0, at: 0, count: all.count)
    registers = all.slice(0, registerBytes)
    memory = all.slice(registerBytes, Self.memoryByteCount)
    tap = EventTap(on: loop)
    model = try! Intel8254x(
      controller, address: Self.address, loop: loop, tap: tap, registers: registers, name: "nic0", options: options)
    try! slot.dma.map(memory, at: Self.memoryBase)
    slot.dma.isMasterEnabled = true
    model.attached(to: slot)
    model.plug(into: wire)
  }

  deinit { storage.deallocate() }

  func read(_ register: Int) -> UInt32 { UInt32(truncatingIfNeeded: model.read(bar: 0, offset: register, size: 4)) }
  func write(_ register: Int, _ value: UInt32) { model.write(bar: 0, offset: register, size: 4, value: UInt64(value)) }
  func bus(_ offset: Int) -> UInt64 { Self.memoryBase + UInt64(offset) }
  func errors(_ error: GuestError) -> UInt64 { model.counters.guestErrors[error] }

  /// Link up, by SLU and the time of auto-negotiation; its LSC is taken.
  func bringLinkUp() {
    write(Register.deviceControl, read(Register.deviceControl) | 0x40)
    loop.advance(by: .seconds(1))
    _ = read(Register.interruptCauseRead)
  }

  func setUpTransmit(entries: Int = 16, control: UInt32 = 0x0A) {
    transmitEntries = entries
    tail = 0
    write(Register.transmitBaseLow, UInt32(bus(Self.transmitRing)))
    write(Register.transmitBaseHigh, 0)
    write(Register.transmitLength, UInt32(entries * 16))
    write(Register.transmitHead, 0)
    write(Register.transmitTail, 0)
    write(Register.transmitControl, control)
  }

  /// Receive ring whose descriptors all point at buffers of 2 KiB steps; `free` of them are the device's.
  func setUpReceive(entries: Int = 16, free: Int? = nil, control: UInt32 = 0x0400_8002, bufferStep: Int = 2048) {
    for index in 0..<entries {
      memory.store(
        ReceiveDescriptor(address: bus(Self.receiveBuffers + index * bufferStep)), Self.receiveRing + index * 16)
    }
    write(Register.receiveBaseLow, UInt32(bus(Self.receiveRing)))
    write(Register.receiveBaseHigh, 0)
    write(Register.receiveLength, UInt32(entries * 16))
    write(Register.receiveHead, 0)
    write(Register.receiveTail, UInt32(free ?? entries - 1))
    write(Register.receiveControl, control)
  }

  /// A bench with link, both rings and a receiver for its own address and broadcasts.
  static func running(
    _ controller: IntelController = .i82540EM, options: Intel8254x.Options = Intel8254x.Options()
  ) -> ModelBench {
    let bench = ModelBench(controller, options: options)
    bench.bringLinkUp()
    bench.setUpTransmit()
    bench.setUpReceive()
    return bench
  }

  func put(_ bytes: [UInt8], at offset: Int) {
    for (index, byte) in bytes.enumerated() { memory.store(byte, offset + index) }
  }

  func get(_ offset: Int, _ count: Int) -> [UInt8] { memory.bytes(offset, count).array }

  /// Writes descriptors at the tail, without telling the device.
  func push(_ descriptors: [TransmitDescriptor]) {
    for descriptor in descriptors {
      memory.store(descriptor, Self.transmitRing + tail * 16)
      tail = (tail + 1) % transmitEntries
    }
  }

  func doorbell() { write(Register.transmitTail, UInt32(tail)) }

  func transmit(_ descriptors: [TransmitDescriptor]) {
    push(descriptors)
    doorbell()
  }

  /// Sends a frame by one legacy descriptor.
  func transmit(_ frame: [UInt8], command: TransmitCommand = [.endOfPacket, .insertFCS, .reportStatus]) {
    put(frame, at: Self.transmitBuffers)
    transmit([.legacy(address: bus(Self.transmitBuffers), length: frame.count, command: command)])
  }

  func transmitDescriptor(_ index: Int) -> TransmitDescriptor { memory.load(Self.transmitRing + index * 16) }
  func receiveDescriptor(_ index: Int) -> ReceiveDescriptor { memory.load(Self.receiveRing + index * 16) }

  @discardableResult func deliver(_ frame: [UInt8]) -> Bool { model.receive(frame.span.bytes) }

  /// Checks that frames still pass in both directions, whatever happened before (with rings set up anew).
  func expectAlive(_ comment: Comment? = nil) {
    wire.room = .max
    model.wireIsReady()
    wire.frames = []
    setUpTransmit()
    setUpReceive()
    let frame = Frames.plain(100)
    transmit(frame)
    #expect(wire.frames == [frame], comment)
    // What waited in the packet buffer comes first.
    for _ in 0..<1024 where read(Register.receiveFIFOPacketCount) != 0 {
      write(Register.receiveTail, (read(Register.receiveHead) + 15) % 16)
    }
    let place = Int(read(Register.receiveHead))
    write(Register.receiveTail, UInt32(place + 15) % 16)
    memory.store(ReceiveDescriptor(address: bus(Self.receiveBuffers)), Self.receiveRing + place * 16)
    #expect(deliver(Frames.plain(100, to: Self.address)), comment)
    #expect(receiveDescriptor(place).status.contains(.done), comment)
    #expect(receiveDescriptor(place).length == 100, comment)
  }

  /// EEPROM word `address` by EERD.
  func eepromWord(_ address: UInt8) -> UInt16 {
    write(Register.eepromRead, EEPROMRead(address: address).rawValue)
    let result = EEPROMRead(rawValue: read(Register.eepromRead))
    #expect(result.done)
    return result.data
  }

  func readPHY(_ register: UInt8, phy: UInt8 = 1) -> UInt16 {
    write(Register.mdiControl, MDIControl(read: register, phy: phy).rawValue)
    let result = MDIControl(rawValue: read(Register.mdiControl))
    #expect(result.ready)
    return result.data
  }

  func writePHY(_ register: UInt8, _ value: UInt16) {
    write(Register.mdiControl, MDIControl(write: register, value).rawValue)
    #expect(MDIControl(rawValue: read(Register.mdiControl)).ready)
  }
}
