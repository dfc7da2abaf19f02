import LinuxABI
import Testing

/// The requests of ioctl_nsfs(2).
private let userNamespace = 0xB701
private let parent = 0xB702
private let kind = 0xB703
private let owner = 0xB704

@Suite("The namespace of a socket is a file as in Linux")
struct NamespaceTests {
  /// The network's namespace and the user's, and a UDP socket.
  private static func open(_ k: Session) async -> (network: Int, user: Int, socket: Int) {
    let s = await k.udp()
    let network = await k.duplicate(.ioctl, s, Int(ControlRequest.SIOCGSKNS), 8)
    return (network, await k.duplicate(.ioctl, network, userNamespace, 8), s)
  }

  private static func each(
    _ name: String, _ body: @escaping @Sendable (Session, Int) async -> Void
  ) -> Scenario {
    Scenario(name, since: KernelVersion(6, 18), needsRoot: true) { k in
      let (network, user, _) = await open(k)
      for file in [network, user] { await body(k, file) }
    }
  }

  static let scenarios: [Scenario] = [
    each("what it is") { k, file in
      await k.call(.ioctl, file, kind, 8)
      await k.call(.ioctl, file, parent, 8)
      let pointer = k.put(UInt64(77))
      await k.call(.ioctl, file, owner, Int(pointer))
      k.note("\(k.get(pointer, as: UInt64.self))", #line)
      await k.call(.ioctl, file, owner, 8)
      // Its number is this machine's.
      await k.call(.ioctl, file, 0x8008_B70D, Int(pointer))
      await k.call(.ioctl, file, 0x8008_B70D, 8)
    },
    Scenario("above the user's there is nothing", since: KernelVersion(6, 18), needsRoot: true) { k in
      let (_, user, _) = await open(k)
      await k.call(.ioctl, user, userNamespace, 8)
    },
    each("its requests, and those of others") { k, file in
      for number in 0xB700...0xB720 where number != userNamespace {
        for high in [0, 0x4004, 0x8000, 0x8004, 0x8008, 0x8010, 0x8020, 0xC008, 0xC010] {
          await k.call(.ioctl, file, high << 16 | number, Int(k.room(64)))
        }
      }
    },
    each("every number of sixteen bits") { k, file in
      await RequestTests.askEverything(k, file, but: [userNamespace])
      for request in [1, 2, 0x541B, 0x5421, 0x5452, 0x5460] { await k.call(.ioctl, file, request, 8) }
    },
    each("what is asked of the file system") { k, file in
      await RequestTests.askFileSystem(k, file)
      let s = await k.udp()
      for (target, source) in [(file, file), (file, s), (s, file), (file, 900)] {
        await k.call(.ioctl, target, 0x4004_9409, source)
        await k.call(.ioctl, target, 0x4020_940D, Int(k.put([Int64(source), 0, 0, 0].withUnsafeBytes { Array($0) })))
      }
    },
    each("it is no socket, and can be neither read nor written") { k, file in
      let name = Int(k.put(Session.inet(9)))
      for call in [
        SystemCallNumber.bind, .connect, .listen, .accept, .accept4, .shutdown, .getsockname, .getpeername, .sendto,
        .recvfrom, .sendmsg, .recvmsg, .setsockopt, .getsockopt, .read, .write, .readv, .writev,
      ] {
        await k.call(call, file, name, 16, 0, name, 16)
        await k.call(call, file, 8, 4, 0, 0, 0)
        await k.call(call, file, 0, 0, 0, 0, 0)
      }
      for events: Int16 in [0x2007, 0x3FF, 4] { await k.poll(file, events: events) }
    },
    each("flags of the descriptor and of the file") { k, file in
      await k.fcntl(file, FileControl.F_GETFD)
      for flags in [0, 0o4000, 0o2000, 0o20000, 0o40000, 0o1000000, 0o2, 0o4010000, 0] {
        await k.fcntl(file, FileControl.F_SETFL, flags)
        await k.fcntl(file, FileControl.F_GETFL)
      }
      for request in [ControlRequest.FIONBIO, ControlRequest.FIOASYNC] {
        for value: Int32 in [1, 0] {
          await k.ioctl(file, request, value)
          await k.fcntl(file, FileControl.F_GETFL)
        }
      }
      for request in [ControlRequest.FIONCLEX, ControlRequest.FIOCLEX] {
        await k.call(.ioctl, file, Int(request), 0)
        await k.fcntl(file, FileControl.F_GETFD)
      }
      let copy = await k.duplicate(.dup, file)
      await k.call(.ioctl, copy, kind, 0)
      await k.fcntl(copy, FileControl.F_GETFD)
      await k.close(file)
      await k.call(.ioctl, copy, kind, 0)
      await k.close(copy)
      await k.call(.ioctl, copy, kind, 0)
    },
    each("fcntl: every command") { k, file in
      let left: Set<Int> = [Int(FileControl.F_SETOWN), 1024, 1027, 1030]
      for command in Array(1...60) + Array(1020...1045) where !left.contains(command) {
        for argument in [0, 1, 2, 8, -1, 1 << 31] { await k.fcntl(file, Int32(command), argument) }
      }
    },
    each("locks to read it, none to write it") { k, file in
      for command in [FileControl.F_SETLK, FileControl.F_GETLK, FileControl.F_OFD_SETLK, FileControl.F_OFD_GETLK] {
        for type: Int16 in [0, 1, 2] {
          let lock = k.put([Int64(type), 0, 0, 0].withUnsafeBytes { Array($0) })
          await k.call(.fcntl, file, Int(command), Int(lock))
          k.note("\(k.get(lock, count: 24))", #line)
        }
      }
    },
    Scenario("leases", needsRoot: true) { k in
      let (network, user, s) = await open(k)
      for file in [user, s] {
        for lease in [2, 0, 0, 2, 2, 5, -1] {
          await k.fcntl(file, FileControl.F_SETLEASE, lease)
          await k.fcntl(file, FileControl.F_GETLEASE)
        }
      }
      let another = await k.duplicate(.ioctl, s, Int(ControlRequest.SIOCGSKNS), 8)
      await k.fcntl(network, FileControl.F_SETLEASE, 1)
      await k.close(another)
    },
    Scenario("it takes the lowest number, and none where there is none", needsRoot: true) { k in
      let (network, user, s) = await open(k)
      await k.close(network)
      await k.close(await k.duplicate(.ioctl, s, Int(ControlRequest.SIOCGSKNS), 8))
      await k.call(.ioctl, user, Int(ControlRequest.SIOCGSKNS), 8)
    },
  ]

  @Test(arguments: scenarios) func scenario(_ scenario: Scenario) throws { try scenario.compare() }
}
