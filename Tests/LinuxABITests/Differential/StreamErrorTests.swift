import Glibc
import LinuxABI
import Testing

@Suite(
  "ICMP errors reach streams as on Linux", .enabled(if: geteuid() == 0, "the kernel gives raw sockets to root only"))
struct StreamErrorTests {
  private static let queue = MessageFlags.MSG_ERRQUEUE
  private static let dontWait = MessageFlags.MSG_DONTWAIT
  /// The initial sequence number of every stream here.
  private static let start: UInt32 = 5000

  /// A stream with a chosen initial sequence number.
  private static func stream(_ k: Session, _ flags: Int32 = SocketType.SOCK_NONBLOCK) async -> Int {
    let s = await k.tcp(flags)
    await choose(k, s)
    return s
  }

  private static func choose(_ k: Session, _ s: Int) async {
    await k.set(s, 6, OptionName.TCP_REPAIR, 1)
    await k.set(s, 6, OptionName.TCP_REPAIR_QUEUE, 2)
    await k.set(s, 6, OptionName.TCP_QUEUE_SEQ, Int32(start))
    await k.set(s, 6, OptionName.TCP_REPAIR, -1)
  }

  /// Sends an ICMP error that quotes a segment of `s` to `port`, as a router would.
  private static func refuse(
    _ k: Session, _ s: Int, _ port: UInt16, type: UInt8 = 3, code: UInt8, sequence: UInt32
  ) async {
    let raw = await k.socket(SocketType.SOCK_RAW, 1)
    let own = await k.quietPort(s)
    var quote: [UInt8] = [0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]
    func checksum(_ bytes: [UInt8]) -> [UInt8] {
      var sum = stride(from: 0, to: bytes.count, by: 2).reduce(0) { $0 + Int(bytes[$1]) << 8 + Int(bytes[$1 + 1]) }
      while sum > 0xFFFF { sum = sum & 0xFFFF + sum >> 16 }
      return [UInt8(~sum >> 8 & 255), UInt8(~sum & 255)]
    }
    quote.replaceSubrange(10..<12, with: checksum(quote))
    quote += [UInt8(own >> 8), UInt8(own & 255), UInt8(port >> 8), UInt8(port & 255)]
    quote += withUnsafeBytes(of: sequence.bigEndian) { Array($0) }
    var message: [UInt8] = [type, code, 0, 0, 0, 0, 0, 0] + quote
    message.replaceSubrange(2..<4, with: checksum(message))
    let (bytes, address) = (k.put(message), k.put(Session.inet(0)))
    await k.call(.sendto, raw, Int(bytes), message.count, 0, Int(address), 16)
    await k.close(raw)
    await k.settle()
  }

  /// What a stream says of itself, and its queue of errors.
  private static func look(_ k: Session, _ s: Int) async {
    await k.poll(s)
    let (buffer, control) = (k.room(64), k.room(128))
    let vector = k.put([buffer, 64].withUnsafeBytes { Array($0) })
    let name = k.room(16)
    let header = k.put([name, 16, vector, 1, control, 128, 0].withUnsafeBytes { Array($0) })
    let result = await k.raw(.recvmsg, [s, Int(header), Int(queue)])
    // Ports are drawn; the sequence number is not.
    let (text, about) = (k.get(buffer + 4, count: 4), k.get(control, count: 48))
    let source = Array(k.get(name, count: 8).enumerated().filter { $0.offset != 2 && $0.offset != 3 }.map(\.element))
    k.note("queued \(Session.text(result)) \(text) \(about) \(source) \(k.get(header + 48, as: Int32.self))", #line)
    await k.error(s)
    await k.poll(s)
  }

  static let scenarios: [Scenario] = [
    Scenario("an attempt that an ICMP error ends, with and without IP_RECVERR") { k in
      for receives: Int32 in [0, 1] {
        for code: UInt8 in [0, 1, 2, 3, 5, 13, 15] {
          let (l, port) = await k.listener()
          await k.dropAll(l)
          let s = await stream(k)
          await k.set(s, 0, OptionName.IP_RECVERR, receives)
          await k.connect(s, port)
          await refuse(k, s, port, code: code, sequence: start - 1)
          await refuse(k, s, port, code: code, sequence: start + 2)
          await k.poll(s)
          await refuse(k, s, port, code: code, sequence: start)
          await look(k, s)
          await k.connect(s, port)
          await k.close(s)
          await k.close(l)
        }
      }
    },
    Scenario("time exceeded and parameter problems") { k in
      for type: UInt8 in [11, 12, 4] {
        let (l, port) = await k.listener()
        await k.dropAll(l)
        let s = await stream(k)
        await k.set(s, 0, OptionName.IP_RECVERR, 1)
        await k.connect(s, port)
        await refuse(k, s, port, type: type, code: 0, sequence: start)
        await k.error(s)
        await look(k, s)
      }
    },
    Scenario("an attempt ends: the queue is read after the error") { k in
      let (l, port) = await k.listener()
      await k.dropAll(l)
      let s = await stream(k)
      await k.set(s, 0, OptionName.IP_RECVERR, 1)
      await k.connect(s, port)
      await refuse(k, s, port, code: 1, sequence: start)
      await k.connect(s, port)
      await look(k, s)
      await k.set(s, 0, OptionName.IP_RECVERR, 0)
      await look(k, s)
    },
    Scenario("two attempts, and the queue read one by one") { k in
      let (l, port) = await k.listener()
      await k.dropAll(l)
      let s = await stream(k)
      for code: UInt8 in [1, 3] {
        await k.connect(s, port)
        await refuse(k, s, port, code: code, sequence: start)
        await k.connect(s, port)
        await k.error(s)
        await choose(k, s)
      }
      await k.poll(s)
      for _ in 0..<3 {
        await k.receive(s, 0, queue)
        await k.poll(s)
      }
      await k.error(s)
    },
    Scenario("a connection that stands, with and without IP_RECVERR") { k in
      for receives: Int32 in [0, 1] {
        for code: UInt8 in [1, 3] {
          let (l, port) = await k.listener()
          let s = await stream(k, 0)
          await k.set(s, 0, OptionName.IP_RECVERR, receives)
          await k.connect(s, port)
          let b = await k.accept(l)
          await k.settle()
          await refuse(k, s, port, code: code, sequence: start + 1)
          await look(k, s)
          await k.write(s, "x")
          await k.settle()
          await k.receive(b, 9, dontWait)
          await k.close(l)
        }
      }
    },
  ]

  @Test("errors", arguments: scenarios) func errors(_ scenario: Scenario) throws { try scenario.compare() }
}
