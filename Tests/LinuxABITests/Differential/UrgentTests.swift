import LinuxABI
import Testing

private let urgent = MessageFlags.MSG_OOB
private let dontWait = MessageFlags.MSG_DONTWAIT
private let peek = MessageFlags.MSG_PEEK

@Suite("Urgent data is what Linux makes of it")
struct UrgentTests {
  static let scenarios: [Scenario] = [
    Scenario("an urgent byte apart from the stream") { k in
      let (a, b) = await k.pair()
      await k.send(a, "ab!", urgent)
      await k.settle()
      await k.poll(b)
      await k.poll(b, events: 2)
      await k.ioctl(b, ControlRequest.FIONREAD)
      await k.ioctl(b, ControlRequest.SIOCATMARK)
      await k.receive(b, 5, urgent | peek)
      await k.receive(b, 5, urgent)
      await k.receive(b, 5, urgent)
      await k.poll(b)
      await k.write(a, "cd")
      await k.settle()
      await k.ioctl(b, ControlRequest.FIONREAD)
      await k.read(b, 9)
      await k.ioctl(b, ControlRequest.SIOCATMARK)
      await k.ioctl(b, ControlRequest.FIONREAD)
      await k.poll(b)
      await k.read(b, 9)
      await k.ioctl(b, ControlRequest.SIOCATMARK)
      await k.poll(b)
    },
    Scenario("reads stop at the mark, and go past it") { k in
      let (a, b) = await k.pair()
      await k.write(a, "before")
      await k.send(a, "!", urgent)
      await k.write(a, "after")
      await k.settle()
      await k.receive(b, 40, peek)
      await k.receive(b, 3)
      await k.ioctl(b, ControlRequest.FIONREAD)
      await k.receive(b, 40, MessageFlags.MSG_WAITALL | dontWait)
      await k.ioctl(b, ControlRequest.SIOCATMARK)
      await k.poll(b)
      await k.receive(b, 2, peek)
      await k.receive(b, 2)
      await k.poll(b)
      await k.receive(b, 1, urgent)
      await k.receive(b, 40)
    },
    Scenario("SO_OOBINLINE keeps the byte in the stream") { k in
      let (a, b) = await k.pair()
      await k.set(b, 1, OptionName.SO_OOBINLINE, 1)
      await k.send(a, "ab!", urgent)
      await k.write(a, "cd")
      await k.settle()
      await k.poll(b)
      await k.ioctl(b, ControlRequest.FIONREAD)
      await k.receive(b, 1, urgent)
      await k.read(b, 40)
      await k.ioctl(b, ControlRequest.SIOCATMARK)
      await k.read(b, 40)
      await k.ioctl(b, ControlRequest.SIOCATMARK)
      await k.poll(b)
    },
    Scenario("SO_OOBINLINE set and cleared around an urgent byte") { k in
      let (a, b) = await k.pair()
      await k.send(a, "ab!", urgent)
      await k.settle()
      await k.set(b, 1, OptionName.SO_OOBINLINE, 1)
      await k.receive(b, 1, urgent)
      await k.set(b, 1, OptionName.SO_OOBINLINE, 0)
      await k.receive(b, 1, urgent)
      await k.set(b, 1, OptionName.SO_OOBINLINE, 1)
      await k.read(b, 9)
      await k.read(b, 9)
    },
    Scenario("two urgent bytes: the last one counts") { k in
      let (a, b) = await k.pair()
      await k.send(a, "1", urgent)
      await k.send(a, "2", urgent)
      await k.settle()
      await k.receive(b, 1, urgent)
      await k.receive(b, 9, dontWait)
      await k.send(a, "x3", urgent)
      await k.settle()
      await k.receive(b, 9, dontWait)
      await k.send(a, "y4", urgent)
      await k.settle()
      await k.receive(b, 9, dontWait)
      await k.receive(b, 1, urgent)
      await k.receive(b, 9, dontWait)
      await k.receive(b, 9, dontWait)
    },
    Scenario("an urgent byte that is read as if it were none") { k in
      let (a, b) = await k.pair()
      await k.send(a, "!", urgent)
      await k.settle()
      await k.poll(b)
      await k.ioctl(b, ControlRequest.SIOCATMARK)
      await k.receive(b, 0, dontWait)
      await k.receive(b, 9, peek | dontWait)
      await k.receive(b, 9, dontWait)
      await k.receive(b, 1, urgent)
      await k.poll(b)
    },
    Scenario("an urgent byte, then the end") { k in
      for way in 0..<4 {
        let (a, b) = await k.pair()
        await k.send(a, "ab!", urgent)
        await k.close(a)
        await k.settle()
        switch way {
        case 0:
          await k.receive(b, 1, urgent)
          await k.read(b, 9)
          await k.read(b, 9)
          await k.receive(b, 1, urgent)
        case 1:
          await k.poll(b)
          await k.ioctl(b, ControlRequest.FIONREAD)
          await k.read(b, 9)
          await k.ioctl(b, ControlRequest.FIONREAD)
          await k.poll(b)
          await k.read(b, 9)
          await k.receive(b, 1, urgent)
        case 2:
          await k.call(.shutdown, b, 0)
          await k.receive(b, 1, urgent)
          await k.receive(b, 1, urgent)
        default:
          await k.read(b, 9)
          await k.write(b, "x")
          await k.settle()
          await k.receive(b, 1, urgent)
          await k.poll(b)
        }
      }
    },
    Scenario("urgent lengths and flags") { k in
      let (a, b) = await k.pair()
      await k.send(a, "", urgent)
      await k.settle()
      await k.receive(b, 1, urgent)
      await k.send(a, "q", urgent | MessageFlags.MSG_MORE)
      await k.settle()
      await k.receive(b, 0, urgent | peek)
      await k.receive(b, 4, urgent | MessageFlags.MSG_TRUNC | peek)
      await k.receive(b, 0, urgent)
      await k.receive(b, 1, urgent)
      await k.call(.sendto, a, 8, 1, Int(urgent), 0, 0)
      await k.send(a, "w", urgent)
      await k.settle()
      await k.call(.recvfrom, b, 8, 1, Int(urgent), 0, 0)
      await k.receive(b, 1, urgent)
    },
    Scenario("a corked stream lets urgent data go") { k in
      let (a, b) = await k.pair()
      await k.set(a, 6, OptionName.TCP_CORK, 1)
      await k.write(a, "held")
      await k.send(a, "!", urgent)
      await k.settle()
      await k.receive(b, 1, urgent)
      await k.receive(b, 9, dontWait)
    },
    Scenario("sockets without urgent data") { k in
      let (u, port) = await k.boundUDP()
      await k.connect(u, port)
      await k.send(u, "x", urgent)
      await k.send(u, "x", urgent, to: port)
      await k.receive(u, 1, urgent | dontWait)
      await k.ioctl(u, ControlRequest.SIOCATMARK)
      await k.poll(u, events: 2)
    },
  ]

  @Test("urgent data", arguments: scenarios) func urgentData(_ scenario: Scenario) throws { try scenario.compare() }
}
