import EventLoop
import FuzzScript
import IntelNIC
import Link
import Machine
import Memory
import NICModels

/// Reads a script: an octet says what is done, those behind it how. From inside of the interrupt line and of the wire
/// the same script goes on, to a certain depth.
final class Guest {
  private let world: World
  private var script: Script
  private var depth = 0
  private var steps = 0
  private static let rows = RegisterTable.family8254x.rows

  init(_ world: World, _ script: Script) {
    self.world = world
    self.script = script
    world.slot.pinChanged = { [unowned self] _ in interrupted() }
    world.wire.duringSend = { [unowned self] in interrupted() }
  }

  func play() {
    while !script.isOver, steps < 600 { step() }
  }

  /// Something called back: the script says how often that is taken as an occasion.
  private func interrupted() {
    guard depth < 3, !script.isOver, steps < 600, script.byte() & 3 == 3 else { return }
    depth += 1
    step()
    depth -= 1
  }

  private func step() {
    steps += 1
    switch script.byte() & 31 {
    case 0, 1: writeNamed()
    case 2: world.write(Int(script.half() & 0x7FFF) << 2, script.word())
    case 3: _ = world.read(script.byte() & 1 == 0 ? namedOffset() : Int(script.half() & 0x7FFF) << 2)
    case 4: io()
    case 5: configure()
    case 6: transmitRing()
    case 7: receiveRing()
    case 8, 9: legacyDescriptor()
    case 10, 11: contextDescriptor()
    case 12, 13: dataDescriptor()
    case 14: anyDescriptor()
    case 15, 16: world.write(Register.transmitTail, UInt32(script.below(9)))
    case 17, 18: buffers()
    case 19, 20: frame()
    case 21: rawFrame()
    case 22: wire()
    case 23: time()
    case 24: reset()
    case 25: memoryComesOrGoes()
    case 26: memoryBytes()
    case 27: eeprom()
    case 28: world.write(Register.mdiControl, script.word())
    case 29: phy()
    case 30: linkUp()
    default: packet()
    }
  }

  // MARK: Registers

  private func namedOffset() -> Int {
    let row = Self.rows[script.below(Self.rows.count)]
    return row.offset + (row.count > 1 ? script.below(row.count) * row.stride : 0)
  }

  private func writeNamed() {
    let offset = namedOffset()
    world.write(offset, script.word())
  }

  private func io() {
    let sizes = [1, 2, 4, 8, 3, 0, 4, 4]
    let how = script.byte()
    let size = sizes[Int(how & 7)]
    let offset = how & 8 != 0 ? Int(script.byte()) : how & 16 != 0 ? 4 : 0
    let bar = how & 32 != 0 ? 1 : Int(how >> 6)
    if how & 1 == 0 {
      _ = world.model.read(bar: bar, offset: offset, size: size)
    } else {
      world.write(offset, script.word(), bar: bar, size: size)
    }
  }

  private func configure() {
    let offset = Int(script.byte())
    world.configure(offset, size: 1 << script.below(3), script.word())
  }

  private func linkUp() {
    world.write(Register.deviceControl, 0x241)
    world.settle()
    if depth == 0 { world.loop.advance(by: .milliseconds(30)) }
  }

  private func phy() {
    let register = script.byte() & 31
    world.write(Register.mdiControl, MDIControl(write: register, script.half()).rawValue)
  }

  /// A command on the pins of the EEPROM.
  private func eeprom() {
    func pins(_ select: Bool, _ clock: Bool, _ data: Bool) {
      var control = EEPROMControl()
      control.request = true
      control.chipSelect = select
      control.clock = clock
      control.dataIn = data
      world.write(Register.eepromControl, control.rawValue)
    }
    pins(false, false, false)
    pins(true, false, false)
    let bits = script.word()
    for index in 0..<Int(script.byte() & 31) {
      let data = bits >> UInt32(index) & 1 == 1
      pins(true, false, data)
      pins(true, true, data)
    }
    if script.byte() & 1 == 1 { world.write(Register.eepromControl, 0) }
  }

