import Machine

/// A function that remembers what was done to it: 128 KiB of memory registers and 64 bytes of ports.
final class ProbeFunction: PCIFunction {
  struct Access: Equatable {
    var bar: Int
    var offset: Int
    var size: Int
    var value: UInt64?
  }

  let configuration: ConfigurationSpace
  private(set) var slot: (any FunctionSlot)?
  private(set) var accesses: [Access] = []
  private(set) var configurationWrites: [Int] = []
  private(set) var resets = 0
  /// What reads give.
  var answer: UInt64 = 0x1122_3344_5566_7788
  var onWrite: ((Access) -> Void)?

  init(pin: UInt8 = 1) {
    configuration = ConfigurationSpace(
      vendor: 0x8086, device: 0x100E, classCode: 0x020000, revision: 2, subsystemVendor: 0x8086, subsystem: 0x001E,
      interruptPin: pin)
    try! configuration.addBAR(0, .memory32(prefetchable: false), byteCount: 128 << 10)
    try! configuration.addBAR(1, .io, byteCount: 64)
  }

  func attached(to slot: any FunctionSlot) { self.slot = slot }
  func read(bar: Int, offset: Int, size: Int) -> UInt64 {
    accesses.append(Access(bar: bar, offset: offset, size: size, value: nil))
    return size == 8 ? answer : answer & ((1 << UInt64(size * 8)) - 1)
  }
  func write(bar: Int, offset: Int, size: Int, value: UInt64) {
    let access = Access(bar: bar, offset: offset, size: size, value: value)
    accesses.append(access)
    onWrite?(access)
  }
  func configurationWritten(offset: Int, size: Int) { configurationWrites.append(offset) }
  func reset() { resets += 1 }
}
