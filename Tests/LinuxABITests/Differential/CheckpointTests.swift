import Glibc
import LinuxABI
import Testing

/// A connection taken apart, as CRIU keeps it (its libsoccr).
private struct Checkpoint {
  enum Queue: Int32 { case receive = 1, send }

  var local: UInt16 = 0
  var remote: UInt16 = 0
  /// Numbers behind the last byte of each queue.
  var receiveNext: UInt32 = 0
  var sendNext: UInt32 = 0
  var unread: [UInt8] = []
  var unacknowledged: [UInt8] = []
  var maximumSegment: UInt32 = 0
  /// tcpi_options and the scales.
  var options: UInt8 = 0
  var scales: UInt8 = 0
  var timestamp: UInt32 = 0
  /// `struct tcp_repair_window`
  var window: [UInt32] = []
}

extension Session {
  private func quiet(_ s: Int, _ option: Int32, _ count: Int, _ line: Int) async -> [UInt8] {
    let (value, length) = (room(count), put(Int32(count)))
    let result = await raw(.getsockopt, [s, 6, Int(option), Int(value), Int(length)])
    let bytes = get(value, count: count)
    note("getsockopt \(option): \(Session.text(result))", line)
    return bytes
  }

  private func number(_ s: Int, _ option: Int32, _ line: Int) async -> UInt32 {
    await quiet(s, option, 4, line).withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
  }

  fileprivate func info(_ s: Int, line: Int = #line) async -> (options: UInt8, scales: UInt8) {
    let info = await quiet(s, OptionName.TCP_INFO, 104, line)
    return (info[5] & 7, info[6])
  }

  private func queue(_ s: Int, _ queue: Checkpoint.Queue, _ line: Int) async -> [UInt8] {
    await set(s, 6, OptionName.TCP_REPAIR_QUEUE, queue.rawValue, line: line)
    let buffer = room(65_536)
    let flags = MessageFlags.MSG_PEEK | MessageFlags.MSG_DONTWAIT
    let result = await raw(.recvfrom, [s, Int(buffer), 65_536, Int(flags), 0, 0])
    let bytes = get(buffer, count: max(0, result))
    note("\(queue): \(Session.text(result)) '\(String(decoding: bytes.prefix(40), as: UTF8.self))'", line)
    return bytes
  }

  /// Takes a connection apart; it is in repair then.
  fileprivate func dump(_ s: Int, line: Int = #line) async -> Checkpoint {
    var dumped = Checkpoint()
    dumped.local = await name(.getsockname, s, line: line)
    dumped.remote = await name(.getpeername, s, line: line)
    await set(s, 6, OptionName.TCP_REPAIR, 1, line: line)
    (dumped.options, dumped.scales) = await info(s, line: line)
    dumped.maximumSegment = await number(s, OptionName.TCP_MAXSEG, line)
    dumped.unread = await queue(s, .receive, line)
    dumped.receiveNext = await number(s, OptionName.TCP_QUEUE_SEQ, line)
    dumped.unacknowledged = await queue(s, .send, line)
    dumped.sendNext = await number(s, OptionName.TCP_QUEUE_SEQ, line)
    dumped.timestamp = await number(s, OptionName.TCP_TIMESTAMP, line)
    dumped.window = await quiet(s, OptionName.TCP_REPAIR_WINDOW, 20, line).withUnsafeBytes {
      Array($0.bindMemory(to: UInt32.self))
    }
    return dumped
  }

  private func fill(_ s: Int, _ queue: Checkpoint.Queue, _ bytes: [UInt8], _ line: Int) async {
    await set(s, 6, OptionName.TCP_REPAIR_QUEUE, queue.rawValue, line: line)
    guard !bytes.isEmpty else { return }
    await call(.sendto, s, Int(put(bytes)), bytes.count, 0, 0, 0, line: line)
  }

