import LinuxABI
import Testing

@Suite("socket and bind answer as Linux does")
struct OpeningTests {
  static let socketScenarios: [Scenario] = [
    Scenario("socket: families, types and protocols") { k in
      for domain: Int32 in [0, 3, 45, 46, 99, -1] { _ = await k.socket(1, 0, domain: domain) }
      for type: Int32 in [0, 1, 2, 4, 6, 7, 9, 11, 12, 15, 16, 1 | 0o4000, 1 | 0o2000000, 1 | 0o10000, 2 | 32] {
        _ = await k.socket(type)
      }
      // Without 132 and 262, SCTP and MPTCP, which a kernel may have.
      for number: Int32 in [6, 17, 1, 2, 255, 256, 263, 1000, -1] {
        _ = await k.socket(SocketType.SOCK_STREAM, number)
      }
      for number: Int32 in [6, 17, 2, 255, 256, 263, -1] { _ = await k.socket(SocketType.SOCK_DGRAM, number) }
      for number: Int32 in [0, 1, 6, 17, 255, 256, 263, -1] { _ = await k.socket(SocketType.SOCK_RAW, number) }
    },
    Scenario("a new stream socket") { k in
      let s = await k.tcp()
      await k.name(.getsockname, s)
      await k.name(.getpeername, s)
      await k.poll(s)
      await k.poll(s, events: 0)
      await k.write(s, "x")
      await k.read(s, 1)
      await k.read(s, 0)
      await k.write(s, "")
      await k.receive(s, 4)
      await k.receive(s, 0)
      await k.receive(s, 0, MessageFlags.MSG_DONTWAIT)
      await k.receive(s, 4, MessageFlags.MSG_PEEK)
      await k.send(s, "x", MessageFlags.MSG_DONTWAIT)
      await k.call(.shutdown, s, 0)
      await k.call(.shutdown, s, 1)
      await k.call(.shutdown, s, 2)
      await k.call(.shutdown, s, 3)
      await k.call(.shutdown, s, -1)
      _ = await k.accept(s)
      await k.ioctl(s, ControlRequest.FIONREAD)
      await k.ioctl(s, ControlRequest.SIOCOUTQ)
      await k.error(s)
    },
    Scenario("a new datagram socket") { k in
      let s = await k.udp()
      await k.name(.getsockname, s)
      await k.name(.getpeername, s)
      await k.poll(s)
      await k.write(s, "x")
      await k.write(s, "")
      await k.send(s, "x")
      await k.receive(s, 4, MessageFlags.MSG_DONTWAIT)
      await k.name(.getsockname, s)
      await k.call(.shutdown, s, 0)
      await k.call(.shutdown, s, 1)
      await k.call(.shutdown, s, 9)
      await k.poll(s)
      await k.send(s, "x", 0, to: 9)
      await k.receive(s, 4)
      await k.listen(s)
      _ = await k.accept(s)
      await k.ioctl(s, ControlRequest.FIONREAD)
      await k.ioctl(s, ControlRequest.SIOCOUTQ)
      await k.error(s)
    },
    Scenario("descriptors that are not open") { k in
      let s = await k.tcp()
      await k.close(s)
      for d in [s, -1, 5000, Int(Int32.max)] {
        await k.bind(d)
        await k.connect(d, 1)
        await k.listen(d)
        _ = await k.accept(d)
        await k.name(.getsockname, d)
        await k.name(.getpeername, d)
        await k.read(d, 1)
        await k.write(d, "x")
        await k.send(d, "x")
        await k.receive(d, 1)
        await k.call(.shutdown, d, 1)
        await k.call(.shutdown, d, 77)
        await k.set(d, 1, OptionName.SO_REUSEADDR, 1)
        await k.get(d, 1, OptionName.SO_TYPE)
        await k.fcntl(d, FileControl.F_GETFL)
        await k.ioctl(d, ControlRequest.FIONREAD)
        await k.call(.close, d)
        _ = await k.duplicate(.dup, d)
        await k.poll(d)
      }
    },
  ]