  // MARK: Rings

  /// The rings that ``legacyDescriptor()`` and the others write into: eight descriptors, at the start of the first
  /// region and 128 bytes further; or wherever the script says.
  private func transmitRing() {
    let isPlain = script.byte() & 3 != 0
    let base = isPlain ? World.places[0].start : address()
    world.write(Register.transmitBaseLow, UInt32(truncatingIfNeeded: base))
    world.write(Register.transmitBaseHigh, UInt32(truncatingIfNeeded: base >> 32))
    world.write(Register.transmitLength, isPlain ? 128 : UInt32(script.half()) << 4)
    world.write(Register.transmitHead, isPlain ? 0 : UInt32(script.byte()))
    world.write(Register.transmitTail, isPlain ? 0 : UInt32(script.byte()))
    world.write(Register.transmitControl, 0x0A)
  }

  private func receiveRing() {
    let how = script.byte()
    let isPlain = how & 3 != 0
    let base = isPlain ? World.places[0].start + 128 : address()
    world.write(Register.receiveBaseLow, UInt32(truncatingIfNeeded: base))
    world.write(Register.receiveBaseHigh, UInt32(truncatingIfNeeded: base >> 32))
    world.write(Register.receiveLength, isPlain ? 128 : UInt32(script.half()) << 4)
    world.write(Register.receiveHead, isPlain ? 0 : UInt32(script.byte()))
    world.write(Register.receiveTail, isPlain ? 7 : UInt32(script.byte()))
    // Promiscuous, broadcasts, no FCS; or anything.
    world.write(Register.receiveControl, how & 4 == 0 ? 0x0400_801A : script.word() | 2)
  }

  /// An address in some region, at its edges, or anywhere.
  private func address() -> UInt64 {
    let how = script.byte()
    let place = World.places[Int(how & 3)]
    switch how >> 2 & 7 {
    case 0: return script.long()
    case 1: return place.start &+ UInt64(place.count) &- UInt64(script.byte())
    case 2: return place.start &- UInt64(script.byte())
    case 3: return 0
    default: return place.start + UInt64(script.half()) % UInt64(place.count)
    }
  }

  private func put(_ descriptor: TransmitDescriptor) {
    guard let memory = world.window(0) else { return }
    memory.store(descriptor, 16 * script.below(8))
  }

  private func command() -> TransmitCommand { TransmitCommand(rawValue: script.byte()) }

  private func length() -> Int {
    let how = script.byte()
    return how < 128 ? Int(how) : how < 240 ? Int(script.half()) : Int(script.word() & 0xF_FFFF)
  }

  private func legacyDescriptor() {
    put(
      .legacy(
        address: address(), length: length(), command: command(), checksumStart: script.byte(),
        checksumOffset: script.byte(), special: script.half()))
  }

  private func contextDescriptor() {
    let how = script.byte()
    let isTCP = how & 1 != 0
    let isIPv4 = how & 2 != 0
    var fields: TransmitContextCommand = how & 4 != 0 ? [.segment] : []
    if isTCP { fields.insert(.tcp) }
    if isIPv4 { fields.insert(.ipv4) }
    let transport: UInt8 = isIPv4 ? 34 : 54
    var context = TransmitContext(
      ipStart: 14, ipOffset: 24, ipEnd: UInt16(transport - 1), transportStart: transport,
      transportOffset: transport + (isTCP ? 16 : 6), transportEnd: 0, payloadLength: length(),
      headerLength: transport + (isTCP ? 20 : 8), maximumSegmentSize: script.half(), command: fields)
    // One or two fields are something else.
    if how & 8 != 0 { context.low ^= UInt64(script.byte()) << UInt64(script.byte() & 63) }
    if how & 16 != 0 { context.high ^= UInt64(script.byte()) << UInt64(script.byte() & 63) }
    put(context.descriptor)
  }

