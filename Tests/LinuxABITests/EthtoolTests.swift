import EventLoop
import Events
import Link
import LinuxABI
import NetStack
import Testing

/// SIOCETHTOOL of an interface whose driver answers. Layouts, orders and errors are those of a Debian kernel 6.1 with
/// its own e1000 driver on this project's 82540EM (a program in the guest printed every command's result and bytes),
/// and of 6.18 where the generic part differs: four words of link modes, EINVAL for wake-up events that the device has
/// not.
@Suite("ethtool asks a driver") final class EthtoolTests {
  private let loop = VirtualLoop(seed: 1, limit: .zero + .seconds(60))
  private let device = DiagnosedDevice()
  private let calls: SystemCalls
  private let interface: NetworkInterface
  private let memory = UserMemory(byteCount: 16_384)
  private let place: UInt

  init() {
    let stack = NetworkStack(on: loop, tap: EventTap(on: loop))
    interface = stack.attach(device)
    calls = SystemCalls(stack: stack)
    place = memory.base + 4096
  }

  private static func bytes(_ words: [UInt32]) -> [UInt8] {
    words.flatMap { word in (0..<4).map { UInt8(word >> (8 * $0) & 0xFF) } }
  }

  /// The result of a command that begins with `words`, among bytes A5, and the bytes that are there after it.
  private func ask(_ words: [UInt32], count: Int = 0, at: UInt? = nil) throws -> (result: Int, bytes: [UInt8]) {
    let place = at ?? self.place
    let input = Self.bytes(words)
    let room = memory.stretch(place, 8192)
    for index in room.indices { room[index] = index < input.count ? input[index] : 0xA5 }
    let request = Array("nic0".utf8) + [UInt8](repeating: 0, count: 12) + withUnsafeBytes(of: place) { Array($0) }
    try memory.copy(request + [UInt8](repeating: 0, count: 16), to: memory.base)
    var result = 0
    try loop.run { [calls, memory] in
      let s = UInt(await calls.call(SystemCallNumber.socket.rawValue, [2, 2, 0], in: memory))
      result = await calls.call(SystemCallNumber.ioctl.rawValue, [s, 0x8946, memory.base], in: memory)
      _ = await calls.call(SystemCallNumber.close.rawValue, [s], in: memory)
    }
    return (result, Array(room.prefix(count)))
  }

  /// Asks, and compares every stored byte, and that no more is stored.
  private func expect(
    _ words: [UInt32], _ answer: [UInt32], _ rest: [UInt8] = [], sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let expected = Self.bytes(answer) + rest
    let (result, bytes) = try ask(words, count: expected.count + 16)
    #expect(result == 0 && Array(bytes.prefix(expected.count)) == expected, sourceLocation: sourceLocation)
    #expect(bytes.suffix(16).allSatisfy { $0 == 0xA5 }, sourceLocation: sourceLocation)
  }

  private func refuse(
    _ words: [UInt32], _ errno: Errno, at: UInt? = nil, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    #expect(try ask(words, at: at).result == -Int(errno.rawValue), sourceLocation: sourceLocation)
  }

  private static func field(_ text: String, _ count: Int) -> [UInt8] {
    Array(text.utf8) + [UInt8](repeating: 0, count: count - text.utf8.count)
  }

  @Test("GDRVINFO: driver, kernel, bus, and how much there is of everything")
  func driver() throws {
    try expect(
      [3], [3],
      Self.field("driver", 32) + Self.field("6.18.0", 64) + Self.field("0000:00:01.0", 76)
        + Self.bytes([0, 2, 3, 128, 12]))
    try expect([7], [7, 7])
    #expect(try ask([8, 0x1_0005]).result == 0)
    try expect([7], [7, 0x1_0005])
  }

  @Test("GREGS: as many bytes as there is room for, at most all")
  func registers() throws {
    for (room, count, words): (UInt32, UInt32, [UInt32]) in [
      (0, 0, []), (4, 4, [1]), (12, 12, [1, 2, 3]), (13, 12, [1, 2, 3]), (.max, 12, [1, 2, 3]),
    ] {
      try expect([4, 0, room], [4, 0x0102_0304, count] + words)
    }
    try expect([4, 0, 6], [4, 0x0102_0304, 6, 1], [2, 0])
  }

  @Test("GEEPROM and SEEPROM: a range that lies in it, and the number of the kind of device")
  func eeprom() throws {
    try expect([0xB, 0, 1, 3], [0xB, 0x100E_8086, 1, 3], [1, 2, 3])
    for (offset, length): (UInt32, UInt32) in [
      (0, 0), (0x80, 1), (0x7E, 4), (.max, 2), (0, .max), (1, .max), (.max, .max),
    ] {
      try refuse([0xB, 0, offset, length], .EINVAL)
      try refuse([0xC, 0x100E_8086, offset, length], .EINVAL)
    }
    try refuse([0xC, 0x100F_8086, 0, 1], .EFAULT)
    #expect(try ask([0xC, 0x100E_8086, 0x7C, 4, 0x0403_0201]).result == 0)
    #expect(Array(device.eeprom.suffix(5)) == [0x7B, 1, 2, 3, 4])
    // The bytes behind it are not all there.
    let end = memory.base + 16_384
    try refuse([0xC, 0x100E_8086, 0, 0x80], .EFAULT, at: end - 16)
    try refuse([0xB, 0, 0, 0x80], .EFAULT, at: end - 16)
    device.refusal = .failed
    try refuse([0xC, 0x100E_8086, 0, 1], .EIO)
  }

