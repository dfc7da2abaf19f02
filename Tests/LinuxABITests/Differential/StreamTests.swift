import LinuxABI
import Testing

private let peek = MessageFlags.MSG_PEEK
private let dontWait = MessageFlags.MSG_DONTWAIT
private let waitAll = MessageFlags.MSG_WAITALL
private let truncate = MessageFlags.MSG_TRUNC
private let outOfBand = MessageFlags.MSG_OOB

@Suite("Streams carry bytes and end as in Linux")
struct StreamTests {
  static let streamScenarios: [Scenario] = [
    Scenario("a stream: bytes there and back") { k in
      let (a, b) = await k.pair()
      await k.poll(a, b)
      await k.write(a, "hello")
      await k.settle()
      await k.poll(a, b)
      await k.ioctl(b, ControlRequest.FIONREAD)
      await k.read(b, 2)
      await k.ioctl(b, ControlRequest.FIONREAD)
      await k.receive(b, 9, wantsSource: true)
      await k.receive(b, 9, dontWait)
      await k.write(b, "")
      await k.send(b, "", 0)
      await k.settle()
      await k.poll(a)
      await k.send(b, "there", 0, to: 9)
      await k.send(b, "more", MessageFlags.MSG_MORE)
      await k.send(b, "!", MessageFlags.MSG_NOSIGNAL)
      await k.settle()
      await k.receive(a, 40)
      await k.ioctl(b, ControlRequest.SIOCOUTQ)
    },
    Scenario("a stream: MSG_PEEK, MSG_WAITALL, MSG_TRUNC, MSG_DONTWAIT") { k in
      let (a, b) = await k.pair()
      await k.receive(b, 4, peek | dontWait)
      await k.write(a, "abcdef")
      await k.settle()
      await k.receive(b, 3, peek)
      await k.receive(b, 9, peek)
      await k.receive(b, 9, peek | dontWait)
      await k.receive(b, 3, waitAll)
      await k.receive(b, 9, waitAll | dontWait)
      await k.write(a, "ghijkl")
      await k.settle()
      await k.receive(b, 4, truncate)
      await k.receive(b, 9, peek)
      await k.receive(b, 0)
      await k.receive(b, 0, dontWait)
      await k.receive(b, 0, peek)
      await k.setTimeout(b, OptionName.SO_RCVTIMEO, milliseconds: 20)
      await k.receive(b, 9, waitAll)
      await k.receive(b, 9, waitAll)
      await k.receive(b, 9, waitAll | peek)
      await k.write(a, "end")
      await k.close(a)
      await k.settle()
      await k.receive(b, 9, waitAll | peek)
      await k.receive(b, 9, waitAll)
      await k.receive(b, 9, waitAll)
    },
    Scenario("a stream: MSG_OOB and MSG_ERRQUEUE with nothing there") { k in
      let (a, b) = await k.pair()
      await k.receive(b, 1, outOfBand)
      await k.receive(b, 1, MessageFlags.MSG_ERRQUEUE)
      await k.close(a)
      await k.settle()
      await k.receive(b, 1, outOfBand)
    },
    Scenario("a stream: the time limit of SO_RCVTIMEO and SO_RCVLOWAT") { k in
      let (a, b) = await k.pair()
      await k.setTimeout(b, OptionName.SO_RCVTIMEO, milliseconds: 20)
      await k.read(b, 4)
      await k.set(b, 1, OptionName.SO_RCVLOWAT, 4)
      await k.poll(b)
      await k.write(a, "ab")
      await k.settle()
      await k.poll(b)
      await k.receive(b, 9, dontWait)
      await k.write(a, "cd")
      await k.settle()
      await k.read(b, 9)
      await k.write(a, "efgh")
      await k.settle()
      await k.poll(b)
      await k.read(b, 2)
      await k.poll(b)
      await k.read(b, 1)
      await k.close(a)
      await k.settle()
      await k.poll(b)
      await k.read(b, 9)
    },
    Scenario("a stream: a full buffer") { k in
      let (a, b) = await k.pair()
      await k.fill(a)
      await k.poll(a, b)
      await k.send(a, "x", dontWait)
      await k.setTimeout(a, OptionName.SO_SNDTIMEO, milliseconds: 20)
      await k.write(a, "x")
      await k.drain(b)
      await k.settle(50)
      await k.drain(b)
      await k.poll(a, b)
      await k.send(a, "x", dontWait)
    },
  ]

