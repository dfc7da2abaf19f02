import LinuxABI
import Testing

/// An address that no program has, and one that none can have.
private let nowhere = 8
private let kernelSpace = Int(bitPattern: 0xFFFF_8880_0000_0000)

@Suite("The memory of a transfer is judged when bytes are moved, and however much is named")
struct MemoryTests {
  private static let dontWait = Int(MessageFlags.MSG_DONTWAIT)

  /// An array of `struct iovec`.
  private static func vectors(_ k: Session, _ parts: [(address: Int, count: Int)]) -> Int {
    Int(k.put(parts.flatMap { [$0.address, $0.count] }.withUnsafeBytes { Array($0) }))
  }

  /// A `struct msghdr`.
  private static func message(_ k: Session, _ vectors: Int, _ count: Int, name: UInt = 0) -> Int {
    Int(k.put([Int(name), name == 0 ? 0 : 16, vectors, count, 0, 0, 0].withUnsafeBytes { Array($0) }))
  }

  /// A socket of each kind.
  private static let kinds: [(String, Int32, Int32)] = [
    ("TCP", SocketType.SOCK_STREAM, 0), ("UDP", SocketType.SOCK_DGRAM, 0),
    ("raw", SocketType.SOCK_RAW, 252), ("ping", SocketType.SOCK_DGRAM, 1),
  ]

  static let fresh: [Scenario] = kinds.map { name, type, number in
    Scenario("bad memory, \(name)", needsRoot: true) { k in
      let s = await k.socket(type, number)
      let target = Session.inet(9)
      // Raw sockets take their own empty messages for others'.
      let lengths = [0, 1, 4, 8, 20, 65_507, 65_535, 65_536, 70_000, 1 << 30, 1 << 40, 1 << 62, -1]
        .filter { $0 != 0 || number != 252 }
      for length in lengths {
        for flags in [0, 1] {
          await k.call(.sendto, s, nowhere, length, flags | dontWait, 0, 0)
          await k.call(.sendto, s, nowhere, length, flags | dontWait, Int(k.put(target)), 16)
          // No bytes are a message.
          if length == 0 { await k.settle() }
          await k.call(.recvfrom, s, nowhere, length, flags | dontWait, 0, 0)
        }
        // Families are looked at in their turn.
        for family: UInt16 in [0, 10, 77] {
          await k.call(.sendto, s, nowhere, length, dontWait, Int(k.put(Session.inet(9, family: family))), 16)
        }
        await k.call(.write, s, nowhere, length)
        await k.call(.sendto, s, kernelSpace, length, dontWait, 0, 0)
        await k.call(.recvfrom, s, kernelSpace, length, dontWait, 0, 0)
      }
      await k.fcntl(s, FileControl.F_SETFL, FileControl.O_NONBLOCK)
      for length in lengths {
        await k.call(.read, s, nowhere, length)
        // A host's memory may lie so high that it would reach the kernel's.
        if length != 1 << 40 { await k.call(.read, s, Int(k.room(8)), length) }
        await k.call(.read, s, kernelSpace, length)
        for address in [nowhere, kernelSpace, Int(k.kernel.base)] {
          for count in [1, 2, 5] where length != 65_507 && (length != 1 << 40 || address == nowhere) {
            let parts = [(address: Int, count: Int)](repeating: (address, length), count: count)
            await k.call(.readv, s, vectors(k, parts), count)
            await k.call(.recvmsg, s, message(k, vectors(k, parts), count), dontWait)
            guard address != Int(k.kernel.base) || length > 65_535 else { continue }
            await k.call(.writev, s, vectors(k, parts), count)
            await k.call(.sendmsg, s, message(k, vectors(k, parts), count), dontWait)
            await k.call(.sendmsg, s, message(k, vectors(k, parts), count, name: k.put(target)), dontWait)
            if length == 0 { await k.settle() }
          }
        }
      }
    }
  }

