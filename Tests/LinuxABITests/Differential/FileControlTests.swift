import LinuxABI
import Testing

@Suite("fcntl and ioctl answer whatever they are asked")
struct FileControlTests {
  private static let kinds: [(String, Int32, Int32)] = [
    ("TCP", SocketType.SOCK_STREAM, 0), ("UDP", SocketType.SOCK_DGRAM, 0), ("raw", SocketType.SOCK_RAW, 252),
    ("ping", SocketType.SOCK_DGRAM, 1),
  ]

  /// A `struct flock`.
  private static func lock(_ type: Int16, _ whence: Int16, _ start: Int64, _ length: Int64, _ process: Int32) -> [UInt8]
  {
    let words = [UInt64(UInt16(bitPattern: type)) | UInt64(UInt16(bitPattern: whence)) << 16].withUnsafeBytes {
      Array($0)
    }
    return words + [start, length, Int64(process)].withUnsafeBytes { Array($0) }
  }

  static let fileScenarios: [Scenario] = [
    Scenario("fcntl: every command", since: KernelVersion(6, 17)) { k in
      for command in Array(1...60) + Array(1020...1038) where ![8, 1027, 1030].contains(command) {
        for argument in [0, 1, 2, 8, -1, 1 << 31] {
          let s = await k.udp()
          await k.fcntl(s, Int32(command), argument)
          await k.close(s)
        }
        let s = await k.tcp()
        let pointer = k.room(64)
        let result = await k.raw(.fcntl, [s, command, Int(pointer)])
        // A pointer is no number to be compared.
        let takesNumbers = [4, 10].contains(command)
        k.note("fcntl \(command) = \(takesNumbers ? "" : Session.text(result)) \(k.get(pointer, count: 40))", #line)
        await k.close(s)
        await k.fcntl(900, Int32(command), 8)
      }
    },
    Scenario("fcntl: owners and signals") { k in
      let s = await k.udp()
      for owner in [1, 0, 5_000_000, -5_000_000, 1 << 31, 1 << 40, 1] {
        await k.fcntl(s, FileControl.F_SETOWN, owner)
        await k.fcntl(s, FileControl.F_GETOWN)
      }
      for signal in [1, 10, 64, 65, -1, 1 << 33] {
        await k.fcntl(s, FileControl.F_SETSIG, signal)
        await k.fcntl(s, FileControl.F_GETSIG)
      }
      for kind: Int32 in [0, 1, 2, 3, -1] {
        for number: Int32 in [0, 1, 5_000_000, -1] where kind != 2 || number != 1 {
          await k.call(
            .fcntl, s, Int(FileControl.F_SETOWN_EX), Int(k.put([kind, number].withUnsafeBytes { Array($0) })))
          let pointer = k.room(8)
          let result = await k.raw(.fcntl, [s, Int(FileControl.F_GETOWN_EX), Int(pointer)])
          k.note("F_GETOWN_EX \(result) \(k.get(pointer, count: 8))", #line)
        }
      }
      // The owner belongs to the open file.
      let twin = await k.duplicate(.dup, s)
      await k.fcntl(twin, FileControl.F_SETOWN, 1)
      await k.fcntl(s, FileControl.F_GETOWN)
      await k.fcntl(s, FileControl.F_DUPFD_QUERY, twin)
      await k.fcntl(s, FileControl.F_DUPFD_QUERY, s)
      await k.fcntl(s, FileControl.F_DUPFD_QUERY, 900)
      let other = await k.udp()
      await k.fcntl(s, FileControl.F_DUPFD_QUERY, other)
    },
    Scenario("fcntl: locks") { k in
      for command in [5, 6, 7, 36, 37, 38] {
        func ask(_ bytes: [UInt8]) async {
          let s = await k.udp()
          let pointer = k.put(bytes)
          let result = await k.raw(.fcntl, [s, command, Int(pointer)])
          k.note("\(command) \(Session.text(result)) \(k.get(pointer, count: 32))", #line)
          await k.close(s)
        }
        for type: Int16 in [0, 1, 2, 3, 4, 32, -1] {
          for whence: Int16 in [0, 1, 2, 3, -1] { await ask(lock(type, whence, 0, 0, 0)) }
        }
        for (start, length) in [
          (-1, 0), (5, -3), (5, -9), (1 << 62, 1 << 62), (0, 10), (.max, 1), (.max, 2), (1, .max), (2, .max),
        ] as [(Int64, Int64)] { await ask(lock(0, 0, start, length, 0)) }
        await ask(lock(0, 0, 0, 0, 7))
      }
    },
    Scenario("fcntl: write hints") { k in
      let s = await k.tcp()
      for hint: UInt64 in [0, 1, 5, 6, 1 << 40] {
        await k.call(.fcntl, s, Int(FileControl.F_SET_RW_HINT), Int(k.put(hint)))
        let pointer = k.room(8)
        let result = await k.raw(.fcntl, [s, Int(FileControl.F_GET_RW_HINT), Int(pointer)])
        k.note("F_GET_RW_HINT \(result) \(k.get(pointer, as: UInt64.self))", #line)
      }
    },
    Scenario("ioctl: FIOASYNC and the owner") { k in
      let s = await k.tcp()
      for value: Int32 in [1, 0, -7] {
        await k.ioctl(s, ControlRequest.FIOASYNC, value)
        await k.fcntl(s, FileControl.F_GETFL)
      }
      for set in [ControlRequest.FIOSETOWN, ControlRequest.SIOCSPGRP] {
        for owner: Int32 in [1, 0, 5_000_000, .min, -5_000_000] {
          await k.ioctl(s, set, owner)
          await k.ioctl(s, ControlRequest.FIOGETOWN, 77)
          await k.ioctl(s, ControlRequest.SIOCGPGRP, 77)
          await k.fcntl(s, FileControl.F_GETOWN)
        }
      }
    },
    Scenario("ioctl: bytes that were not sent") { k in
      let (l, _) = await k.listener()
      let (a, b) = await k.pair()
      for s in [l, a, b] { await k.ioctl(s, ControlRequest.SIOCOUTQNSD, 77) }
      await k.write(a, "data")
      await k.settle()
      await k.ioctl(a, ControlRequest.SIOCOUTQNSD, 77)
      await k.set(a, 6, OptionName.TCP_CORK, 1)
      await k.write(a, "data")
      await k.ioctl(a, ControlRequest.SIOCOUTQNSD, 77)
    },
    Scenario("ioctl: the time of the last datagram") { k in
      let (a, _) = await k.boundUDP()
      let (b, port) = await k.boundUDP()
      let stream = await k.tcp()
      for request in [
        ControlRequest.SIOCGSTAMP, ControlRequest.SIOCGSTAMPNS, ControlRequest.SIOCGSTAMP_NEW,
        ControlRequest.SIOCGSTAMPNS_NEW,
      ] {
        func ask(_ s: Int, line: Int = #line) async {
          let pointer = k.room(16)
          let result = await k.raw(.ioctl, [s, Int(request), Int(pointer)])
          let (seconds, fraction) = (k.get(pointer, as: Int64.self), k.get(pointer + 8, as: Int64.self))
          let limit: Int64 = request & 1 == 1 ? 1_000_000_000 : 1_000_000
          k.note("\(Session.text(result)) \(seconds > 0) \((0..<limit).contains(fraction))", line)
        }
        await ask(stream)
        await ask(a)
        await ask(b)
        await k.call(.ioctl, b, Int(request), 8)
        await k.send(a, "data", 0, to: port)
        await k.settle()
        await ask(b)
        await k.receive(b, 9, MessageFlags.MSG_DONTWAIT)
        await ask(b)
        await k.call(.ioctl, b, Int(request), 8)
      }
    },
  ]

  /// Which of two times of one datagram is told: that at which it came (0), or that at which it was asked for the first
  /// time after it was taken.
  private static let stampScenarios: [Scenario] = [
    Scenario("ioctl: the time of a datagram that came before anybody wanted to know") { k in
      let (sender, _) = await k.boundUDP()
      let (clock, clockPort) = await k.boundUDP()
      func time(_ s: Int) async -> Int64? {
        let pointer = k.room(16)
        let result = await k.raw(.ioctl, [s, Int(ControlRequest.SIOCGSTAMP), Int(pointer)])
        return result < 0 ? nil : k.get(pointer, as: Int64.self) * 1_000_000 + k.get(pointer + 8, as: Int64.self)
      }
      // From here on it knows when its datagrams came.
      k.note("\(await time(clock) == nil)", #line)
      await k.settle(20)
      func compare(
        _ text: String, _ prepare: (Int) async -> Void, _ change: (Int) async -> Void = { _ in },
        flags: Int32 = MessageFlags.MSG_DONTWAIT, line: Int = #line
      ) async {
        let (s, port) = await k.boundUDP(line: line)
        await prepare(s)
        await k.settle(20)
        for round in 1...2 {
          await k.send(sender, "data", 0, to: clockPort, line: line)
          await k.send(sender, "data", 0, to: port, line: line)
          await k.settle(20)
          await k.receive(clock, 9, MessageFlags.MSG_DONTWAIT, line: line)
          await k.receive(s, 9, flags, line: line)
          if round == 1 { await change(s) }
          await k.settle(20)
          let (came, first) = (await time(clock), await time(s))
          await k.settle(20)
          let second = await time(s)
          let isLate = first.flatMap { first in came.map { first - $0 > 10_000 } }
          k.note("\(text): late \(isLate.map(String.init) ?? "none"), stays \(first == second)", line)
        }
        await k.close(s, line: line)
      }
      await compare("nothing", { _ in })
      await compare("asked before", { _ = await time($0) })
      await compare(
        "shown", { _ in }, { await k.receive($0, 9, MessageFlags.MSG_DONTWAIT) },
        flags: MessageFlags.MSG_DONTWAIT | MessageFlags.MSG_PEEK)
      await compare("told", { await k.set($0, 1, OptionName.SO_TIMESTAMP, 1) })
      await compare("told from now on", { _ in }, { await k.set($0, 1, OptionName.SO_TIMESTAMP, 1) })
      await compare(
        "told no more", { await k.set($0, 1, OptionName.SO_TIMESTAMP, 1) },
        { await k.set($0, 1, OptionName.SO_TIMESTAMP, 0) })
      await compare("SO_TIMESTAMPING", { await k.set($0, 1, OptionName.SO_TIMESTAMPING, 24) })
      await compare("SO_TIMESTAMPING that is not told", { await k.set($0, 1, OptionName.SO_TIMESTAMPING, 8) })
      // Whether it is asked with the right pointer does not matter.
      let (s, port) = await k.boundUDP()
      await k.send(sender, "data", 0, to: port)
      await k.settle()
      await k.receive(s, 9, MessageFlags.MSG_DONTWAIT)
      await k.call(.ioctl, s, Int(ControlRequest.SIOCGSTAMP), 8)
      k.note("\(await time(s) != nil)", #line)
      await k.get(s, 1, OptionName.SO_TIMESTAMP)
    }
  ]

  @Test("fcntl and ioctl", arguments: fileScenarios) func file(_ scenario: Scenario) throws { try scenario.compare() }
  @Test("times", arguments: stampScenarios) func time(_ scenario: Scenario) throws { try scenario.compare() }
}
