import EventLoop
import Foundation
import Machine
import Memory
import Testing

@Suite struct MachineImageTests {
  let directory: URL

  init() throws {
    directory = FileManager.default.temporaryDirectory.appendingPathComponent("machine-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
  }

  func path(_ name: String) -> String { directory.appendingPathComponent(name).path }

  /// A machine with a NIC whose registers lie in shared memory.
  static func box(path: String? = nil) throws -> (Box, MemoryWindow) {
    let box = try Box(memoryByteCount: 1 << 20, path: path)
    let registers = try box.machine.makeRegisterFile(byteCount: 128 << 10)
    try box.machine.plug(ProbeFunction.nic(), at: at(3), name: "82540EM", registers: [0: registers])
    box.machine.enumerate()
    return (box, registers.window)
  }

  @Test("another reader sees configuration, registers and memory of a process")
  func byProcess() throws {
    let (box, registers) = try Self.box()
    registers.store(UInt32(0x8000_0243), 8)
    box.machine.memory.store(UInt32(0xFEED), 0x2000)
    let mine = try #require(
      try MachineImage.paths(process: ProcessInfo.processInfo.processIdentifier).first {
        $0.hasSuffix("/\(box.machine.sharedMemory.descriptor)")
      })
    let image = try MachineImage(path: mine)
    #expect(image.devices == box.machine.devices)
    #expect(image.devices.listing == box.machine.devices.listing)
    let bytes = try #require(image.registers(of: at(3), bar: 0))
    #expect(bytes.count == 128 << 10 && Array(bytes[8..<12]) == [0x43, 0x02, 0x00, 0x80])
    #expect(try image.readMemory(at: 0x10_2000, count: 4) == [0xED, 0xFE, 0, 0])
    #expect(image.configuration(of: at(3))?.prefix(4) == [0x86, 0x80, 0x0E, 0x10])
    #expect(image.configuration(of: at(5)) == nil && image.registers(of: at(3), bar: 1) == nil)
    _ = try MachineImage(reading: String(ProcessInfo.processInfo.processIdentifier))
  }

