import EventLoop
import LinuxABI
import Packets
import Sockets
import Testing

@Suite("SIOCGSTAMP in virtual time")
struct ArrivalTimeTests {
  /// The time that is told, in milliseconds of the loop; nil for ENOENT.
  private static func ask(_ bench: BenchKernel, _ s: Int32) async throws -> Int64? {
    let memory = bench.memory
    let arguments = [UInt(s), ControlRequest.SIOCGSTAMPNS, memory.base]
    let result = await bench.calls.call(SystemCallNumber.ioctl.rawValue, arguments, in: memory)
    guard result == 0 else {
      #expect(result == -Int(Errno.ENOENT.rawValue))
      return nil
    }
    let seconds = try memory.load(memory.base, as: Int64.self)
    let nanoseconds = try memory.load(memory.base + 8, as: Int64.self)
    return (seconds * 1_000_000_000 + nanoseconds - bench.loop.epochNanoseconds) / 1_000_000
  }

  /// `asksFirst`: before the datagram is sent, before it is received, or only then.
  @Test(
    "a datagram that came before anybody had asked has the time of the first question after it",
    arguments: [(true, false, 10), (false, true, 30), (false, false, 30), (true, true, 10)])
  func first(asksBeforeSending: Bool, asksBeforeReceiving: Bool, expected: Int64) throws {
    let bench = BenchKernel()
    let calls = bench.calls
    try bench.loop.run {
      let s = try calls.socket(2, SocketType.SOCK_DGRAM, 0)
      try calls.bind(s, to: Endpoint(.loopback, 5000))
      if asksBeforeSending { #expect(try await Self.ask(bench, s) == nil) }
      try await bench.loop.sleep(for: .milliseconds(10))
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4, alignment: 1)
      defer { buffer.deallocate() }
      buffer.initializeMemory(as: UInt8.self, repeating: 1)
      _ = try await calls.sendto(s, UnsafeRawBufferPointer(buffer), to: Endpoint(.loopback, 5000))
      try await bench.loop.sleep(for: .milliseconds(10))
      // Nothing was received yet, whatever has come.
      if asksBeforeReceiving { #expect(try await Self.ask(bench, s) == nil) }
      #expect(try await calls.read(s, buffer) == 4)
      try await bench.loop.sleep(for: .milliseconds(10))
      #expect(try await Self.ask(bench, s) == expected)
      try await bench.loop.sleep(for: .milliseconds(10))
      #expect(try await Self.ask(bench, s) == expected)
      await calls.closeAll()
    }
  }
}