  /// A new socket with the connection in it, still in repair. Without `options` only what every connection has.
  fileprivate func restore(_ dumped: Checkpoint, options: Bool = true, line: Int = #line) async -> Int {
    let s = await tcp(line: line)
    await set(s, 6, OptionName.TCP_REPAIR, 1, line: line)
    await set(s, 6, OptionName.TCP_REPAIR_QUEUE, 1, line: line)
    let firstUnread = dumped.receiveNext &- UInt32(dumped.unread.count)
    await set(s, 6, OptionName.TCP_QUEUE_SEQ, Int32(bitPattern: firstUnread), line: line)
    await set(s, 6, OptionName.TCP_REPAIR_QUEUE, 2, line: line)
    let firstUnacknowledged = dumped.sendNext &- UInt32(dumped.unacknowledged.count)
    await set(s, 6, OptionName.TCP_QUEUE_SEQ, Int32(bitPattern: firstUnacknowledged), line: line)
    await bind(s, dumped.local, line: line)
    await connect(s, dumped.remote, line: line)
    if options {
      var words: [UInt32] = [2, dumped.maximumSegment]
      if dumped.options & 2 != 0 { words += [4, 0] }
      if dumped.options & 4 != 0 { words += [3, UInt32(dumped.scales & 15) | UInt32(dumped.scales >> 4) << 16] }
      if dumped.options & 1 != 0 { words += [8, 0] }
      await set(s, 6, OptionName.TCP_REPAIR_OPTIONS, bytes: words.withUnsafeBytes { Array($0) }, line: line)
      await set(s, 6, OptionName.TCP_TIMESTAMP, Int32(bitPattern: dumped.timestamp), line: line)
    }
    await fill(s, .receive, dumped.unread, line)
    await fill(s, .send, dumped.unacknowledged, line)
    if options {
      await set(s, 6, OptionName.TCP_REPAIR_WINDOW, bytes: dumped.window.withUnsafeBytes { Array($0) }, line: line)
    }
    // TCP_TIMESTAMP leaves out the lowest bit: less than that must not be taken for an old duplicate.
    await settle(5)
    return s
  }

  /// Whether a restored connection is what it was.
  fileprivate func compare(_ s: Int, _ before: Checkpoint, line: Int = #line) async {
    let after = await dump(s, line: line)
    note("local \(after.local == before.local), remote \(after.remote == before.remote)", line)
    note("receive \(after.receiveNext == before.receiveNext), send \(after.sendNext == before.sendNext)", line)
    note("options \(after.options == before.options), scales \(after.scales == before.scales)", line)
    note("segment \(after.maximumSegment == before.maximumSegment), window \(after.window == before.window)", line)
    let passed = Int32(bitPattern: after.timestamp &- before.timestamp)
    note("timestamp goes on \((0...60_000).contains(passed))", line)
  }

  /// Bytes both ways, and the end of one after the other.
  fileprivate func exchange(_ s: Int, _ peer: Int, line: Int = #line) async {
    for (from, to) in [(s, peer), (peer, s), (s, peer)] {
      await write(from, String(repeating: "0123456789", count: 2000), line: line)
      await settle(30)
      await ioctl(to, ControlRequest.FIONREAD, line: line)
      await drain(to, line: line)
    }
    await call(.shutdown, s, 1, line: line)
    await settle()
    await poll(peer, line: line)
    await read(peer, 9, line: line)
    await write(peer, "last words", line: line)
    await close(peer, line: line)
    await settle()
    await read(s, 20, line: line)
    await read(s, 20, line: line)
    await poll(s, line: line)
    await error(s, line: line)
    await close(s, line: line)
  }
}