  static let closingScenarios: [Scenario] = [
    Scenario("half close: the writer shuts down") { k in
      let (a, b) = await k.pair()
      await k.write(a, "last")
      await k.call(.shutdown, a, 1)
      await k.settle()
      await k.poll(a, b)
      await k.write(a, "x")
      await k.send(a, "", 0)
      await k.call(.shutdown, a, 1)
      await k.read(b, 9)
      await k.read(b, 9)
      await k.poll(b)
      await k.write(b, "answer")
      await k.settle()
      await k.read(a, 9)
      await k.poll(a, b)
      await k.name(.getpeername, a)
      await k.call(.shutdown, b, 1)
      await k.settle()
      await k.poll(a, b)
      await k.read(a, 9)
      await k.read(b, 9)
      await k.write(b, "x")
      await k.name(.getpeername, a)
      await k.name(.getpeername, b)
      await k.call(.shutdown, a, 0)
      await k.call(.shutdown, b, 0)
      await k.call(.shutdown, b, 1)
      await k.error(a)
    },
    Scenario("half close: the reader shuts down") { k in
      let (a, b) = await k.pair()
      await k.write(a, "early")
      await k.settle()
      await k.call(.shutdown, b, 0)
      await k.poll(b)
      await k.read(b, 9)
      await k.read(b, 9)
      await k.write(a, "late")
      await k.settle()
      await k.poll(a, b)
      await k.ioctl(b, ControlRequest.FIONREAD)
      await k.read(b, 9)
      await k.read(b, 9)
      await k.write(b, "still")
      await k.settle()
      await k.read(a, 9)
      await k.call(.shutdown, b, 0)
    },
    Scenario("both directions shut down at once") { k in
      let (a, b) = await k.pair()
      await k.call(.shutdown, a, 2)
      await k.poll(a)
      await k.read(a, 1)
      await k.write(a, "x")
      await k.settle()
      await k.poll(a, b)
      await k.call(.shutdown, b, 2)
      await k.settle()
      await k.poll(a, b)
      await k.call(.shutdown, a, 2)
    },
    Scenario(
      "bytes for somebody who has shut down both directions"
    ) { k in
      let (a, b) = await k.pair()
      await k.call(.shutdown, a, 2)
      await k.settle()
      await k.write(b, "x")
      await k.settle()
      await k.poll(a, b)
      await k.write(b, "x")
      await k.read(b, 1)
      await k.error(b)
      await k.call(.shutdown, a, 2)
    },
    Scenario("the peer closes") { k in
      let (a, b) = await k.pair()
      await k.close(a)
      await k.settle()
      await k.poll(b)
      await k.read(b, 1)
      await k.read(b, 1)
      await k.name(.getpeername, b)
      await k.error(b)
      await k.write(b, "first")
      await k.settle()
      await k.poll(b)
      await k.name(.getpeername, b)
      await k.write(b, "second")
      await k.error(b)
      await k.write(b, "third")
      await k.read(b, 1)
      await k.call(.shutdown, b, 2)
    },
    Scenario("the peer closes with bytes unread, which resets") { k in
      let (a, b) = await k.pair()
      await k.write(a, "unread")
      await k.settle()
      await k.close(b)
      await k.settle()
      await k.poll(a)
      await k.read(a, 1)
      await k.read(a, 1)
      await k.write(a, "x")
    },
    Scenario("the peer resets, seen by read, write, poll and SO_ERROR") { k in
      for way in 0..<5 {
        let (a, b) = await k.pair()
        await k.set(a, 1, OptionName.SO_LINGER, 1, 0)
        await k.close(a)
        await k.settle()
        switch way {
        case 0:
          await k.read(b, 1)
          await k.read(b, 1)
          await k.poll(b)
          await k.write(b, "x")
        case 1:
          await k.write(b, "x")
          await k.write(b, "x")
          await k.read(b, 1)
        case 2:
          await k.poll(b)
          await k.error(b)
          await k.error(b)
          await k.poll(b)
          await k.read(b, 1)
        case 3:
          await k.receive(b, 1, peek)
          await k.receive(b, 1, peek)
        default:
          await k.name(.getpeername, b)
          await k.call(.shutdown, b, 1)
          await k.connect(b, 1)
          await k.ioctl(b, ControlRequest.FIONREAD)
          await k.ioctl(b, ControlRequest.SIOCOUTQ)
          await k.bind(b)
          await k.listen(b)
        }
      }
    },
    Scenario("the peer resets while bytes wait to be read") { k in
      let (a, b) = await k.pair()
      await k.write(a, "data")
      await k.settle()
      await k.set(a, 1, OptionName.SO_LINGER, 1, 0)
      await k.close(a)
      await k.settle()
      await k.poll(b)
      await k.ioctl(b, ControlRequest.FIONREAD)
      await k.read(b, 9)
      await k.read(b, 9)
      await k.read(b, 9)
    },
    Scenario("linger with a time, the peer answers") { k in
      let (a, b) = await k.pair()
      await k.set(a, 1, OptionName.SO_LINGER, 1, 1)
      await k.write(a, "bye")
      await k.close(a)
      await k.settle()
      await k.read(b, 9)
      await k.read(b, 9)
    },
    Scenario("close of a duplicate leaves the connection") { k in
      let (a, b) = await k.pair()
      let c = await k.duplicate(.dup, a)
      await k.close(a)
      await k.settle()
      await k.poll(b)
      await k.write(c, "on")
      await k.settle()
      await k.read(b, 9)
      await k.close(c)
      await k.settle()
      await k.read(b, 9)
    },
  ]

  @Test("streams", arguments: streamScenarios) func stream(_ scenario: Scenario) throws { try scenario.compare() }
  @Test("ends of streams", arguments: closingScenarios) func closing(_ scenario: Scenario) throws {
    try scenario.compare()
  }
}