  @Test(
    "memory is read only where it is",
    arguments: [
      (0xF_FFFF, 1), (0x20_0000, 1), (0x1F_FFFF, 2), (0, 1), (.max, 1), (0x10_0000, -1), (0x10_0000, 0x100_0001),
    ] as [(UInt64, Int)])
  func outside(address: UInt64, count: Int) throws {
    let (_, _) = try Self.box(path: path("m"))
    let image = try MachineImage(reading: path("m"))
    #expect(throws: MachineImageError.outsideMemory(busAddress: address, count: count)) {
      try image.readMemory(at: address, count: count)
    }
  }

  @Test("a machine's file replaces an older machine's, and no other file")
  func named() throws {
    let (first, registers) = try Self.box(path: path("m"))
    let (_, _) = try Self.box(path: path("m"))
    registers.store(UInt32(1), 0)
    #expect(first.machine.devices.count == 2)
    try Data("precious".utf8).write(to: URL(fileURLWithPath: path("other")))
    #expect(throws: MachineError.self) { try Box(path: path("other")) }
    #expect(try String(contentsOfFile: path("other"), encoding: .utf8) == "precious")
    #expect(throws: MachineError.self) { try Box(path: path("no/such/directory")) }
  }

  @Test("what is no machine is refused by name")
  func notMachines() throws {
    #expect(throws: MachineImageError.unreadable(path: path("none"), code: ENOENT)) {
      try MachineImage(reading: path("none"))
    }
    #expect(throws: MachineImageError.notAMachine(path: directory.path)) { try MachineImage(path: directory.path) }
    #expect(throws: MachineImageError.notAMachine(path: "/dev/zero")) { try MachineImage(path: "/dev/zero") }
    #expect(throws: MachineImageError.noSuchProcess("99999999999")) { try MachineImage(reading: "99999999999") }
    #expect(throws: MachineImageError.noSuchProcess("2147483647")) { try MachineImage(reading: "2147483647") }
    try Data(repeating: 0, count: 8192).write(to: URL(fileURLWithPath: path("zeros")))
    #expect(throws: MachineImageError.notAMachine(path: path("zeros"))) { try MachineImage(path: path("zeros")) }
    try #require(mkfifo(path("pipe"), 0o600) == 0)
    #expect(throws: MachineImageError.notAMachine(path: path("pipe"))) { try MachineImage(path: path("pipe")) }
  }

  /// Overwrites bytes of a file.
  static func poke(_ bytes: [UInt8], _ path: String, at offset: UInt64) throws {
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
    try file.seek(toOffset: offset)
    try file.write(contentsOf: Data(bytes))
    try file.close()
  }

  @Test(
    "a damaged table is refused by name",
    arguments: [
      (8, [2, 0, 0, 0]), (16, [0, 1, 0, 0]), (20, [32, 0, 0, 0]), (31, [1]), (12, [1]),
      (64, [9]), (64 + 16, [0, 0, 0, 0]), (64 + 23, [0x80]), (64 + 31, [0xFF]),
      (64 + 8, [255, 255, 255, 255, 255, 255, 255, 255]),
      (64 + 24, [0, 0, 0, 0, 0, 0, 0, 0]), (128 + 24, [1]), (256 + 6, [7]), (256 + 16, [0, 0, 0x10, 0]),
    ] as [(UInt64, [UInt8])])
  func damage(offset: UInt64, bytes: [UInt8]) throws {
    let (_, _) = try Self.box(path: path("m"))
    _ = try MachineImage(path: path("m"))
    try Self.poke(bytes, path("m"), at: offset)
    #expect(throws: MachineImageError.self) { try MachineImage(path: path("m")) }
  }

  @Test("every length of a cut file is refused, without a crash")
  func truncation() throws {
    let (_, _) = try Self.box(path: path("m"))
    let whole = Int(try #require(try FileManager.default.attributesOfItem(atPath: path("m"))[.size] as? Int))
    let image = try MachineImage(path: path("m"))
    let lengths =
      Array(0..<2000) + stride(from: 2000, to: 16 << 10, by: 97) + stride(from: 16 << 10, to: whole, by: 65_537)
    for length in (lengths + [whole - 1]).reversed() {
      #expect(truncate(path("m"), length) == 0)
      #expect(throws: MachineImageError.self, "\(length) bytes") { try MachineImage(path: path("m")) }
    }
    // The reader that was there before the cut lives on.
    #expect(throws: MachineImageError.truncated(path: path("m"))) { try image.readMemory(at: 0x10_0000, count: 64) }
    #expect(image.devices.count == 2)
  }

  @Test("random damage ends in an image or a named error, and the listing in text", arguments: 0..<4)
  func corruption(seed: Int) throws {
    let (_, _) = try Self.box(path: path("m"))
    let random = SeededRandom(seed: UInt64(seed))
    var readable = 0
    for _ in 0..<250 {
      var undo: [(UInt64, UInt8)] = []
      for _ in 0..<Int(random.uniform(1...4)) {
        // Header and table, or a configuration space.
        let offset =
          random.chance(0.6)
          ? random.uniform(0...450) : 0x10_0000 + random.uniform(0...1) * 0x1_8000 + random.uniform(0...255)
        let old = try Self.byte(path("m"), at: UInt64(offset))
        undo.append((UInt64(offset), old))
        try Self.poke([UInt8(truncatingIfNeeded: random.next())], path("m"), at: UInt64(offset))
      }
      do throws(MachineImageError) {
        let image = try MachineImage(path: path("m"))
        #expect(!image.devices.listing.isEmpty || image.devices.isEmpty)
        for region in image.regions where region.kind == .memory {
          _ = try image.readMemory(at: region.busAddress, count: min(64, Int(region.byteCount)))
        }
        readable += 1
      } catch {
        #expect(!error.description.isEmpty)
      }
      for (offset, byte) in undo.reversed() { try Self.poke([byte], path("m"), at: offset) }
    }
    #expect(readable > 20)
    _ = try MachineImage(path: path("m"))
  }

  static func byte(_ path: String, at offset: UInt64) throws -> UInt8 {
    let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
    defer { try? file.close() }
    try file.seek(toOffset: offset)
    return try #require(try file.read(upToCount: 1)?.first)
  }
}