@Suite("Streams are put together as on Linux", .enabled(if: geteuid() == 0, "the kernel lets root only"))
struct CheckpointTests {
  static let scenarios: [Scenario] = [
    Scenario("a connection with bytes in both queues goes on in another socket") { k in
      let (a, b) = await k.pair()
      await k.write(b, "never read")
      await k.settle(60)
      await k.dropAll(b)
      await k.write(a, "never acknowledged")
      let dumped = await k.dump(a)
      await k.close(a)
      let s = await k.restore(dumped)
      await k.compare(s, dumped)
      await k.takeAll(b)
      await k.poll(s, b)
      await k.set(s, 6, OptionName.TCP_REPAIR, 0)
      await k.read(s, 20)
      await k.poll(b, events: 1, timeout: 5000)
      await k.read(b, 20)
      await k.settle()
      await k.ioctl(s, ControlRequest.SIOCOUTQ)
      // Sent again is sent.
      await k.set(s, 6, OptionName.TCP_REPAIR, 1)
      await k.set(s, 6, OptionName.TCP_REPAIR_OPTIONS, 2, 1400)
      await k.set(s, 6, OptionName.TCP_REPAIR, -1)
      await k.exchange(s, b)
    },
    Scenario("an idle connection goes on in another socket, without a probe") { k in
      let (a, b) = await k.pair()
      let dumped = await k.dump(a)
      await k.close(a)
      let s = await k.restore(dumped)
      await k.compare(s, dumped)
      await k.set(s, 6, OptionName.TCP_REPAIR, -1)
      await k.exchange(s, b)
    },
    Scenario("an accepted connection goes on beside its listener") { k in
      let (l, port) = await k.listener()
      let a = await k.tcp()
      await k.connect(a, port)
      let b = await k.accept(l)
      await k.write(b, "one")
      await k.settle()
      let dumped = await k.dump(b)
      await k.close(b)
      let s = await k.restore(dumped)
      await k.set(s, 6, OptionName.TCP_REPAIR, 0)
      await k.get(s, 1, OptionName.SO_REUSEADDR)
      await k.read(a, 9)
      await k.exchange(s, a)
      let other = await k.tcp()
      await k.connect(other, port)
      _ = await k.accept(l)
    },
    Scenario("both ends go on") { k in
      let (a, b) = await k.pair()
      await k.write(a, "there")
      await k.write(b, "back")
      await k.settle(60)
      let (first, second) = (await k.dump(a), await k.dump(b))
      await k.close(a)
      await k.close(b)
      let (s, t) = (await k.restore(first), await k.restore(second))
      await k.compare(s, first)
      await k.compare(t, second)
      await k.set(s, 6, OptionName.TCP_REPAIR, 0)
      await k.set(t, 6, OptionName.TCP_REPAIR, 0)
      await k.settle()
      await k.read(s, 9)
      await k.read(t, 9)
      await k.exchange(t, s)
    },
    Scenario("a connection goes on without options") { k in
      let (a, b) = await k.pair()
      let dumped = await k.dump(a)
      await k.close(a)
      let s = await k.restore(dumped, options: false)
      await k.get(s, 6, OptionName.TCP_MAXSEG)
      let info = await k.info(s)
      k.note("options \(info.options), scales \(info.scales)", #line)
      await k.set(s, 6, OptionName.TCP_REPAIR, 0)
      await k.settle()
      await k.write(s, "there")
      await k.write(b, "back")
      await k.settle(60)
      await k.read(s, 9)
      await k.read(b, 9)
      await k.call(.shutdown, b, 1)
      await k.settle()
      await k.read(s, 9)
      await k.close(s)
      await k.settle()
      await k.read(b, 9)
    },
    Scenario("options are taken one by one, and before the first byte only") { k in
      let (a, b) = await k.pair()
      let dumped = await k.dump(a)
      await k.close(a)
      let s = await k.restore(dumped)
      let lists: [[UInt32]] = [
        [2, 1400, 4, 1], [3, 15, 2, 1000], [2, 1300, 3, 15 << 16], [8, 1], [9, 9, 2, 1200], [2, 70_000], [2, 0],
        [2, 1000, 3], [3, 14 | 14 << 16],
      ]
      for words in lists {
        await k.set(s, 6, OptionName.TCP_REPAIR_OPTIONS, bytes: words.withUnsafeBytes { Array($0) })
        await k.get(s, 6, OptionName.TCP_MAXSEG)
        let info = await k.info(s)
        k.note("options \(info.options), scales \(info.scales == dumped.scales ? 0 : info.scales)", #line)
      }
      await k.set(s, 6, OptionName.TCP_REPAIR, -1)
      await k.write(s, "x")
      await k.settle()
      await k.read(b, 9)
      await k.set(s, 6, OptionName.TCP_REPAIR, 1)
      await k.set(s, 6, OptionName.TCP_REPAIR_OPTIONS, 2, 1400)
    },
    Scenario("connections that cannot be put together") { k in
      let (a, _) = await k.pair()
      let dumped = await k.dump(a)
      // Its like is still there.
      let s = await k.restore(dumped)
      await k.name(.getpeername, s)
      await k.poll(s)
      // With nobody there the probe is answered by a reset.
      let t = await k.tcp()
      await k.set(t, 6, OptionName.TCP_REPAIR, 1)
      await k.connect(t, 1)
      await k.name(.getpeername, t)
      await k.poll(t)
      await k.set(t, 6, OptionName.TCP_REPAIR, 0)
      await k.settle()
      await k.poll(t)
      await k.error(t)
    },
    Scenario("the end that is sent in repair is sent by the timer") { k in
      let (a, b) = await k.pair()
      let dumped = await k.dump(a)
      await k.close(a)
      let s = await k.restore(dumped)
      await k.call(.shutdown, s, 1)
      await k.settle()
      await k.poll(b)
      await k.set(s, 6, OptionName.TCP_REPAIR, -1)
      await k.poll(b, events: 1, timeout: 5000)
      await k.read(b, 9)
      await k.close(b)
      await k.settle()
      await k.read(s, 9)
    },
  ]

  @Test("restored", arguments: scenarios) func restored(_ scenario: Scenario) throws { try scenario.compare() }
}