  private func dataDescriptor() {
    put(
      .data(
        address: address(), length: length(), command: command(), options: TransmitOptions(rawValue: script.byte()),
        special: script.half()))
  }

  private func anyDescriptor() { put(TransmitDescriptor(low: script.long(), high: script.long())) }

  private func buffers() {
    if let memory = world.window(0) {
      for index in 0..<8 { memory.store(ReceiveDescriptor(address: address()), 128 + 16 * index) }
    }
    world.write(Register.receiveTail, UInt32(script.below(9)))
  }

  // MARK: Memory

  private func memoryComesOrGoes() {
    let index = Int(script.byte() & 3)
    if world.window(index) == nil { world.map(index) } else { world.unmap(index) }
  }

  private func memoryBytes() {
    guard let memory = world.window(Int(script.byte() & 3)) else { return }
    let place = Int(script.half()) % (memory.count - 256)
    for index in 0..<Int(script.byte()) { memory.store(script.byte(), place + index) }
  }

  /// A packet with headers that segmentation takes, at the place that ``address()`` finds with few octets.
  private func packet() {
    let how = script.byte()
    guard let memory = world.window(Int(how & 1)) else { return }
    let place = Int(script.half()) % (memory.count - 256)
    for (index, byte) in Self.headers(isTCP: how & 2 != 0, isIPv4: how & 4 != 0).enumerated() {
      memory.store(byte, place + index)
    }
  }

  static func headers(isTCP: Bool, isIPv4: Bool) -> [UInt8] {
    let link: [UInt8] = [0x52, 0x54, 0, 0x12, 0x34, 0x56, 2, 0, 0, 0, 0, 1]
    let number: UInt8 = isTCP ? 6 : 17
    let network: [UInt8] =
      isIPv4
      ? [8, 0, 0x45, 0, 0, 60, 0, 1, 0x40, 0, 64, number, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2]
      : [0x86, 0xDD, 0x60, 0, 0, 0, 0, 20, number, 64] + [UInt8](repeating: 0x20, count: 32)
    let transport: [UInt8] =
      isTCP ? [4, 1, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x19, 0x20, 0, 0, 0, 0, 0] : [4, 1, 0, 53, 0, 0, 0, 0]
    return link + network + transport
  }

  // MARK: The wire, time and resets

  private func frame() {
    let how = script.byte()
    var bytes = Self.headers(isTCP: how & 1 != 0, isIPv4: how & 2 != 0)
    if how & 4 != 0 { bytes.replaceSubrange(0..<6, with: [UInt8](repeating: 0xFF, count: 6)) }
    if how & 8 != 0 { bytes.insert(contentsOf: [0x81, 0, script.byte(), script.byte()], at: 12) }
    if how & 16 != 0 { bytes[script.below(bytes.count)] ^= script.byte() }
    if how & 32 != 0 {
      bytes = [1, 0x80, 0xC2, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0x88, 0x08, 0, script.byte() & 1, script.byte(), 0]
    }
    if how & 64 != 0 { bytes += [UInt8](repeating: script.byte(), count: script.below(17_000)) }
    world.offer(bytes)
  }

  private func rawFrame() { world.offer((0..<Int(script.byte())).map { _ in script.byte() }) }

  private func wire() {
    let how = script.byte()
    world.wire.room = Int(script.byte())
    switch how & 7 {
    case 0:
      world.wire.hasCarrier.toggle()
      world.model.carrierChanged()
    case 1: world.model.plug(into: depth == 0 ? nil : world.wire)
    case 2: world.model.plug(into: world.wire)
    default: world.model.wireIsReady()
    }
  }

  private func time() {
    guard depth == 0 else { return }
    world.settle()
    let unit = script.byte() & 1 == 0 ? 1 : 1_000
    world.loop.advance(by: .microseconds(Int(script.half()) * unit))
  }

  private func reset() {
    if script.byte() & 1 == 0 {
      world.write(Register.deviceControl, 1 << 26)
    } else {
      world.model.reset()
    }
  }
}
