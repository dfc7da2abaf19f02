import EventLoop
import Events
import Machine
import Memory

/// A function that remembers what the bus did to it.
final class ProbeFunction: PCIFunction {
  struct Access: Equatable {
    var bar: Int
    var offset: Int
    var size: Int
    var value: UInt64?
  }

  let configuration: ConfigurationSpace
  private(set) weak var slot: (any FunctionSlot)?
  private(set) var accesses: [Access] = []
  private(set) var configurationWrites: [Int] = []
  private(set) var resets = 0
  /// What reads give.
  var answer: UInt64 = 0x1122_3344_5566_7788

  init(
    device: UInt16 = 0x100E, pin: UInt8 = 1, bars: [(Int, BaseAddressRegister.Kind, UInt64)] = [],
    byteCount: Int = 256
  ) {
    configuration = ConfigurationSpace(
      vendor: 0x8086, device: device, classCode: 0x020000, revision: 2, subsystemVendor: 0x8086, subsystem: 0x001E,
      interruptPin: pin, byteCount: byteCount)
    for (index, kind, size) in bars { try! configuration.addBAR(index, kind, byteCount: size) }
  }

  /// 128 KiB of registers, 64 bytes of ports: the shape of an 82540EM.
  static func nic(pin: UInt8 = 1) -> ProbeFunction {
    ProbeFunction(pin: pin, bars: [(0, .memory32(prefetchable: false), 128 << 10), (1, .io, 64)])
  }

  func attached(to slot: any FunctionSlot) { self.slot = slot }
  func read(bar: Int, offset: Int, size: Int) -> UInt64 {
    accesses.append(Access(bar: bar, offset: offset, size: size, value: nil))
    return size == 8 ? answer : answer & ((1 << UInt64(size * 8)) - 1)
  }
  func write(bar: Int, offset: Int, size: Int, value: UInt64) {
    accesses.append(Access(bar: bar, offset: offset, size: size, value: value))
  }
  func configurationWritten(offset: Int, size: Int) { configurationWrites.append(offset) }
  func reset() { resets += 1 }
}

/// A machine on a loop in virtual time.
struct Box {
  let loop: VirtualLoop
  let tap: EventTap
  let machine: Machine

  init(memoryByteCount: Int = 4 << 20, path: String? = nil) throws {
    loop = VirtualLoop(seed: 1)
    tap = EventTap(on: loop)
    var options = Machine.Options()
    options.memoryByteCount = memoryByteCount
    options.path = path
    machine = try Machine(on: loop, tap: tap, options: options)
  }

  var bus: PCIBus { machine.bus }
}

func at(_ device: UInt8, _ function: UInt8 = 0, bus: UInt8 = 0) -> PCIAddress {
  PCIAddress(bus: bus, device: device, function: function)
}