  static let bindScenarios: [Scenario] = [
    Scenario("bind: addresses and lengths") { k in
      for type in [SocketType.SOCK_STREAM, SocketType.SOCK_DGRAM] {
        let s = await k.socket(type)
        for length in [0, 1, 2, 8, 15, -1, 129, 1000] { await k.bind(s, length: length) }
        await k.bind(s, family: 1)
        await k.bind(s, family: 10)
        await k.bind(s, family: 0)
        await k.bind(s, 0, [8, 8, 8, 8])
        await k.name(.getsockname, s)
        await k.bind(s, 0, [0, 0, 0, 0], family: 0)
        await k.name(.getsockname, s)
        await k.bind(s)
        let t = await k.socket(type)
        await k.bind(t, 0, length: 128)
        await k.name(.getsockname, t)
        await k.bind(t)
        await k.poll(t)
        let u = await k.socket(type)
        await k.bind(u, 0, [127, 200, 3, 4])
        await k.name(.getsockname, u)
      }
    },
    Scenario("bind: a stream port in use") { k in
      let (_, port) = await k.listener()
      let s = await k.tcp()
      await k.bind(s, port)
      await k.bind(s, port, [0, 0, 0, 0])
      await k.set(s, 1, OptionName.SO_REUSEADDR, 1)
      await k.bind(s, port)
      await k.bind(s, port, [127, 0, 0, 2])
      await k.listen(s)
    },
    Scenario("bind: SO_REUSEADDR among streams that do not listen") { k in
      let a = await k.tcp()
      await k.set(a, 1, OptionName.SO_REUSEADDR, 1)
      await k.bind(a)
      let port = await k.port(a)
      let b = await k.tcp()
      await k.bind(b, port)
      await k.set(b, 1, OptionName.SO_REUSEADDR, 1)
      await k.bind(b, port)
      await k.listen(a)
      await k.listen(b)
      let c = await k.tcp()
      await k.set(c, 1, OptionName.SO_REUSEADDR, 1)
      await k.bind(c, port)
      await k.close(a)
      await k.listen(b)
    },
    Scenario("bind: SO_REUSEADDR set after the bind") { k in
      let a = await k.tcp()
      await k.bind(a)
      let port = await k.port(a)
      let b = await k.tcp()
      await k.set(b, 1, OptionName.SO_REUSEADDR, 1)
      await k.bind(b, port)
      await k.set(a, 1, OptionName.SO_REUSEADDR, 1)
      await k.bind(b, port)
      await k.listen(b)
      await k.listen(a)
    },
    Scenario("bind: SO_REUSEPORT") { k in
      for type in [SocketType.SOCK_STREAM, SocketType.SOCK_DGRAM] {
        let a = await k.socket(type)
        await k.set(a, 1, OptionName.SO_REUSEPORT, 1)
        await k.bind(a)
        let port = await k.port(a)
        let b = await k.socket(type)
        await k.bind(b, port)
        await k.set(b, 1, OptionName.SO_REUSEPORT, 1)
        await k.bind(b, port)
        if type == SocketType.SOCK_STREAM {
          await k.listen(a)
          await k.listen(b)
        }
      }
    },
    Scenario("bind: a datagram port in use") { k in
      let (a, port) = await k.boundUDP()
      let b = await k.udp()
      await k.bind(b, port)
      await k.bind(b, port, [0, 0, 0, 0])
      await k.set(b, 1, OptionName.SO_REUSEADDR, 1)
      await k.bind(b, port)
      await k.set(a, 1, OptionName.SO_REUSEADDR, 1)
      await k.bind(b, port)
      await k.close(a)
      let c = await k.udp()
      await k.bind(c, port, [127, 0, 0, 2])
    },
    Scenario("bind: a port left over by connections of a listener with SO_REUSEADDR") { k in
      let l = await k.tcp()
      await k.set(l, 1, OptionName.SO_REUSEADDR, 1)
      await k.bind(l)
      let port = await k.port(l)
      await k.listen(l)
      let a = await k.tcp()
      await k.connect(a, port)
      let b = await k.accept(l)
      await k.close(l)
      let t = await k.tcp()
      await k.bind(t, port)
      await k.set(t, 1, OptionName.SO_REUSEADDR, 1)
      await k.bind(t, port)
      await k.listen(t)
      await k.close(b)
      await k.settle()
      await k.close(a)
      await k.settle()
      await k.close(t)
      let u = await k.tcp()
      await k.bind(u, port)
      await k.set(u, 1, OptionName.SO_REUSEADDR, 1)
      await k.bind(u, port)
      await k.listen(u)
    },
    Scenario("bind: a port left over by connections of a listener without SO_REUSEADDR") { k in
      let (l, port) = await k.listener()
      let a = await k.tcp()
      await k.connect(a, port)
      let b = await k.accept(l)
      await k.close(l)
      let t = await k.tcp()
      await k.bind(t, port)
      await k.set(t, 1, OptionName.SO_REUSEADDR, 1)
      await k.bind(t, port)
      await k.listen(t)
      // The server closes first: its TIME-WAIT keeps the port.
      await k.close(b)
      await k.settle()
      await k.close(a)
      await k.settle()
      await k.close(t)
      let u = await k.tcp()
      await k.bind(u, port)
      await k.set(u, 1, OptionName.SO_REUSEADDR, 1)
      await k.bind(u, port)
      await k.listen(u)
    },
    Scenario("bind after connect, and a connect that binds") { k in
      let (_, port) = await k.listener()
      let a = await k.tcp()
      await k.connect(a, port)
      await k.bind(a)
      await k.port(a)
      let u = await k.udp()
      await k.connect(u, port)
      await k.bind(u)
      await k.port(u)
      await k.name(.getpeername, u)
    },
  ]

  @Test("socket", arguments: socketScenarios) func socket(_ scenario: Scenario) throws { try scenario.compare() }
  @Test("bind", arguments: bindScenarios) func bind(_ scenario: Scenario) throws { try scenario.compare() }
}
