import Glibc
import Memory
import Testing

@Suite("Shared memory") struct SharedMemoryTests {
  @Test("new memory is zeroed and as long as asked")
  func fresh() throws {
    let memory = try SharedMemory(creating: "fresh", byteCount: 128 * 1024)
    #expect(memory.window.count == 128 * 1024)
    #expect((0..<memory.window.count / 8).allSatisfy { memory.window.load($0 * 8, as: UInt64.self) == 0 })
  }

  @Test("a second mapping, as another process makes it, sees each write")
  func secondMapping() throws {
    let memory = try SharedMemory(creating: "seen", byteCount: 8192)
    memory.window.store(UInt32(0xCAFE), 0)
    let view = try SharedMemory(reading: "/proc/self/fd/\(memory.descriptor)")
    #expect(view.window.count == 8192 && view.descriptor != memory.descriptor)
    #expect(view.window.load(0, as: UInt32.self) == 0xCAFE)
    memory.window.store(UInt32(0xBEEF), 8188)
    #expect(view.window.load(8188, as: UInt32.self) == 0xBEEF)
  }

  @Test("a reading mapping outlives the memory's maker")
  func outlives() throws {
    var memory: SharedMemory? = try SharedMemory(creating: "short-lived", byteCount: 4096)
    memory!.window.store(UInt8(5), 17)
    let view = try SharedMemory(reading: "/proc/self/fd/\(memory!.descriptor)")
    memory = nil
    #expect(view.window.load(17, as: UInt8.self) == 5)
  }

  @Test("a part of a descriptor can be mapped for writing")
  func part() throws {
    let memory = try SharedMemory(creating: "part", byteCount: 12_288)
    let part = try SharedMemory(
      mapping: dup(memory.descriptor), byteCount: 4096, offset: 8192, writable: true, subject: "part")
    part.window.store(UInt64(77), 8)
    #expect(memory.window.load(8200, as: UInt64.self) == 77)
  }

  @Test("a write through a reading mapping ends the process, not the bench it looks at")
  func readOnly() async {
    await #expect(processExitsWith: .failure) {
      let memory = try SharedMemory(creating: "protected", byteCount: 4096)
      let view = try SharedMemory(reading: "/proc/self/fd/\(memory.descriptor)")
      view.window.store(UInt8(1), 0)
    }
  }

  @Test("the memory bears its name in /proc")
  func name() throws {
    let memory = try SharedMemory(creating: "named-memory", byteCount: 4096)
    var target = [CChar](repeating: 0, count: 256)
    let count = readlink("/proc/self/fd/\(memory.descriptor)", &target, 255)
    #expect(count > 0)
    let path = String(decoding: target.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    #expect(path == "/memfd:named-memory (deleted)")
  }

  @Test("what fails says which call, on what, and why")
  func errors() throws {
    #expect(throws: SharedMemoryError(operation: "open", subject: "/nowhere/at/all", code: ENOENT)) {
      try SharedMemory(reading: "/nowhere/at/all")
    }
    #expect(throws: SharedMemoryError(operation: "map", subject: "/dev/null", code: ENODATA)) {
      try SharedMemory(reading: "/dev/null")
    }
    let long = String(repeating: "n", count: 300)
    #expect(throws: SharedMemoryError(operation: "memfd_create", subject: long, code: EINVAL)) {
      try SharedMemory(creating: long, byteCount: 4096)
    }
    #expect(throws: SharedMemoryError(operation: "ftruncate", subject: "negative", code: EINVAL)) {
      try SharedMemory(creating: "negative", byteCount: -1)
    }
    #expect(throws: SharedMemoryError(operation: "mmap", subject: "nothing", code: EINVAL)) {
      try SharedMemory(creating: "nothing", byteCount: 0)
    }
    #expect(throws: SharedMemoryError(operation: "mmap", subject: "closed", code: EBADF)) {
      try SharedMemory(mapping: -1, byteCount: 4096, offset: 0, writable: true, subject: "closed")
    }
    let error = SharedMemoryError(operation: "open", subject: "/nowhere", code: ENOENT)
    #expect(error.description == "open /nowhere: No such file or directory")
  }
}
