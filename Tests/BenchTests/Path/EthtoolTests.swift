import Bench
import EventLoop
import Events
import Link
import LinuxABI
import Testing
import Wires

/// SIOCETHTOOL of a station's e1000, down to the controller: what a Debian kernel 6.1 answered on the same models
/// (`eth0` of a guest, its link up), byte for byte where this driver programs the device as Linux's does.
@Suite("ethtool of a station") struct EthtoolTests {
  private func withStation(
    large: Bool = false, _ body: @escaping (_ ask: ([UInt32], Int) throws -> (Int, [UInt32])) throws -> Void
  ) throws {
    let loop = VirtualLoop(seed: 3, limit: .zero + .seconds(600))
    var options = Station.Options()
    if large { options.board.controller = .i82545EM }
    let station = try Station(name: "station", on: loop, tap: EventTap(on: loop), options: options)
    try station.start(on: LoopbackPlug(on: loop))
    loop.advance(by: .seconds(1))
    let memory = UserMemory(byteCount: 8192)
    let s = UInt(try station.system.socket(2, 2, 0))
    func ask(_ words: [UInt32], _ count: Int) throws -> (Int, [UInt32]) {
      let data = memory.base + 64
      let input = words.flatMap { word in (0..<4).map { UInt8(word >> (8 * $0) & 0xFF) } }
      try memory.copy(input + [UInt8](repeating: 0, count: 4096 - input.count), to: data)
      let name = Array(station.interface.name.utf8)
      let request = name + [UInt8](repeating: 0, count: 16 - name.count) + withUnsafeBytes(of: data) { Array($0) }
      try memory.copy(request + [UInt8](repeating: 0, count: 16), to: memory.base)
      var result = 0
      try loop.run { result = await station.system.call(16, [s, 0x8946, memory.base], in: memory) }
      let answer = try memory.bytes(data, 4 * count)
      return (result, (0..<count).map { answer.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self) })
    }
    try body(ask)
  }
  private func expect(
    _ answer: (Int, [UInt32]), _ words: [UInt32], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(answer.0 == 0 && answer.1 == words, sourceLocation: sourceLocation)
  }

  @Test("the 82540EM's answers are those of Linux's driver")
  func small() throws {
    try withStation { ask in
      expect(try ask([1], 11), [1, 0xEF, 0xEF, 0x1_03E8, 0x1_0000, 0, 0, 0x0301_0000, 0, 0, 0])
      expect(try ask([5], 5), [5, 0x2E, 0, 0, 0])
      expect(try ask([7], 2), [7, 7])
      expect(try ask([0xA], 2), [0xA, 1])
      expect(try ask([0xB, 0, 0, 4], 5), [0xB, 0x100E_8086, 0, 4, 0x1200_5452])
      #expect(try ask([0xE], 0).0 == -95 && ask([0xF, 3], 0).0 == -95)
      expect(try ask([0x10], 9), [0x10, 4096, 0, 0, 4096, 256, 0, 0, 256])
      expect(try ask([0x3A, 0], 2), [0x3A, 2])
      let registers = try ask([4, 0, 128], 35)
      #expect(registers.0 == 0 && Array(registers.1.prefix(3)) == [4, 0x0102_100E, 128])
      // STATUS, RDLEN, TDLEN; the PHY's kind, PSSTAT, PSCON, GSTATUS.
      #expect(registers.1[3 + 1] == 0x0000_0A83 && registers.1[3 + 3] == 4096 && registers.1[3 + 8] == 4096)
      #expect([12, 13, 17, 24].map { registers.1[3 + $0] } == [0, 0xAC00, 0x68, 0x7C00])
      #expect(try ask([0x11, 0, 0, 0, 0, 257, 0, 0, 255], 0).0 == 0)
      expect(try ask([0x10], 9), [0x10, 4096, 0, 0, 4096, 264, 0, 0, 256])
      // Half a gigabit's duplex there is not; 100 Mbit/s there is.
      #expect(try ask([2, 0, 0, 0x0000_03E8, 0, 0, 0, 0, 0, 0, 0], 0).0 == -22)
      #expect(try ask([2, 0, 0, 0x0001_0064, 0, 0, 0, 0, 0, 0, 0], 0).0 == 0)
    }
  }

  @Test("the 82545EM's are, with its interrupt throttling and without wake-up")
  func large() throws {
    try withStation(large: true) { ask in
      expect(try ask([5], 5), [5, 0, 0, 0, 0])
      expect(try ask([0xB, 0, 0x7E, 4], 5), [0xB, 0x100F_8086, 0x7E, 4, 0x0000_18BB])
      #expect(try ask([0xF, 100], 0).0 == 0)
      expect(try ask([0xE], 3), [0xE, 100, 0])
      for invalid: UInt32 in [2, 5, 10_001] { #expect(try ask([0xF, invalid], 0).0 == -22) }
      #expect(try ask([0xF, 0, 1], 0).0 == -95)
      #expect(try ask([4, 0, 128], 35).1[1] == 0x0101_100F)
    }
  }

  @Test("the whole test passes and says so")
  func selfTest() throws {
    try withStation { ask in
      for flags: UInt32 in [0, 1] {
        expect(try ask([0x1A, flags], 14), [0x1A, flags, 0, 5] + [UInt32](repeating: 0, count: 10))
      }
      #expect(try ask([0x1B, 0, 0], 3).1[2] == 5 && ask([0x1B, 1, 0], 3).1[2] == ask([0x1D, 0], 2).1[1])
    }
  }
}
