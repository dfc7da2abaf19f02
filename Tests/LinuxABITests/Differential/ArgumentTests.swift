import LinuxABI
import Testing

/// An address that no program has.
private let nowhere = 8

@Suite("Pointers and lengths are judged as Linux does")
struct ArgumentTests {
  static let pointerScenarios: [Scenario] = [
    Scenario("numbers that are no system call") { k in
      for number in [9999, 100_000] {
        let result = await k.kernel.call(number, [0, 0, 0])
        k.note("call \(number) = \(Session.text(result))", #line)
      }
    },
    Scenario("a bad descriptor counts before a bad pointer") { k in
      await k.call(.read, 900, nowhere, 4)
      await k.call(.write, 900, nowhere, 4)
      await k.call(.readv, 900, nowhere, 4)
      await k.call(.writev, 900, nowhere, 4)
      await k.call(.readv, 900, nowhere, 4000)
      await k.call(.bind, 900, nowhere, 16)
      await k.call(.bind, 900, nowhere, -1)
      await k.call(.connect, 900, nowhere, 16)
      await k.call(.accept4, 900, nowhere, nowhere, 0)
      await k.call(.accept4, 900, nowhere, nowhere, 77)
      await k.call(.getsockname, 900, nowhere, nowhere)
      await k.call(.getpeername, 900, nowhere, nowhere)
      await k.call(.setsockopt, 900, 1, 2, nowhere, 4)
      await k.call(.setsockopt, 900, 1, 2, nowhere, -4)
      await k.call(.getsockopt, 900, 1, 2, nowhere, nowhere)
      await k.call(.sendmsg, 900, nowhere, 0)
      await k.call(.recvmsg, 900, nowhere, 0)
      await k.call(.recvfrom, 900, nowhere, 4, 0, nowhere, nowhere)
      await k.call(.sendto, 900, nowhere, 4, 0, nowhere, 16)
      await k.call(.ioctl, 900, Int(ControlRequest.FIONREAD), nowhere)
    },
    Scenario("bad pointers to addresses") { k in
      let s = await k.tcp()
      await k.call(.bind, s, nowhere, 16)
      await k.call(.bind, s, nowhere, 0)
      await k.call(.bind, s, nowhere, -1)
      await k.call(.connect, s, nowhere, 16)
      await k.call(.connect, s, nowhere, 0)
      await k.call(.connect, s, nowhere, 200)
      await k.call(.getsockname, s, nowhere, Int(k.put(Int32(16))))
      await k.call(.getsockname, s, Int(k.room(16)), nowhere)
      await k.call(.getsockname, s, nowhere, nowhere)
      await k.call(.getsockname, s, nowhere, Int(k.put(Int32(0))))
      await k.call(.getsockname, s, Int(k.room(16)), Int(k.put(Int32(-1))))
      await k.call(.getpeername, s, nowhere, nowhere)
      let (l, port) = await k.listener()
      await k.connect(s, port)
      await k.call(.accept4, l, nowhere, Int(k.put(Int32(16))), 0)
      await k.fcntl(l, FileControl.F_SETFL, 0o4000)
      await k.call(.accept4, l, 0, 0, 0)
      await k.settle()
      await k.poll(s)
    },
    Scenario("address lengths are cut to the room, and told in full") { k in
      let (s, _) = await k.boundUDP()
      for room in [0, 1, 2, 4, 15, 16, 17, 100] {
        let address = k.put([UInt8](repeating: 0xEE, count: 20))
        let length = k.put(Int32(room))
        let result = await k.raw(.getsockname, [s, Int(address), Int(length)])
        var bytes = k.get(address, count: 20)
        // The port differs from kernel to kernel.
        for i in 2..<4 where bytes[i] != 0xEE { bytes[i] = 1 }
        k.note("getsockname \(result), \(k.get(length, as: Int32.self)), \(bytes)", #line)
      }
    },
    Scenario("bad pointers to bytes") { k in
      let (a, b) = await k.pair()
      await k.call(.write, a, nowhere, 4)
      await k.call(.write, a, nowhere, 0)
      await k.call(.sendto, a, nowhere, 4, 0, 0, 0)
      await k.call(.sendto, a, nowhere, 0, 0, 0, 0)
      await k.call(.sendto, a, Int(k.room(4)), 4, 0, nowhere, 16)
      await k.call(.read, b, nowhere, 0)
      await k.write(a, "data")
      await k.settle()
      await k.drain(b)
      await k.write(a, "data")
      await k.settle()
      await k.call(.read, b, nowhere, 4)
      await k.read(b, 9)
      await k.call(.write, a, Int(k.room(4)), -1)
      await k.call(.read, b, Int(k.room(4)), -1)
      await k.call(.setsockopt, a, 1, 2, nowhere, 4)
      await k.call(.getsockopt, a, 1, 2, nowhere, Int(k.put(Int32(4))))
      await k.call(.getsockopt, a, 1, 2, Int(k.room(4)), nowhere)
      await k.call(.getsockopt, a, 1, 2, nowhere, Int(k.put(Int32(0))))
      await k.call(.getsockopt, a, 1, 999, nowhere, Int(k.put(Int32(4))))
      await k.call(.setsockopt, a, 1, 999, nowhere, 4)
    },
    Scenario("a datagram read into a bad pointer") { k in
      let (a, _) = await k.boundUDP()
      let (b, port) = await k.boundUDP()
      await k.send(a, "one", 0, to: port)
      await k.send(a, "two", 0, to: port)
      await k.settle()
      await k.call(.recvfrom, b, nowhere, 8, 0, 0, 0)
      await k.receive(b, 8, MessageFlags.MSG_DONTWAIT)
      await k.receive(b, 8, MessageFlags.MSG_DONTWAIT)
      await k.send(a, "three", 0, to: port)
      await k.settle()
      await k.call(.recvfrom, b, Int(k.room(8)), 8, 0, nowhere, Int(k.put(Int32(16))))
      await k.receive(b, 8, MessageFlags.MSG_DONTWAIT)
    },
  ]

  /// An array of `struct iovec`.
  private static func vectors(_ k: Session, _ parts: [(address: UInt, count: Int)]) -> Int {
    Int(k.put(parts.flatMap { [$0.address, UInt(bitPattern: $0.count)] }.withUnsafeBytes { Array($0) }))
  }

  /// A `struct msghdr`.
  private static func message(
    _ k: Session, name: UInt = 0, nameLength: Int = 0, vectors: Int, count: Int, control: Int = 0,
    controlAt: UInt = 0
  ) -> UInt {
    let words: [UInt] = [
      name, UInt(UInt32(truncatingIfNeeded: nameLength)), UInt(bitPattern: vectors), UInt(count), controlAt,
      UInt(control),
      0x5A5A5A5A,
    ]
    return k.put(words.withUnsafeBytes { Array($0) })
  }

  static let vectorScenarios: [Scenario] = [
    Scenario("readv and writev") { k in
      let (a, b) = await k.pair()
      let one = k.put(Array("abc".utf8))
      let two = k.put(Array("defgh".utf8))
      await k.call(.writev, a, vectors(k, [(one, 3), (0, 0), (two, 5)]), 3)
      await k.settle()
      let x = k.room(2)
      let y = k.room(4)
      let result = await k.raw(.readv, [b, vectors(k, [(x, 2), (y, 4)]), 2])
      k.note("readv \(result) \(k.get(x, count: 2)) \(k.get(y, count: 4))", #line)
      await k.read(b, 9)
      await k.call(.writev, a, vectors(k, []), 0)
      await k.call(.writev, a, nowhere, 0)
      await k.call(.writev, a, nowhere, 1)
      await k.call(.writev, a, nowhere, -1)
      await k.call(.writev, a, nowhere, 1025)
      await k.call(.writev, a, vectors(k, [(UInt(nowhere), 3)]), 1)
      await k.call(.writev, a, vectors(k, [(UInt(nowhere), 0)]), 1)
      await k.call(.writev, a, vectors(k, [(k.room(8), -1)]), 1)
      await k.call(.readv, b, vectors(k, [(k.room(8), 4), (k.room(8), -1)]), 2)
      await k.call(.readv, b, vectors(k, [(k.room(8), 0)]), 1)
      await k.call(.readv, b, vectors(k, []), 0)
    },
    Scenario("a vector of datagrams is one datagram") { k in
      let (a, _) = await k.boundUDP()
      let (b, port) = await k.boundUDP()
      await k.connect(a, port)
      await k.call(.writev, a, vectors(k, [(k.put(Array("abc".utf8)), 3), (k.put(Array("de".utf8)), 2)]), 2)
      await k.call(.writev, a, vectors(k, []), 0)
      await k.call(.writev, a, vectors(k, [(k.room(1), 0)]), 1)
      await k.settle()
      await k.receive(b, 9, MessageFlags.MSG_DONTWAIT)
      await k.receive(b, 9, MessageFlags.MSG_DONTWAIT)
      await k.receive(b, 9, MessageFlags.MSG_DONTWAIT)
    },
    Scenario("sendmsg and recvmsg") { k in
      let (a, _) = await k.boundUDP()
      let (b, port) = await k.boundUDP()
      let target = k.put(Session.inet(port))
      let text = vectors(k, [(k.put(Array("abc".utf8)), 3), (k.put(Array("defgh".utf8)), 5)])
      let parts = message(k, name: target, nameLength: 16, vectors: text, count: 2)
      let sent = await k.raw(.sendmsg, [a, Int(parts), 0])
      let short = message(k, name: target, nameLength: 8, vectors: text, count: 2)
      let refused = await k.raw(.sendmsg, [a, Int(short), 0])
      let unnamed = message(k, name: target, nameLength: 0, vectors: text, count: 2)
      let nobody = await k.raw(.sendmsg, [a, Int(unnamed), 0])
      let negative = message(k, name: target, nameLength: -1, vectors: text, count: 2)
      let below = await k.raw(.sendmsg, [a, Int(negative), 0])
      let long = message(k, name: target, nameLength: 500, vectors: text, count: 2)
      let beyond = await k.raw(.sendmsg, [a, Int(long), 0])
      let many = message(k, name: target, nameLength: 16, vectors: text, count: 1025)
      let tooMany = await k.raw(.sendmsg, [a, Int(many), 0])
      k.note("\([sent, refused, nobody, below, beyond, tooMany].map(Session.text))", #line)
      await k.call(.sendmsg, a, nowhere, 0)
      await k.settle()
      let source = k.room(16)
      let (x, y) = (k.room(2), k.room(3))
      let header = message(
        k, name: source, nameLength: 16, vectors: vectors(k, [(x, 2), (y, 3)]), count: 2, control: 0)
      let got = await k.raw(.recvmsg, [b, Int(header), Int(MessageFlags.MSG_DONTWAIT)])
      k.note(
        "recvmsg \(got) \(k.get(x, count: 2)) \(k.get(y, count: 3)) name \(k.get(source, count: 2)) "
          + "\(k.get(header + 8, as: Int32.self)) control \(k.get(header + 40, as: UInt.self)) "
          + "flags \(k.get(header + 48, as: UInt32.self))", #line)
      await k.call(.recvmsg, b, nowhere, Int(MessageFlags.MSG_DONTWAIT))
      let empty = message(k, vectors: vectors(k, [(k.room(4), 4)]), count: 1)
      await k.call(.recvmsg, b, Int(empty), Int(MessageFlags.MSG_DONTWAIT))
    },
    Scenario("recvmsg: control messages") { k in
      let (a, _) = await k.boundUDP()
      let (b, port) = await k.boundUDP()
      await k.set(a, 0, OptionName.IP_TOS, 8)
      await k.set(a, 0, OptionName.IP_TTL, 33)
      for options in [[OptionName.IP_PKTINFO], [OptionName.IP_PKTINFO, OptionName.IP_RECVTTL, OptionName.IP_RECVTOS]] {
        for option in options { await k.set(b, 0, option, 1) }
        for room in [0, 8, 16, 20, 27, 28, 32, 40, 64, 80, 128] {
          await k.send(a, "abc", 0, to: port)
          await k.settle()
          let control = k.put([UInt8](repeating: 0xEE, count: 128))
          let header = message(
            k, vectors: vectors(k, [(k.room(4), 4)]), count: 1, control: room, controlAt: control)
          let got = await k.raw(.recvmsg, [b, Int(header), Int(MessageFlags.MSG_DONTWAIT)])
          let count = k.get(header + 40, as: UInt.self)
          // What lies between messages is not defined.
          let part = Array(k.get(control, count: 128).prefix(min(Int(count), 28)))
          k.note("recvmsg \(got) flags \(k.get(header + 48, as: UInt32.self)) control \(count) \(part)", #line)
        }
      }
      await k.set(b, 1, OptionName.SO_TIMESTAMP, 1)
      await k.send(a, "abc", 0, to: port)
      await k.settle()
      let control = k.room(128)
      let header = message(k, vectors: vectors(k, [(k.room(4), 4)]), count: 1, control: 128, controlAt: control)
      let got = await k.raw(.recvmsg, [b, Int(header), Int(MessageFlags.MSG_DONTWAIT)])
      k.note("recvmsg \(got) control \(k.get(header + 40, as: UInt.self)) \(k.get(control, count: 16))", #line)
    },
    Scenario("recvmsg of a cut datagram, with MSG_TRUNC and of a stream") { k in
      let (a, _) = await k.boundUDP()
      let (b, port) = await k.boundUDP()
      for flags in [0, MessageFlags.MSG_TRUNC] {
        await k.send(a, "abcdefgh", 0, to: port)
        await k.settle()
        let header = message(k, vectors: vectors(k, [(k.room(4), 4)]), count: 1)
        let got = await k.raw(.recvmsg, [b, Int(header), Int(MessageFlags.MSG_DONTWAIT | flags)])
        k.note("recvmsg \(got) flags \(k.get(header + 48, as: UInt32.self))", #line)
      }
      let (c, d) = await k.pair()
      await k.write(c, "stream")
      await k.settle()
      let source = k.put([UInt8](repeating: 9, count: 16))
      let header = message(
        k, name: source, nameLength: 16, vectors: vectors(k, [(k.room(4), 4)]), count: 1)
      let got = await k.raw(.recvmsg, [d, Int(header), 0])
      k.note(
        "recvmsg \(got) name \(k.get(source, count: 2)) \(k.get(header + 8, as: Int32.self)) "
          + "flags \(k.get(header + 48, as: UInt32.self))", #line)
    },
  ]

  @Test("pointers", arguments: pointerScenarios) func pointer(_ scenario: Scenario) throws { try scenario.compare() }
  @Test("vectors and messages", arguments: vectorScenarios) func vector(_ scenario: Scenario) throws {
    try scenario.compare()
  }
}
