import LinuxABI
import Testing

private let dontWait = MessageFlags.MSG_DONTWAIT
private let nonBlocking = SocketType.SOCK_NONBLOCK

@Suite("What is left of a stream that failed, ended or was dissolved is what Linux leaves")
struct StreamAftermathTests {
  /// A socket that does not block, whose attempt to connect was refused, which nobody has told it yet.
  private static func refused(_ k: Session) async -> Int {
    let gone = await k.tcp()
    await k.bind(gone)
    let s = await k.tcp(nonBlocking)
    await k.connect(s, await k.port(gone))
    await k.settle()
    return s
  }

  /// The end that closed first of a connection that both ends have shut down: in TIME-WAIT.
  private static func ended(_ k: Session, isBound: Bool = false) async -> (Int, UInt16) {
    let (l, port) = await k.listener()
    let a = await k.tcp(nonBlocking)
    if isBound { await k.bind(a) }
    await k.connect(a, port)
    await k.settle()
    let b = await k.accept(l)
    await k.call(.shutdown, a, 1)
    await k.settle()
    await k.call(.shutdown, b, 1)
    await k.settle()
    return (a, port)
  }

  static let scenarios: [Scenario] = [
    Scenario("shutdown before the failure is told: no other attempt until connect with AF_UNSPEC") { k in
      for how in 0...2 {
        let s = await refused(k)
        let (_, port) = await k.listener()
        await k.call(.shutdown, s, how)
        await k.poll(s)
        await k.connect(s, port, length: 7)
        await k.connect(s, port)
        await k.listen(s)
        await k.send(s, "x", MessageFlags.MSG_FASTOPEN, to: port)
        await k.error(s)
        await k.connect(s, port)
        await k.connect(s, 0, family: 0, length: 2)
        await k.poll(s)
        await k.connect(s, port)
        await k.settle()
        await k.connect(s, port)
        await k.poll(s)
        await k.write(s, "x")
      }
    },
    Scenario("shutdown before the success is told: connect finds it connected") { k in
      let (_, port) = await k.listener()
      let s = await k.tcp(nonBlocking)
      await k.connect(s, port)
      await k.settle()
      await k.call(.shutdown, s, 0)
      await k.connect(s, port)
    },
    Scenario("connect with AF_UNSPEC takes back a shutdown without a connection") { k in
      let s = await k.tcp()
      await k.call(.shutdown, s, 2)
      await k.poll(s)
      await k.receive(s, 1, dontWait)
      await k.connect(s, 0, family: 0, length: 2)
      await k.poll(s)
      await k.receive(s, 1, dontWait)
    },
    Scenario("a shutdown without a connection holds for the next one") { k in
      for how in 0...2 {
        let (l, port) = await k.listener()
        let s = await k.tcp()
        await k.call(.shutdown, s, how)
        await k.connect(s, port)
        let b = await k.accept(l)
        await k.poll(s)
        await k.write(s, "x")
        await k.write(b, "y")
        await k.settle()
        await k.poll(s)
        await k.receive(s, 9, dontWait)
        await k.receive(s, 9, dontWait)
      }
    },
    Scenario("a listener has an error, and does not tell it to readers") { k in
      let s = await refused(k)
      await k.connect(s, 0, family: 0, length: 2)
      await k.listen(s)
      await k.receive(s, 1, dontWait)
      await k.error(s)
    },
    Scenario("who is bound to an interface that is not there sends not even a reset") { k in
      let (a, b) = await k.pair()
      await k.set(a, 1, OptionName.SO_BINDTOIFINDEX, 77)
      await k.write(a, "x")
      await k.settle()
      await k.receive(b, 1, dontWait)
      await k.connect(a, 0, family: 0, length: 2)
      await k.settle()
      await k.name(.getpeername, b)
    },
    Scenario("in TIME-WAIT bind forgets the path") { k in
      let (s, _) = await ended(k)
      await k.bind(s)
      await k.get(s, 0, OptionName.IP_MTU)
    },
    Scenario("a listener that ends forgets that it was shut down before") { k in
      let s = await k.tcp(nonBlocking)
      await k.call(.shutdown, s, 2)
      await k.listen(s)
      await k.call(.shutdown, s, 0)
      await k.receive(s, 1)
      await k.poll(s)
    },
    Scenario("an accepted stream has its IP_MULTICAST_TTL from the peer") { k in
      let (a, b) = await k.pair()
      await k.get(a, 0, OptionName.IP_MULTICAST_TTL)
      await k.get(b, 0, OptionName.IP_MULTICAST_TTL)
    },
    Scenario("no bytes are asked for, and there is an error") { k in
      for flags in [0, MessageFlags.MSG_WAITALL] {
        let s = await refused(k)
        await k.receive(s, 0, flags)
        await k.error(s)
      }
    },
    Scenario("no bytes are asked for: one wait, whatever comes of it") { k in
      let (a, _) = await k.pair()
      await k.setTimeout(a, OptionName.SO_RCVTIMEO, milliseconds: 4)
      await k.receive(a, 0)
      await k.receive(a, 0, MessageFlags.MSG_DONTWAIT)
    },
    Scenario("a bind that fails forgets the address") { k in
      let (_, taken) = await k.listener()
      let (s, _) = await ended(k)
      await k.bind(s, taken)
      await k.name(.getsockname, s)
    },
    Scenario("a stream that meets itself when its direction is shut down") { k in
      let s = await k.tcp(nonBlocking)
      await k.bind(s)
      await k.call(.shutdown, s, 1)
      await k.connect(s, await k.port(s))
      await k.settle()
      await k.poll(s)
      await k.connect(s, await k.port(s))
    },
    Scenario("in TIME-WAIT another port may be taken, if bind did not choose this one") { k in
      for isBound in [false, true] {
        let (s, port) = await ended(k, isBound: isBound)
        await k.get(s, 0, OptionName.IP_PROTOCOL)
        await k.bind(s, port)
        await k.bind(s)
        await k.bind(s)
        await k.set(s, 6, OptionName.TCP_QUEUE_SEQ, 1)
      }
    },
    Scenario("IP_PROTOCOL shows no port that only a connection had") { k in
      let s = await refused(k)
      await k.get(s, 0, OptionName.IP_PROTOCOL)
    },
    Scenario("SIOCOUTQ and SIOCOUTQNSD after the end") { k in
      func show(_ s: Int, line: Int = #line) async {
        await k.ioctl(s, ControlRequest.SIOCOUTQ, line: line)
        await k.ioctl(s, ControlRequest.SIOCOUTQNSD, line: line)
      }
      let s = await k.tcp()
      await show(s)
      for _ in 0..<2 {
        await k.connect(s, 0, family: 0, length: 2)
        await show(s)
      }
      let failed = await refused(k)
      await show(failed)
      await k.error(failed)
      await k.connect(failed, 0, family: 0, length: 2)
      await show(failed)
      let l = await k.tcp()
      for _ in 0..<2 {
        await k.listen(l)
        await k.connect(l, 0, family: 0, length: 2)
        await show(l)
      }
      await show((await ended(k)).0)
      let (a, b) = await k.pair()
      await k.set(b, 1, OptionName.SO_LINGER, 1, 0)
      await k.close(b)
      await k.settle()
      await show(a)
    },
    Scenario("TCP_FASTOPEN and its kin have their time") { k in
      let (l, _) = await k.listener()
      let (a, _) = await k.pair()
      for s in [await k.tcp(), l, a, await refused(k), (await ended(k)).0] {
        for option in [
          OptionName.TCP_FASTOPEN, OptionName.TCP_FASTOPEN_CONNECT, OptionName.TCP_FASTOPEN_NO_COOKIE,
        ] {
          for value: Int32 in [1, 0] { await k.set(s, 6, option, value) }
        }
      }
    },
    Scenario("control messages are looked at where there is a connection") { k in
      let (l, port) = await k.listener(backlog: 0)
      let (a, b) = await k.pair()
      await k.call(.shutdown, b, 1)
      await k.connect(await k.tcp(), port)
      let waiting = await k.tcp(nonBlocking)
      await k.connect(waiting, port)
      for s in [await k.tcp(), l, a, b, waiting, await refused(k)] {
        await k.sendMessage(s, "x", [ControlMessage(1, 99, 1)], dontWait)
        await k.sendMessage(s, "x", [ControlMessage(1, 99, 1)], dontWait)
      }
    },
  ]

  @Test(arguments: scenarios) func scenario(_ scenario: Scenario) throws { try scenario.compare() }
}