  @Test("GSET and GLINKSETTINGS: the same link in both structures; without one speed and duplex are all ones")
  func linkSettings() throws {
    try expect([1], [1, 0xEF, 0xC1, 0x0000_0064, 0x0001_0000, 0, 0, 0x0302_0000, 0, 0, 0])
    let base: [UInt32] = [0x4C, 100, 0x0100_0000, 0x0403_0200, 0, 0, 0, 0, 0, 0, 0, 0]
    try expect([0x4C, 0, 0, 0x0400_0000], base + [0xEF, 0, 0, 0, 0xC1, 0, 0, 0, 0, 0, 0, 0])
    // How many words a bitmap has is told to who says another number.
    for asked: UInt32 in [0, 0x0300_0000, 0x0500_0000, 0xFC00_0000] {
      try expect([0x4C, 0, 0, asked], [0x4C, 0, 0, 0xFC00_0000, 0, 0, 0, 0, 0, 0, 0, 0])
    }
    device.linkSettings.speed = nil
    device.linkSettings.isFullDuplex = nil
    device.linkSettings.crossover = .unknown
    try expect([1], [1, 0xEF, 0xC1, 0x00FF_FFFF, 0x0001_0000, 0, 0, 0x0300_FFFF, 0, 0, 0])
  }

  @Test("SSET and SLINKSETTINGS ask the driver for the same")
  func setLink() throws {
    let wanted = LinkRequest(
      negotiates: true, advertised: LinkModes(rawValue: 0x2F), speed: 0x1_0064, duplex: 1, crossoverControl: 2)
    #expect(try ask([2, 0xFF, 0x2F, 0x0001_0064, 0x0001_0000, 0, 0, 0x0200_0001, 0, 0, 0]).result == 0)
    #expect(device.asked == wanted)
    try refuse([2, 0, 0x2F, 0, 0x0001_0000, 1, 0, 0, 0, 0, 0], .EINVAL)
    try refuse([2, 0, 0x2F, 0, 0x0001_0000, 0, 1, 0, 0, 0, 0], .EINVAL)
    device.asked = nil
    let base: [UInt32] = [0x4D, 0x1_0064, 0x0100_0001, 0x0402_0000]
    let masks: [UInt32] = [0, 0, 0, 0, 0x2F, 0, 0, 0, 0, 0, 0, 0]
    #expect(try ask(base + [0, 0, 0, 0, 0, 0, 0, 0] + masks).result == 0)
    #expect(device.asked == wanted)
    // A role for the clock, and the wrong number of words.
    try refuse(base + [0x100, 0, 0, 0, 0, 0, 0, 0] + masks, .EINVAL)
    try refuse([0x4D, 0, 0, 0xFC00_0000], .EINVAL)
    try refuse(base + [0, 0, 0, 0, 0, 0, 0, 0], .EFAULT, at: memory.base + 16_384 - 48)
    device.refusal = .invalid
    try refuse([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], .EINVAL)
    device.refusal = nil
    #expect(try ask([9]).result == 0)
    #expect(device.restarts == 1)
  }

  @Test("pause, rings, interrupts, wake-up: what is told, what is set, what is refused")
  func parameters() throws {
    try expect([0x12], [0x12, 1, 0, 1])
    #expect(try ask([0x13, 0, 5, 0]).result == 0)
    try expect([0x12], [0x12, 0, 1, 0])

    try expect([0x10], [0x10, 4096, 0, 0, 2048, 256, 0, 0, 128])
    #expect(try ask([0x11, 0, 0, 0, 0, 4096, 0, 0, 2048]).result == 0)
    try expect([0x10], [0x10, 4096, 0, 0, 2048, 4096, 0, 0, 2048])
    for sizes: [UInt32] in [[4097, 0, 0, 1], [1, 1, 0, 1], [1, 0, 1, 1], [1, 0, 0, 2049], [.max, 0, 0, .max]] {
      try refuse([0x11, 0, 0, 0, 0] + sizes, .EINVAL)
    }
    device.refusal = .noMemory
    try refuse([0x11, 0, 0, 0, 0, 64, 0, 0, 64], .ENOMEM)
    device.refusal = nil

    let nothing = [UInt32](repeating: 0, count: 21)
    try expect([0xE], [0xE, 50] + nothing)
    #expect(try ask([0xF, 99] + nothing).result == 0)
    try expect([0xE], [0xE, 99] + nothing)
    for place in 0..<21 {
      var more = nothing
      more[place] = 1
      try refuse([0xF, 1] + more, .EOPNOTSUPP)
    }

    try expect([5], [5, 0x22, 0, 0, 0])
    #expect(try ask([6, 0, 0x20, 0, 0]).result == 0)
    try expect([5], [5, 0x22, 0x20, 0, 0])
    for events: UInt32 in [1, 4, 0x40, 0x100, .max] { try refuse([6, 0, events, 0, 0], .EINVAL) }
  }

