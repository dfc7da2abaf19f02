import Memory
import Testing

@Suite("Memory window") struct MemoryWindowTests {
  let memory: SharedMemory
  var window: MemoryWindow { memory.window }

  init() throws { memory = try SharedMemory(creating: "window-test", byteCount: 4096) }

  @Test("integers are stored little-endian, or big-endian where asked, at any alignment", arguments: [0, 1, 7, 4088])
  func byteOrder(offset: Int) {
    window.store(UInt64(0x0102_0304_0506_0708), offset)
    #expect((0..<8).map { window.load(offset + $0, as: UInt8.self) } == [8, 7, 6, 5, 4, 3, 2, 1])
    #expect(window.load(offset, as: UInt32.self) == 0x0506_0708)
    #expect(window.loadBigEndian(offset, as: UInt16.self) == 0x0807)
    window.storeBigEndian(UInt32(0xA1B2_C3D4), offset + 1)
    #expect((1..<5).map { window.load(offset + $0, as: UInt8.self) } == [0xA1, 0xB2, 0xC3, 0xD4])
    #expect(window.loadBigEndian(offset + 1, as: UInt32.self) == 0xA1B2_C3D4)
  }

  @Test("a slice shares its memory and counts from its own start")
  func slice() {
    let slice = window.slice(100, 50)
    slice.store(UInt8(7), 0)
    slice.store(UInt8(9), 49)
    #expect(slice.count == 50)
    #expect(window.load(100, as: UInt8.self) == 7 && window.load(149, as: UInt8.self) == 9)
    #expect(slice.slice(50, 0).count == 0)
  }

  @Test("copying moves exactly the bytes asked for, also when the stretches overlap")
  func copying() {
    for i in 0..<16 { window.store(UInt8(i), i) }
    window.copy(from: window, at: 0, count: 16, to: 4)
    #expect((0..<20).map { window.load($0, as: UInt8.self) } == [0, 1, 2, 3] + Array(0..<16))
    window.copy(from: window, at: 4, count: 16, to: 0)
    #expect((0..<20).map { window.load($0, as: UInt8.self) } == Array(0..<16) + [12, 13, 14, 15])
    window.copy(from: window.bytes(0, 3), to: 1000)
    #expect((999..<1004).map { window.load($0, as: UInt8.self) } == [0, 0, 1, 2, 0])
    window.copy(from: window.bytes(0, 0), to: 4096)
  }

  @Test("filling touches nothing outside")
  func filling() {
    window.fill(0xEE, at: 10, count: 5)
    #expect((9..<16).map { window.load($0, as: UInt8.self) } == [0, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0])
    window.fill(at: 11, count: 1)
    #expect(window.load(11, as: UInt8.self) == 0)
  }

  @Test("a span shows the bytes of its stretch")
  func spans() {
    window.store(UInt16(0x1234), 20)
    let span = window.bytes(20, 2)
    #expect(span.byteCount == 2)
    let bytes = span.withUnsafeBytes { Array($0) }
    #expect(bytes == [0x34, 0x12])
    #expect(window.bytes.byteCount == 4096)
  }

  @Test("an access that ends at the last byte is allowed; one byte further is our own broken invariant")
  func bounds() async {
    window.store(UInt32(1), 4092)
    #expect(window.load(4092, as: UInt32.self) == 1)
    await #expect(processExitsWith: .failure) {
      let window = try SharedMemory(creating: "x", byteCount: 4096)
      _ = window.window.load(4093, as: UInt32.self)
    }
    await #expect(processExitsWith: .failure) {
      let window = try SharedMemory(creating: "x", byteCount: 4096)
      _ = window.window.load(-1, as: UInt8.self)
    }
    await #expect(processExitsWith: .failure) {
      let window = try SharedMemory(creating: "x", byteCount: 4096)
      _ = window.window.slice(.max, 2)
    }
    await #expect(processExitsWith: .failure) {
      let window = try SharedMemory(creating: "x", byteCount: 4096)
      window.window.fill(at: 4000, count: 97)
    }
    await #expect(processExitsWith: .failure) {
      let window = try SharedMemory(creating: "x", byteCount: 4096)
      window.window.copy(from: window.window, at: 0, count: -1, to: 0)
    }
  }
}
