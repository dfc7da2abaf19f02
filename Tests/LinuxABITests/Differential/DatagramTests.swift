import LinuxABI
import Testing

private let peek = MessageFlags.MSG_PEEK
private let dontWait = MessageFlags.MSG_DONTWAIT
private let waitAll = MessageFlags.MSG_WAITALL
private let truncate = MessageFlags.MSG_TRUNC
private let outOfBand = MessageFlags.MSG_OOB

@Suite("Datagrams travel as Linux has them travel")
struct DatagramTests {
  static let datagramScenarios: [Scenario] = [
    Scenario("datagrams: there and back") { k in
      let (a, pa) = await k.boundUDP()
      let (b, pb) = await k.boundUDP()
      await k.poll(a, b)
      await k.send(a, "hello", 0, to: pb)
      await k.settle()
      await k.poll(b)
      await k.ioctl(b, ControlRequest.FIONREAD)
      await k.receive(b, 9, wantsSource: true)
      await k.send(b, "", 0, to: pa)
      await k.settle()
      await k.poll(a)
      await k.ioctl(a, ControlRequest.FIONREAD)
      await k.receive(a, 9, wantsSource: true)
      await k.send(b, "one", 0, to: pa)
      await k.send(b, "two!", 0, to: pa)
      await k.settle()
      await k.ioctl(a, ControlRequest.FIONREAD)
      await k.read(a, 9)
      await k.ioctl(a, ControlRequest.FIONREAD)
      await k.read(a, 9)
      await k.receive(a, 9, dontWait)
    },
    Scenario("datagrams: MSG_PEEK, MSG_TRUNC, MSG_WAITALL, short buffers") { k in
      let (a, _) = await k.boundUDP()
      let (b, pb) = await k.boundUDP()
      for _ in 0..<8 { await k.send(a, "abcdef", 0, to: pb) }
      await k.settle()
      await k.receive(b, 3, peek)
      await k.receive(b, 3, peek | truncate)
      await k.receive(b, 3)
      await k.receive(b, 3, truncate)
      await k.receive(b, 0)
      await k.receive(b, 0, truncate)
      await k.read(b, 0)
      await k.ioctl(b, ControlRequest.FIONREAD)
      await k.receive(b, 9, waitAll)
      await k.receive(b, 9, waitAll | peek)
      await k.setTimeout(b, OptionName.SO_RCVTIMEO, milliseconds: 20)
      await k.receive(b, 9)
      await k.receive(b, 9)
      await k.receive(b, 9)
      await k.receive(b, 0)
      await k.receive(b, 1, outOfBand)
      await k.receive(b, 1, MessageFlags.MSG_ERRQUEUE)
      await k.send(b, "x", outOfBand, to: pb)
    },
    Scenario("datagrams: destinations") { k in
      let (a, _) = await k.boundUDP()
      let (b, pb) = await k.boundUDP()
      await k.send(a, "x", 0, to: 0)
      await k.send(a, "x", 0, to: pb, length: 15)
      await k.send(a, "x", 0, to: pb, length: 2)
      await k.send(a, "x", 0, to: pb, length: 0)
      await k.send(a, "x", 0, to: pb, length: -1)
      await k.send(a, "x", 0, to: pb, length: 129)
      await k.send(a, "x", 0, to: pb, family: 10)
      await k.send(a, "x", 0, to: pb, family: 1)
      await k.send(a, "unspec", 0, to: pb, family: 0)
      await k.send(a, "any", 0, to: pb, [0, 0, 0, 0])
      await k.send(a, "x", 0, to: pb, [255, 255, 255, 255])
      await k.settle()
      await k.read(b, 9)
      await k.receive(b, 9, dontWait)
      await k.receive(b, 9, dontWait)
    },
    Scenario("datagrams: too long") { k in
      let (a, _) = await k.boundUDP()
      let (b, pb) = await k.boundUDP()
      for count in [65507, 65508, 65535, 70000] {
        let bytes = k.put([UInt8](repeating: 1, count: count))
        let target = k.put(Session.inet(pb))
        await k.call(.sendto, a, Int(bytes), count, 0, Int(target), 16)
      }
      await k.settle()
      await k.ioctl(b, ControlRequest.FIONREAD)
      await k.receive(b, 70000, dontWait)
    },
    Scenario("datagrams: nobody there, not connected") { k in
      let (gone, port) = await k.boundUDP()
      await k.close(gone)
      let a = await k.udp()
      await k.send(a, "x", 0, to: port)
      await k.settle()
      await k.poll(a)
      await k.error(a)
      await k.receive(a, 1, dontWait)
    },
    Scenario("datagrams: nobody there, connected") { k in
      for way in 0..<4 {
        let (gone, port) = await k.boundUDP()
        await k.close(gone)
        let a = await k.udp()
        await k.connect(a, port)
        await k.write(a, "x")
        await k.settle()
        switch way {
        case 0:
          await k.poll(a)
          await k.receive(a, 1, dontWait)
          await k.receive(a, 1, dontWait)
        case 1:
          await k.write(a, "x")
          await k.settle()
          await k.write(a, "x")
        case 2:
          await k.error(a)
          await k.error(a)
          await k.poll(a)
        default:
          await k.name(.getpeername, a)
          await k.ioctl(a, ControlRequest.FIONREAD)
          await k.receive(a, 1, dontWait | peek)
          await k.receive(a, 1, dontWait)
        }
      }
    },
    Scenario("datagrams: a connected socket") { k in
      let (a, pa) = await k.boundUDP()
      let (b, pb) = await k.boundUDP()
      let (c, pc) = await k.boundUDP()
      await k.connect(a, pb)
      await k.name(.getpeername, a)
      await k.name(.getsockname, a)
      await k.connect(a, pb)
      await k.write(a, "to b")
      await k.send(a, "to c", 0, to: pc)
      await k.send(c, "from c", 0, to: pa)
      await k.send(b, "from b", 0, to: pa)
      await k.settle()
      await k.receive(a, 9, dontWait, wantsSource: true)
      await k.receive(a, 9, dontWait)
      await k.read(b, 9)
      await k.read(c, 9)
      await k.connect(a, pc)
      await k.name(.getpeername, a)
      await k.connect(a, 0, family: 0)
      await k.name(.getpeername, a)
      await k.name(.getsockname, a)
      await k.write(a, "x")
    },
    Scenario("datagrams: shut down") { k in
      let (a, pa) = await k.boundUDP()
      let (b, pb) = await k.boundUDP()
      await k.call(.shutdown, a, 1)
      await k.connect(a, pb)
      await k.send(b, "waiting", 0, to: pa)
      await k.settle()
      await k.call(.shutdown, a, 1)
      await k.poll(a)
      await k.write(a, "x")
      await k.send(a, "x", 0, to: pb)
      await k.call(.shutdown, a, 0)
      await k.poll(a)
      await k.receive(a, 9)
      await k.receive(a, 9)
      await k.send(b, "late", 0, to: pa)
      await k.settle()
      await k.receive(a, 9, dontWait)
      await k.poll(a)
      await k.call(.shutdown, a, 2)
    },
    Scenario("datagrams: MSG_MORE and UDP_CORK gather") { k in
      let (a, _) = await k.boundUDP()
      let (b, pb) = await k.boundUDP()
      let (c, pc) = await k.boundUDP()
      await k.send(a, "x", MessageFlags.MSG_MORE)
      await k.send(a, "ab", MessageFlags.MSG_MORE, to: pb)
      await k.send(a, "cd", MessageFlags.MSG_MORE, to: pc)
      await k.settle()
      await k.receive(b, 9, dontWait)
      await k.send(a, "e", 0, to: pb)
      await k.settle()
      await k.receive(b, 9, dontWait)
      await k.receive(c, 9, dontWait)
      await k.set(a, 17, OptionName.UDP_CORK, 1)
      await k.send(a, "one", 0, to: pc)
      await k.send(a, "two", 0, to: pc)
      await k.settle()
      await k.receive(c, 9, dontWait)
      await k.set(a, 17, OptionName.UDP_CORK, 0)
      await k.settle()
      await k.receive(c, 9, dontWait)
    },
    Scenario("datagrams: the receive queue is bounded") { k in
      let (a, _) = await k.boundUDP()
      let (b, pb) = await k.boundUDP()
      await k.set(b, 1, OptionName.SO_RCVBUF, 1)
      for _ in 0..<200 { await k.send(a, String(repeating: "x", count: 1000), 0, to: pb) }
      await k.settle()
      await k.drain(b)
    },
  ]

  @Test("datagrams", arguments: datagramScenarios) func datagram(_ scenario: Scenario) throws {
    try scenario.compare()
  }
}
