import LinuxABI
import Testing

private let address = OptionName.SO_REUSEADDR
private let port = OptionName.SO_REUSEPORT
private let lo = Array("lo\0".utf8)

@Suite("Ports are shared as in Linux")
struct PortSharingTests {
  /// A stream or datagram socket with the given options.
  private static func socket(_ k: Session, _ type: Int32, _ options: [Int32]) async -> Int {
    let s = await k.socket(type)
    for option in options { await k.set(s, 1, option, 1) }
    return s
  }

  /// Who has the port first.
  enum Owner: CaseIterable { case bound, listening, connected, accepted, timeWait }

  private static func own(_ k: Session, _ owner: Owner, _ options: [Int32], _ local: [UInt8]) async -> UInt16 {
    let stream = SocketType.SOCK_STREAM
    let s = await socket(k, stream, options)
    await k.bind(s, 0, local)
    let number = await k.port(s)
    switch owner {
    case .bound: break
    case .listening: await k.listen(s)
    case .connected:
      let (_, other) = await k.listener()
      await k.connect(s, other)
    case .accepted, .timeWait:
      await k.listen(s)
      let c = await k.tcp()
      await k.connect(c, number)
      let a = await k.accept(s)
      await k.close(s)
      if owner == .timeWait {
        await k.close(a)
        await k.settle()
        await k.close(c)
        await k.settle()
      }
    }
    return number
  }

  static let scenarios: [Scenario] =
    Owner.allCases.flatMap { owner in
      [[], [address], [port], [address, port]].map { options in
        Scenario("a port of one that is \(owner), with \(options)") { k in
          for local: [UInt8] in [[127, 0, 0, 1], [0, 0, 0, 0]] {
            for wanted in [[], [address], [port], [address, port]] {
              for place: [UInt8] in [[127, 0, 0, 1], [0, 0, 0, 0], [127, 0, 0, 2]] {
                let number = await own(k, owner, options, local)
                let s = await socket(k, SocketType.SOCK_STREAM, wanted)
                await k.bind(s, number, place)
                await k.listen(s)
              }
            }
          }
        }
      }
    } + [
      Scenario("datagram ports, with every option on either side") { k in
        for options in [[], [address], [port], [address, port]] {
          for wanted in [[], [address], [port], [address, port]] {
            for place: [UInt8] in [[127, 0, 0, 1], [0, 0, 0, 0], [127, 0, 0, 2]] {
              let s = await socket(k, SocketType.SOCK_DGRAM, options)
              await k.bind(s)
              let t = await socket(k, SocketType.SOCK_DGRAM, wanted)
              await k.bind(t, await k.port(s), place)
            }
          }
        }
      },
      Scenario("datagram ports with three owners: the newest decides first") { k in
        let a = await socket(k, SocketType.SOCK_DGRAM, [address])
        await k.bind(a)
        let number = await k.port(a)
        let b = await socket(k, SocketType.SOCK_DGRAM, [address, port])
        await k.bind(b, number)
        let c = await socket(k, SocketType.SOCK_DGRAM, [port])
        await k.bind(c, number)
        let d = await socket(k, SocketType.SOCK_DGRAM, [address])
        await k.bind(d, number)
      },
      Scenario("options that change after the bind") { k in
        for option in [address, port] {
          let a = await socket(k, SocketType.SOCK_STREAM, [option])
          await k.bind(a)
          let number = await k.port(a)
          if option == port {
            await k.set(a, 1, option, 0)
            let b = await socket(k, SocketType.SOCK_STREAM, [option])
            await k.bind(b, number)
          }
          let c = await socket(k, SocketType.SOCK_STREAM, [])
          await k.bind(c, number)
          await k.set(a, 1, option, 1)
          let d = await socket(k, SocketType.SOCK_STREAM, [option])
          await k.bind(d, number)
          await k.listen(d)
          await k.listen(a)
        }
      },
      Scenario("a port that was asked for stays after the connection's end") { k in
        for wanted in [false, true] {
          let first = await k.tcp()
          await k.bind(first)
          let number = await k.port(first)
          await k.close(first)
          let (l, other) = await k.listener()
          let s = await k.tcp()
          await k.bind(s, wanted ? number : 0)
          let mine = await k.port(s)
          await k.connect(s, other)
          let a = await k.accept(l)
          await k.set(a, 1, OptionName.SO_LINGER, 1, 0)
          await k.close(a)
          await k.settle()
          await k.port(s)
          let t = await k.tcp()
          await k.bind(t, mine)
          await k.bind(s)
          await k.close(s)
          let u = await k.tcp()
          await k.bind(u, mine)
        }
      },
      Scenario("a port bound for one interface") { k in
        for type in [SocketType.SOCK_STREAM, SocketType.SOCK_DGRAM] {
          let s = await k.socket(type)
          await k.set(s, 1, OptionName.SO_BINDTODEVICE, bytes: lo)
          await k.bind(s, 0, [0, 0, 0, 0])
          let number = await k.port(s)
          let t = await k.socket(type)
          await k.bind(t, number, [0, 0, 0, 0])
          await k.set(t, 1, OptionName.SO_BINDTOIFINDEX, 77)
          await k.bind(t, number, [0, 0, 0, 0])
          let u = await k.socket(type)
          await k.set(u, 1, OptionName.SO_BINDTOIFINDEX, 1)
          await k.bind(u, number, [0, 0, 0, 0])
        }
      },
    ]

  @Test("a port", arguments: scenarios) func sharing(_ scenario: Scenario) throws { try scenario.compare() }
}
