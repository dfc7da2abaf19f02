import LinuxABI
import Testing

@Suite("TCP_ZEROCOPY_RECEIVE tells and copies what Linux tells and copies")
struct ZeroCopyReceiveTests {
  /// `struct tcp_zerocopy_receive`, and what lies behind it.
  private struct Request {
    var address: UInt = 0
    var length: UInt32 = 8192
    var copyAddress: UInt = 0
    var copyLength: Int32 = 0
    var messageFlags: UInt32 = 0
    var reserved: UInt32 = 0
    var tail: [UInt8] = []

    var bytes: [UInt8] {
      func raw<T>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }
      return raw(address) + raw(length) + [7, 0, 0, 0, 7, 0, 0, 0, 7, 0, 0, 0] + raw(copyAddress)
        + raw(copyLength) + raw(UInt32(0)) + [UInt8](repeating: 0, count: 16) + raw(messageFlags) + raw(reserved) + tail
    }
  }

  /// The call, and what it leaves of the structure and the buffer.
  private static func receive(
    _ k: Session, _ s: Int, _ request: Request, room: Int = 64, copies: Int? = nil, line: Int = #line
  ) async {
    var request = request
    let buffer = k.room(16384)
    if let copies {
      request.copyAddress = buffer
      request.copyLength = Int32(copies)
    }
    let value = k.put(request.bytes + [UInt8](repeating: 0, count: 64))
    let length = k.put(Int32(room))
    let result = await k.raw(.getsockopt, [s, 6, Int(OptionName.TCP_ZEROCOPY_RECEIVE), Int(value), Int(length)])
    var bytes = k.get(value, count: max(0, min(room, 64)))
    // Where the buffer lies is a kernel's own affair.
    if copies != nil { for i in 24..<min(32, max(24, bytes.count)) { bytes[i] = 0 } }
    let text = String(decoding: k.get(buffer, count: 16).prefix { $0 != 0 }, as: UTF8.self)
    k.note("\(Session.text(result)), \(k.get(length, as: Int32.self)) \(bytes) '\(text)'", line)
  }

  static let scenarios: [Scenario] = [
    Scenario("lengths", since: KernelVersion(5, 12)) { k in
      let (a, b) = await k.pair()
      for room in 0...64 { await receive(k, b, Request(), room: room) }
      for room in [65, 72, 128] { await receive(k, b, Request(), room: room) }
      for tail: [UInt8] in [[1], [0, 1], [0, 0, 0, 0, 0, 0, 0, 0, 1]] {
        for room in [64, 65, 66, 72, 73] { await receive(k, b, Request(tail: tail), room: room) }
      }
      await receive(k, b, Request(), room: -1)
      await k.write(a, "waits")
      await k.settle()
      for room in 0...64 { await receive(k, b, Request(), room: room) }
      for room in 32...40 {
        await receive(k, b, Request(), room: room, copies: 100)
        await k.write(a, "again")
        await k.settle()
      }
      await k.call(.getsockopt, b, 6, Int(OptionName.TCP_ZEROCOPY_RECEIVE), 8, Int(k.put(Int32(64))))
      await k.call(.getsockopt, b, 6, Int(OptionName.TCP_ZEROCOPY_RECEIVE), Int(k.room(64)), 8)
      await k.set(b, 6, OptionName.TCP_ZEROCOPY_RECEIVE, bytes: Request().bytes)
    },
    Scenario("fields", since: KernelVersion(5, 12)) { k in
      let (a, b) = await k.pair()
      for address: UInt in [0, 1, 2048, 4096, 4097, 1 << 40] { await receive(k, b, Request(address: address)) }
      for flags: UInt32 in [0, 1, 2, 3, 4, 1 << 31] { await receive(k, b, Request(messageFlags: flags)) }
      await receive(k, b, Request(reserved: 1))
      await k.write(a, "hello")
      await k.settle()
      for address: UInt in [0, 1, 4096] { await receive(k, b, Request(address: address)) }
      for count in [-1, 0, 4] { await receive(k, b, Request(), copies: count) }
      await receive(k, b, Request(copyAddress: 8, copyLength: 100))
      await k.ioctl(b, ControlRequest.FIONREAD)
      await receive(k, b, Request(), copies: 5)
      await receive(k, b, Request(), copies: 5)
      await k.ioctl(b, ControlRequest.FIONREAD)
      await k.write(a, "twice")
      await k.settle()
      await receive(k, b, Request(messageFlags: 2), copies: 4096)
    },
    Scenario("states", since: KernelVersion(5, 12)) { k in
      let fresh = await k.tcp()
      await receive(k, fresh, Request())
      await receive(k, fresh, Request(address: 1))
      let (l, _) = await k.listener()
      await receive(k, l, Request())
      await receive(k, l, Request(address: 1))
      let (a, b) = await k.pair()
      await k.write(a, "last")
      await k.call(.shutdown, a, 1)
      await k.settle()
      await receive(k, b, Request())
      await receive(k, b, Request(), copies: 9)
      await receive(k, b, Request())
      await receive(k, b, Request(), copies: 9)
      await k.read(b, 9)
      await receive(k, b, Request())
      let (c, d) = await k.pair()
      await k.set(c, 1, OptionName.SO_LINGER, 1, 0)
      await k.close(c)
      await k.settle()
      await receive(k, d, Request())
      await receive(k, d, Request())
    },
    Scenario("pages", since: KernelVersion(5, 12)) { k in
      let (a, b) = await k.pair()
      for count in [4095, 4096, 8000] {
        await k.write(a, String(repeating: "p", count: count))
        await k.settle()
        await receive(k, b, Request())
        await receive(k, b, Request(), copies: 16384)
        await receive(k, b, Request())
      }
    },
    Scenario("urgent data", since: KernelVersion(5, 12)) { k in
      let (a, b) = await k.pair()
      await k.write(a, "ab")
      await k.send(a, "c", MessageFlags.MSG_OOB)
      await k.write(a, "de")
      await k.settle()
      await receive(k, b, Request())
      await receive(k, b, Request(), copies: 9)
      await k.read(b, 9)
    },
    Scenario("other sockets", since: KernelVersion(5, 12)) { k in
      let s = await k.udp()
      await receive(k, s, Request())
    },
  ]

  @Test("zero-copy receive", arguments: scenarios) func receive(_ scenario: Scenario) throws { try scenario.compare() }
}