  static let received: [Scenario] = [
    Scenario("lengths far beyond the memory") { k in
      let (a, b) = await k.pair()
      await k.set(a, 6, OptionName.TCP_NODELAY, 1)
      let (u, port) = await k.boundUDP()
      let (v, _) = await k.boundUDP()
      await k.fcntl(b, FileControl.F_SETFL, FileControl.O_NONBLOCK)
      await k.fcntl(u, FileControl.F_SETFL, FileControl.O_NONBLOCK)
      func send() async {
        await k.write(a, "data")
        await k.send(v, "datagram", 0, to: port)
        await k.settle()
      }
      for length in [-1, 1 << 30, 1 << 31, 1 << 62, 0x7FFF_F000] {
        for s in [b, u] {
          await send()
          await k.call(.recvfrom, s, Int(k.room(16)), length, 0, 0, 0)
          await send()
          await k.call(.read, s, Int(k.room(16)), length)
          await k.drain(b)
          await k.drain(u)
        }
      }
      for count in [1, 2, 3, 4, 5, 1024] {
        for s in [b, u] {
          await send()
          let parts = [(address: Int, count: Int)](repeating: (Int(k.room(16)), 1 << 30), count: count)
          await k.call(.readv, s, vectors(k, parts), count)
          await send()
          await k.call(.recvmsg, s, message(k, vectors(k, parts), count), 0)
          await k.drain(b)
          await k.drain(u)
        }
      }
    },
    Scenario("a stream into memory that ends") { k in
      let (a, b) = await k.pair()
      for flags in [0, MessageFlags.MSG_PEEK, MessageFlags.MSG_TRUNC, MessageFlags.MSG_PEEK | MessageFlags.MSG_TRUNC] {
        await k.write(a, "abcdefgh")
        await k.settle()
        await k.call(.recvfrom, b, nowhere, 4, Int(flags), 0, 0)
        let parts = vectors(k, [(Int(k.room(4)), 4), (nowhere, 4)])
        await k.call(.recvmsg, b, message(k, parts, 2), Int(flags) | dontWait)
        await k.receive(b, 20, MessageFlags.MSG_DONTWAIT)
      }
      await k.call(.writev, a, vectors(k, [(Int(k.room(4)), 4), (nowhere, 4)]), 2)
      await k.settle()
      await k.receive(b, 20, MessageFlags.MSG_DONTWAIT)
      await k.send(a, "xyz", MessageFlags.MSG_OOB)
      await k.settle()
      await k.call(.recvfrom, b, nowhere, 4, 1 | dontWait, 0, 0)
      await k.call(.recvfrom, b, Int(k.room(4)), 4, 1 | dontWait, 0, 0)
      await k.receive(b, 20, MessageFlags.MSG_DONTWAIT)
    },
    Scenario("datagrams into memory that ends") { k in
      let (a, _) = await k.boundUDP()
      let (b, port) = await k.boundUDP()
      for flags in [0, MessageFlags.MSG_PEEK, MessageFlags.MSG_TRUNC] {
        await k.send(a, "abcdefgh", 0, to: port)
        await k.send(a, "second", 0, to: port)
        await k.settle()
        let parts = vectors(k, [(Int(k.room(4)), 4), (nowhere, 4)])
        await k.call(.recvmsg, b, message(k, parts, 2), Int(flags) | dontWait)
        await k.drain(b)
        await k.send(a, "abc", 0, to: port)
        await k.settle()
        let fits = vectors(k, [(Int(k.room(4)), 4), (nowhere, 4)])
        await k.call(.recvmsg, b, message(k, fits, 2), Int(flags) | dontWait)
        await k.drain(b)
      }
      await k.connect(a, port)
      await k.call(.writev, a, vectors(k, [(Int(k.room(4)), 4), (nowhere, 4)]), 2)
      await k.settle()
      await k.receive(b, 20, MessageFlags.MSG_DONTWAIT)
      await k.call(.shutdown, a, 1)
      await k.call(.write, a, nowhere, 4)
      await k.call(.sendto, a, Int(k.room(4)), 4, Int(MessageFlags.MSG_PROBE), 0, 0)
    },
    Scenario("a stream in pieces") { k in
      let (a, b) = await k.pair()
      func read(_ sizes: [Int], _ flags: Int32) async {
        let rooms = sizes.map { (address: Int(k.room(max($0, 1))), count: $0) }
        let result = await k.raw(.recvmsg, [b, message(k, vectors(k, rooms), rooms.count), Int(flags) | dontWait])
        let texts = rooms.map { String(decoding: k.get(UInt($0.address), count: $0.count), as: UTF8.self) }
        k.note("recvmsg = \(Session.text(result)) \(texts)", #line)
      }
      let parts = ["ab", "", "c", "defgh"].map { (address: Int(k.put(Array($0.utf8))), count: $0.utf8.count) }
      await k.call(.writev, a, vectors(k, parts), 4)
      await k.settle()
      await read([1, 0, 2, 3], MessageFlags.MSG_PEEK)
      await read([3, 3, 9], MessageFlags.MSG_PEEK)
      await read([1, 0, 2, 3], 0)
      await read([1, 1, 1], MessageFlags.MSG_TRUNC)
      await k.send(a, "abcdX", MessageFlags.MSG_OOB)
      await k.write(a, "efgh")
      await k.settle()
      await read([2, 1, 5], MessageFlags.MSG_PEEK)
      await read([2, 1, 5], 0)
      await k.ioctl(b, ControlRequest.SIOCATMARK)
      await read([2, 1, 5], MessageFlags.MSG_PEEK)
      await read([2, 1, 5], 0)
      await k.ioctl(b, ControlRequest.SIOCATMARK)
    },
  ]

  @Test("of a fresh socket", arguments: fresh) func freshSocket(_ scenario: Scenario) throws { try scenario.compare() }
  @Test("received", arguments: received) func receivedBytes(_ scenario: Scenario) throws { try scenario.compare() }

  @Test("a gibibyte in a thousand pieces is taken as far as the send buffer goes")
  func largeWrite() throws {
    try Scenario("1 GiB") { k in
      let (a, _) = await k.pair()
      await k.fcntl(a, FileControl.F_SETFL, FileControl.O_NONBLOCK)
      let part = (address: Int(k.kernel.base), count: arenaSize)
      for number: SystemCallNumber in [.writev, .sendmsg] {
        let parts = Self.vectors(k, [(address: Int, count: Int)](repeating: part, count: 1024))
        let result = await k.raw(number, [a, number == .writev ? parts : Self.message(k, parts, 1024), 1024])
        k.note("\(number) \(result > 0 ? "some" : Session.text(result)), below \(result < 64 << 20)", #line)
        await k.drain(a)
      }
    }.compare()
  }
}