  @Test("sets of strings, and what is counted and tested in their order")
  func sets() throws {
    let names = Self.field("rx_packets", 32) + Self.field("tx_packets", 32)
    try expect([0x1B, 1, .max], [0x1B, 1, 2], names)
    try expect([0x1B, 0, 0], [0x1B, 0, 3], ["one", "two", "three"].flatMap { Self.field($0, 32) })
    for set: UInt32 in [2, 3, 7, 10, 64, .max] { try refuse([0x1B, set, 0], .EOPNOTSUPP) }
    try expect([0x37, 5, .max, .max], [0x37, 0, 0x373, 0, 3, 2, 64, 3, 5, 4, 121])
    try expect([0x1D, 0], [0x1D, 2, 5, 0, 0, 0x100])
    try expect([0x1A, 0, 9, 0], [0x1A, 0, 9, 3, 0, 0, 0, 0, 0, 0])
    try expect([0x1A, 1, 0, 0], [0x1A, 3, 0, 3, 0, 0, 7, 0, 0, 0])
    // Only this flag alone is the whole test.
    try expect([0x1A, 5, 0, 0], [0x1A, 5, 0, 3, 0, 0, 0, 0, 0, 0])
  }

  @Test("features go off and on one by one; segmentation comes back with the checksums that it needs")
  func features() throws {
    func told(_ commands: [UInt32]) throws -> [UInt8] { try commands.map { try ask([$0], count: 8).bytes[4] } }
    let all: [UInt32] = [0x14, 0x16, 0x18, 0x1E, 0x23, 0x2B]
    #expect(try told(all) == [1, 1, 0, 1, 1, 1])
    #expect(try ask([0x17, 0]).result == 0)
    #expect(try told(all) == [1, 0, 0, 0, 1, 1])
    #expect(try ask([0x17, 1]).result == 0)
    #expect(try told(all) == [1, 1, 0, 1, 1, 1])
    #expect(try ask([0x1F, 0]).result == 0)
    #expect(try ask([0x15, 0]).result == 0)
    #expect(try told(all) == [0, 1, 0, 0, 1, 1])
    #expect(device.features == .transmitChecksum)
    // No gathering of pieces, no fragmentation of UDP.
    for command: UInt32 in [0x19, 0x21, 0x22] { try refuse([command, 1], .EOPNOTSUPP) }
    try expect([0x3A, 2], [0x3A, 2, 0x1_4808, 0x4808, 0x4808, 0x400, 0x100, 0, 0, 0])
    try expect([0x3A, 0], [0x3A, 2])
    #expect(try ask([0x3B, 2, 0x1_0000, 0x1_0000, 0x100, 0x100]).result == 0)
    #expect(try told(all) == [1, 1, 0, 1, 1, 1])
    // Segmentation is wanted but cannot be; a feature that there is not.
    #expect(try ask([0x3B, 2, 0x1_0008, 0x1_0000, 0, 0]).result == 2)
    #expect(try ask([0x3B, 2, 1, 1, 0, 0]).result == 1)
    #expect(try ask([0x3B, 2, 0x1_0001, 0x1_0000, 0, 0]).result == 3)
    try refuse([0x3B, 2, 0x400, 0, 0, 0], .EINVAL)
    try refuse([0x3B, 1, 0, 0], .EINVAL)
    for (flags, errno): (UInt32, Errno) in [(1, .EINVAL), (0x80, .EOPNOTSUPP), (0x8000, .EOPNOTSUPP)] {
      try refuse([0x26, flags], errno)
    }
  }

  @Test("what Linux's driver does not answer is EOPNOTSUPP")
  func unanswered() throws {
    for command: UInt32 in [
      0, 0xD, 0x1C, 0x21, 0x22, 0x27, 0x28, 0x29, 0x2A, 0x2D, 0x2E, 0x2F, 0x30, 0x31, 0x32, 0x34, 0x35, 0x36, 0x38,
      0x39, 0x3C, 0x3D, 0x3E, 0x3F, 0x40, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x4B, 0x4E, 0x4F,
      0x50, 0x51, 0x52, 0x53, .max,
    ] {
      try refuse([command, 1, 1, 1], .EOPNOTSUPP)
    }
  }

  @Test("no command of any content traps, with memory that ends anywhere")
  func hostile() throws {
    let end = memory.base + 16_384
    for command in 0..<UInt32(0x56) {
      for fill: UInt32 in [0, 1, 0x7FFF_FFFF, 0xFFFF_FFFF] {
        for room: UInt in [4, 8, 12, 16, 44, 48, 512, 4096] {
          let words = [command] + [UInt32](repeating: fill, count: Int(room) / 4 - 1)
          _ = try ask(words, at: end - room)
        }
      }
    }
  }
}
