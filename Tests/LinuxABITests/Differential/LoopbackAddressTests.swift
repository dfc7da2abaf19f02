import LinuxABI
import Testing

private let dontWait = MessageFlags.MSG_DONTWAIT
private let nonBlocking = SocketType.SOCK_NONBLOCK

@Suite("The addresses of the loopback network and those of groups are what they are in Linux")
struct LoopbackAddressTests {
  private static let broadcast: [UInt8] = [127, 255, 255, 255]

  static let scenarios: [Scenario] = [
    Scenario("whoever speaks to another address of 127.0.0.0/8 is 127.0.0.1") { k in
      for address: [UInt8] in [[127, 0, 0, 1], [127, 0, 0, 2], [127, 9, 9, 9], [0, 0, 0, 0]] {
        let u = await k.udp()
        await k.connect(u, 9, address)
        await k.name(.getsockname, u)
        await k.name(.getpeername, u)
        let l = await k.tcp(nonBlocking)
        await k.bind(l, 0, address)
        await k.listen(l)
        let s = await k.tcp(nonBlocking)
        await k.connect(s, await k.port(l), address)
        await k.settle()
        await k.name(.getsockname, s)
        _ = await k.accept(l)
      }
    },
    Scenario("127.255.255.255 is a broadcast address") { k in
      let (b, port) = await k.boundUDP()
      let all = await k.udp()
      await k.bind(all, 0, [0, 0, 0, 0])
      let open = await k.port(all)
      let u = await k.udp()
      await k.connect(u, port, broadcast)
      await k.send(u, "x", 0, to: port, broadcast)
      await k.set(u, 1, OptionName.SO_BROADCAST, 1)
      await k.send(u, "to all", 0, to: port, broadcast)
      await k.send(u, "to all", 0, to: open, broadcast)
      await k.settle()
      await k.receive(b, 9, dontWait)
      await k.receive(all, 9, dontWait, wantsSource: true)
      await k.connect(u, port, broadcast)
      await k.name(.getpeername, u)
      await k.connect(await k.tcp(), port, broadcast)
    },
    Scenario("streams are bound to groups and broadcast addresses, and speak from others") { k in
      for address in [broadcast, [255, 255, 255, 255], [224, 0, 0, 1]] {
        let (_, port) = await k.listener()
        let s = await k.tcp()
        await k.bind(s, 0, address)
        await k.name(.getsockname, s)
        await k.connect(s, port)
        await k.name(.getsockname, s)
        let l = await k.tcp()
        await k.bind(l, 0, address)
        await k.listen(l)
        await k.poll(l)
      }
    },
    Scenario("datagram sockets are bound to them too") { k in
      for address in [broadcast, [255, 255, 255, 255], [224, 0, 0, 1]] {
        let (b, port) = await k.boundUDP()
        let u = await k.udp()
        await k.bind(u, 0, address)
        await k.name(.getsockname, u)
        await k.send(u, "x", 0, to: port)
        await k.settle()
        await k.receive(b, 9, dontWait, wantsSource: true)
      }
    },
    Scenario("ping sockets are not") { k in
      for address in [broadcast, [255, 255, 255, 255], [224, 0, 0, 1]] {
        let s = await k.socket(SocketType.SOCK_DGRAM, Protocol.IPPROTO_ICMP)
        await k.bind(s, 0, address)
        await k.name(.getsockname, s)
      }
    },
    Scenario("datagrams to a group leave by the interface that has their source") { k in
      let u = await k.udp()
      await k.bind(u, 0, [127, 0, 0, 2])
      let port = await k.port(u)
      await k.send(u, "x", 0, to: port, [239, 1, 2, 3])
      await k.send(u, "x", MessageFlags.MSG_DONTROUTE, to: port, [224, 0, 0, 1])
      await k.settle()
      await k.receive(u, 9, dontWait)
    },
    Scenario("a group that is none was not joined") { k in
      let s = await k.udp()
      for group: [UInt8] in [[0, 0, 0, 0], [127, 0, 0, 1]] {
        await k.set(s, 0, OptionName.IP_DROP_MEMBERSHIP, bytes: group + [0, 0, 0, 0])
        await k.set(s, 0, OptionName.IP_ADD_MEMBERSHIP, bytes: group + [0, 0, 0, 0])
      }
    },
    Scenario("IP_PKTINFO without an address leaves it to the route") { k in
      let (b, port) = await k.boundUDP()
      let u = await k.udp()
      await k.bind(u, 0, [127, 0, 0, 2])
      for info: [UInt8] in [[0, 0, 0, 0], [1, 0, 0, 0]] {
        await k.sendMessage(
          u, "x", [ControlMessage(0, OptionName.IP_PKTINFO, info + Array(repeating: 0, count: 8))], to: port)
        await k.settle()
        await k.receive(b, 9, dontWait, wantsSource: true)
      }
    },
    Scenario("what is bound to the loopback interface reaches nobody else, but may try") { k in
      let u = await k.udp()
      await k.set(u, 1, OptionName.SO_BINDTOIFINDEX, 1)
      await k.send(u, "x", 0, to: 9, [240, 0, 0, 1])
      await k.send(u, "x", 0, to: 9, [198, 51, 100, 1])
      await k.settle()
      await k.error(u)
      let raw = await k.udp()
      await k.sendMessage(
        raw, "x", [ControlMessage(0, OptionName.IP_PKTINFO, [1] + Array(repeating: 0, count: 11))], to: 9,
        [240, 0, 0, 1])
    },
  ]

  @Test(arguments: scenarios) func scenario(_ scenario: Scenario) throws { try scenario.compare() }
}
