import LinuxABI
import Testing

@Suite("Options and controls answer as Linux does")
struct OptionTests {
  private static let both = [SocketType.SOCK_STREAM, SocketType.SOCK_DGRAM]

  static let optionScenarios: [Scenario] = [
    Scenario("options: what a fresh socket has") { k in
      for type in both {
        let s = await k.socket(type)
        for option in [
          OptionName.SO_REUSEADDR, OptionName.SO_TYPE, OptionName.SO_ERROR, OptionName.SO_DONTROUTE,
          OptionName.SO_BROADCAST, OptionName.SO_KEEPALIVE, OptionName.SO_OOBINLINE, OptionName.SO_PRIORITY,
          OptionName.SO_REUSEPORT, OptionName.SO_RCVLOWAT, OptionName.SO_SNDLOWAT, OptionName.SO_TIMESTAMP,
          OptionName.SO_ACCEPTCONN, OptionName.SO_PROTOCOL, OptionName.SO_DOMAIN,
        ] {
          await k.get(s, 1, option)
        }
        await k.get(s, 1, OptionName.SO_LINGER, room: 8)
        await k.get(s, 1, OptionName.SO_RCVTIMEO, room: 16)
        await k.get(s, 1, OptionName.SO_SNDTIMEO, room: 16)
        for option in [
          OptionName.IP_TOS, OptionName.IP_TTL, OptionName.IP_HDRINCL, OptionName.IP_MTU, OptionName.IP_MTU_DISCOVER,
          OptionName.IP_RECVERR, OptionName.IP_MULTICAST_TTL, OptionName.IP_MULTICAST_LOOP,
        ] { await k.get(s, 0, option) }
        for option in [
          OptionName.TCP_NODELAY, OptionName.TCP_MAXSEG, OptionName.TCP_CORK, OptionName.TCP_KEEPIDLE,
          OptionName.TCP_KEEPINTVL, OptionName.TCP_KEEPCNT, OptionName.TCP_QUICKACK, OptionName.TCP_USER_TIMEOUT,
        ] { await k.get(s, 6, option) }
      }
    },
    Scenario("options: set and read back") { k in
      for type in both {
        let s = await k.socket(type)
        for option in [
          OptionName.SO_REUSEADDR, OptionName.SO_REUSEPORT, OptionName.SO_BROADCAST, OptionName.SO_KEEPALIVE,
          OptionName.SO_DONTROUTE, OptionName.SO_OOBINLINE, OptionName.SO_TIMESTAMP,
        ] {
          for value: Int32 in [1, 0, 5, -1] {
            await k.set(s, 1, option, value)
            await k.get(s, 1, option)
          }
        }
        // Linux cuts what a stream asks for to half of tcp_rmem's maximum, which differs from host to host.
        for value: Int32 in [0, 1, 6, 1000] + (type == SocketType.SOCK_DGRAM ? [-1, -7] : []) {
          await k.set(s, 1, OptionName.SO_RCVLOWAT, value)
          await k.get(s, 1, OptionName.SO_RCVLOWAT)
        }
        for value: Int32 in [0, 3, 6] {
          await k.set(s, 1, OptionName.SO_PRIORITY, value)
          await k.get(s, 1, OptionName.SO_PRIORITY)
        }
        for value: Int32 in [0, 1, 4608, 10000, 100_000, 212_992] {
          await k.set(s, 1, OptionName.SO_SNDBUF, value)
          await k.get(s, 1, OptionName.SO_SNDBUF)
          await k.set(s, 1, OptionName.SO_RCVBUF, value)
          await k.get(s, 1, OptionName.SO_RCVBUF)
        }
        for option in [
          OptionName.SO_TYPE, OptionName.SO_ERROR, OptionName.SO_PROTOCOL, OptionName.SO_DOMAIN,
          OptionName.SO_ACCEPTCONN, OptionName.SO_SNDLOWAT, 999, -1,
        ] { await k.set(s, 1, option, 1) }
        await k.get(s, 1, 999)
        await k.get(s, 77, 1)
        await k.set(s, 77, 1, 1)
        await k.get(s, 0, 60)
        await k.set(s, 0, 60, 1)
        await k.get(s, 6, 200)
        await k.set(s, 6, 200, 1)
        await k.set(s, 17, 1, 1)
        await k.get(s, 17, 1)
        await k.set(s, 17, 99, 1)
        await k.get(s, 17, 99)
      }
    },
    Scenario("options: lengths") { k in
      for type in both {
        let s = await k.socket(type)
        for count in 0...5 {
          await k.set(s, 1, OptionName.SO_REUSEADDR, bytes: Array(repeating: 1, count: count))
          await k.set(s, 1, OptionName.SO_LINGER, bytes: Array(repeating: 1, count: count + 3))
          await k.set(s, 1, OptionName.SO_RCVTIMEO, bytes: Array(repeating: 0, count: count + 11))
          await k.set(s, 0, OptionName.IP_TOS, bytes: Array(repeating: 4, count: count))
          await k.get(s, 0, OptionName.IP_TOS)
          await k.set(s, 0, OptionName.IP_TTL, bytes: Array(repeating: 4, count: count))
          await k.set(s, 6, OptionName.TCP_NODELAY, bytes: Array(repeating: 1, count: count))
        }
        for count in 0...9 {
          await k.get(s, 1, OptionName.SO_TYPE, room: count)
          await k.get(s, 1, OptionName.SO_LINGER, room: count)
          await k.get(s, 0, OptionName.IP_TTL, room: count)
          await k.get(s, 6, OptionName.TCP_NODELAY, room: count)
        }
        await k.get(s, 1, OptionName.SO_RCVTIMEO, room: 12)
        await k.get(s, 1, OptionName.SO_RCVTIMEO, room: 24)
        await k.call(.getsockopt, s, 1, 3, Int(k.put(Int32(0))), Int(k.put(Int32(-1))))
        await k.call(.setsockopt, s, 1, 2, Int(k.put(Int32(0))), -1)
        await k.call(.setsockopt, s, 6, 1, Int(k.put(Int32(0))), -1)
      }
    },
    Scenario("options: times") { k in
      let s = await k.tcp()
      func time(_ seconds: Int64, _ microseconds: Int64) async {
        await k.set(s, 1, OptionName.SO_RCVTIMEO, bytes: [seconds, microseconds].withUnsafeBytes { Array($0) })
        await k.get(s, 1, OptionName.SO_RCVTIMEO, room: 16)
      }
      await time(1, 500_000)
      await time(0, 1_000_000)
      await time(0, -1)
      await time(-5, 0)
      await time(0, 4000)
      await time(0, 0)
      await time(3, 996_000)
      await time(Int64.max, 0)
      for seconds: Int32 in [0, 5, 100_000] {
        await k.set(s, 1, OptionName.SO_LINGER, 1, seconds)
        await k.get(s, 1, OptionName.SO_LINGER, room: 8)
        await k.set(s, 1, OptionName.SO_LINGER, 0, seconds)
        await k.get(s, 1, OptionName.SO_LINGER, room: 8)
      }
    },
    Scenario("options: the IP level") { k in
      for type in both {
        let s = await k.socket(type)
        for value: Int32 in [0, 1, 2, 3, 16, 255, 256, -1, 64] {
          await k.set(s, 0, OptionName.IP_TOS, value)
          await k.get(s, 0, OptionName.IP_TOS)
          await k.set(s, 0, OptionName.IP_TTL, value)
          await k.get(s, 0, OptionName.IP_TTL)
          await k.set(s, 0, OptionName.IP_MTU_DISCOVER, value)
          await k.get(s, 0, OptionName.IP_MTU_DISCOVER)
          await k.set(s, 0, OptionName.IP_RECVERR, value)
          await k.get(s, 0, OptionName.IP_RECVERR)
          await k.set(s, 0, OptionName.IP_MULTICAST_TTL, value)
          await k.get(s, 0, OptionName.IP_MULTICAST_TTL)
          await k.set(s, 0, OptionName.IP_MULTICAST_LOOP, value)
          await k.get(s, 0, OptionName.IP_MULTICAST_LOOP)
        }
        await k.set(s, 0, OptionName.IP_HDRINCL, 1)
        await k.set(s, 0, OptionName.IP_MTU, 1500)
      }
    },
    Scenario("options: the TCP level") { k in
      let s = await k.tcp()
      for option in [
        OptionName.TCP_NODELAY, OptionName.TCP_CORK, OptionName.TCP_KEEPIDLE, OptionName.TCP_KEEPINTVL,
        OptionName.TCP_KEEPCNT, OptionName.TCP_USER_TIMEOUT,
      ] {
        for value: Int32 in [1, 0, 5, 127, 128, 32767, 32768, -1] {
          await k.set(s, 6, option, value)
          await k.get(s, 6, option)
        }
      }
      for value: Int32 in [0, 1, 87, 88, 1000, 32767, 32768, -1] {
        await k.set(s, 6, OptionName.TCP_MAXSEG, value)
        await k.get(s, 6, OptionName.TCP_MAXSEG)
      }
      for value: Int32 in [1, 0] {
        await k.set(s, 6, OptionName.TCP_QUICKACK, value)
        await k.get(s, 6, OptionName.TCP_QUICKACK)
      }
      for name in ["reno", "cubic", "nonesuch", "", "reno\0junk", "averyveryverylongname"] {
        await k.set(s, 6, OptionName.TCP_CONGESTION, bytes: Array(name.utf8))
        await k.get(s, 6, OptionName.TCP_CONGESTION, room: 16)
      }
      await k.get(s, 6, OptionName.TCP_CONGESTION, room: 4)
      await k.get(s, 6, OptionName.TCP_CONGESTION, room: 30)
      await k.set(s, 6, OptionName.TCP_INFO, 1)
    },
    Scenario("options: a connection's") { k in
      let (a, _) = await k.pair()
      await k.get(a, 0, OptionName.IP_MTU)
      await k.get(a, 1, OptionName.SO_ERROR)
      let info = k.room(256)
      let length = k.put(Int32(8))
      let result = await k.raw(.getsockopt, [a, 6, Int(OptionName.TCP_INFO), Int(info), Int(length)])
      let count = k.get(length, as: Int32.self)
      k.note("TCP_INFO \(result) \(count) \(k.get(info, count: 5))", #line)
      for room in [0, 1, 7, 104] {
        let info = k.room(256)
        let length = k.put(Int32(room))
        let result = await k.raw(.getsockopt, [a, 6, Int(OptionName.TCP_INFO), Int(info), Int(length)])
        k.note("TCP_INFO of \(room): \(result) \(k.get(length, as: Int32.self))", #line)
      }
      let u = await k.udp()
      await k.get(u, 0, OptionName.IP_MTU)
      await k.connect(u, 9)
      await k.get(u, 0, OptionName.IP_MTU)
    },
  ]

  static let controlScenarios: [Scenario] = [
    Scenario("fcntl: flags") { k in
      let s = await k.tcp()
      await k.fcntl(s, FileControl.F_GETFL)
      await k.fcntl(s, FileControl.F_SETFL, 0o4000)
      await k.fcntl(s, FileControl.F_GETFL)
      await k.fcntl(s, FileControl.F_SETFL, 0o2000 | 0o4000)
      await k.fcntl(s, FileControl.F_GETFL)
      await k.fcntl(s, FileControl.F_SETFL, 0o2 | 0o100)
      await k.fcntl(s, FileControl.F_GETFL)
      await k.fcntl(s, FileControl.F_GETFD)
      for value in [1, 2, 3, 0, -1] {
        await k.fcntl(s, FileControl.F_SETFD, value)
        await k.fcntl(s, FileControl.F_GETFD)
      }
      for command: Int32 in [-1, 77, 1024, 2000] { await k.fcntl(s, command) }
      let t = await k.socket(SocketType.SOCK_STREAM | SocketType.SOCK_CLOEXEC | SocketType.SOCK_NONBLOCK)
      await k.fcntl(t, FileControl.F_GETFL)
      await k.fcntl(t, FileControl.F_GETFD)
    },
    Scenario("dup: what is shared and what is not") { k in
      let s = await k.socket(SocketType.SOCK_STREAM | SocketType.SOCK_CLOEXEC)
      let d = await k.duplicate(.dup, s)
      await k.fcntl(d, FileControl.F_GETFD)
      await k.fcntl(d, FileControl.F_SETFL, 0o4000)
      await k.fcntl(s, FileControl.F_GETFL)
      let e = await k.duplicate(.fcntl, s, Int(FileControl.F_DUPFD_CLOEXEC), 200)
      await k.fcntl(e, FileControl.F_GETFD)
      k.note("\(e >= 200)", #line)
      let f = await k.duplicate(.fcntl, e, Int(FileControl.F_DUPFD), 300)
      await k.fcntl(f, FileControl.F_GETFD)
      _ = await k.duplicate(.fcntl, s, Int(FileControl.F_DUPFD), -1)
      _ = await k.duplicate(.fcntl, s, Int(FileControl.F_DUPFD), 1 << 30)
      _ = await k.duplicate(.dup2, s, s)
      await k.call(.dup3, s, s, 0)
      await k.call(.dup3, s, 400, 1)
      await k.call(.dup3, s, -1, 0)
      await k.call(.dup2, s, -1)
      await k.call(.dup2, s, 1 << 30)
      await k.call(.dup2, -1, 400)
      await k.call(.dup2, -1, -1)
      await k.call(.dup3, -1, -1, 0)
      _ = await k.duplicate(.dup3, s, 400, Int(SocketType.SOCK_CLOEXEC))
      await k.fcntl(400, FileControl.F_GETFD)
      _ = await k.duplicate(.dup2, d, 400)
      await k.fcntl(400, FileControl.F_GETFD)
      await k.bind(400)
      await k.port(s)
    },
    Scenario("ioctl: requests") { k in
      for type in both {
        let s = await k.socket(type)
        await k.ioctl(s, ControlRequest.FIONBIO, 1)
        await k.fcntl(s, FileControl.F_GETFL)
        await k.ioctl(s, ControlRequest.FIONBIO, 0)
        await k.fcntl(s, FileControl.F_GETFL)
        await k.ioctl(s, ControlRequest.FIONREAD)
        await k.ioctl(s, ControlRequest.SIOCOUTQ)
        await k.ioctl(s, 0x5401)
        await k.ioctl(s, 0xDEAD)
        await k.ioctl(s, 0x5451)
        await k.fcntl(s, FileControl.F_GETFD)
        await k.ioctl(s, 0x5450)
        await k.fcntl(s, FileControl.F_GETFD)
        await k.ioctl(s, 0x8905)
        for request in [ControlRequest.FIONBIO, ControlRequest.FIONREAD, ControlRequest.SIOCOUTQ, 0x8913, 0x8912] {
          await k.call(.ioctl, s, Int(request), 8)
        }
      }
    },
    Scenario("ioctl: the loopback interface") { k in
      let s = await k.udp()
      func request(_ number: UInt, _ name: String, line: Int = #line) async {
        let pointer = k.put(Array(name.utf8) + Array(repeating: 0, count: 40 - name.utf8.count))
        let result = await k.raw(.ioctl, [s, Int(number), Int(pointer)])
        let all = result < 0 ? [] : k.get(pointer, count: 32)
        k.note("ioctl \(number) = \(Session.text(result)) \(all)", line)
      }
      for number in [
        ControlRequest.SIOCGIFADDR, ControlRequest.SIOCGIFNETMASK, ControlRequest.SIOCGIFINDEX,
        ControlRequest.SIOCGIFHWADDR, ControlRequest.SIOCGIFFLAGS,
      ] {
        await request(number, "lo")
        await request(number, "nonesuch0")
        await request(number, "")
      }
      await request(0x89FE, "lo")
      let named = k.put([UInt8](repeating: 0, count: 16) + [1] + [UInt8](repeating: 0, count: 23))
      let result = await k.raw(.ioctl, [s, Int(ControlRequest.SIOCGIFNAME), Int(named)])
      k.note("SIOCGIFNAME = \(Session.text(result)) \(k.get(named, count: 16))", #line)
      let none = k.put([UInt8](repeating: 0, count: 16) + [250, 255] + [UInt8](repeating: 0, count: 22))
      await k.call(.ioctl, s, Int(ControlRequest.SIOCGIFNAME), Int(none))
      // struct ifconf: length, padding, pointer.
      let room = k.room(40)
      let conf = k.put([40, 0, 0, 0, 0, 0, 0, 0] + withUnsafeBytes(of: room) { Array($0) })
      let answer = await k.raw(.ioctl, [s, Int(ControlRequest.SIOCGIFCONF), Int(conf)])
      k.note("SIOCGIFCONF = \(answer) \(k.get(conf, count: 4)) \(k.get(room, count: 32))", #line)
    },
    Scenario("poll: numbers that mean nothing, no entries, many entries") { k in
      let s = await k.udp()
      await k.poll(-1)
      await k.poll(-1, s, -5)
      await k.poll(900, s)
      await k.poll(s, events: 0)
      await k.poll(s, events: 0x1FF)
      await k.poll(s, events: 0x40)
      await k.poll(s, events: 0x100)
      await k.poll(s, s)
      await k.call(.poll, 0, 0, 5)
      await k.poll(s, events: 1, timeout: 5)
      await k.poll(-1, events: 1, timeout: 5)
      await k.call(.poll, 8, 1, 0)
      await k.call(.poll, 8, 1 << 30, 0)
    },
    Scenario("poll: POLLRDHUP only when asked for") { k in
      let (a, b) = await k.pair()
      await k.call(.shutdown, a, 1)
      await k.settle()
      await k.poll(b, events: 1)
      await k.poll(b, events: 0x2000)
      await k.poll(b, events: 0)
      await k.poll(a, events: 0)
      await k.call(.shutdown, b, 1)
      await k.settle()
      await k.poll(a, b, events: 0)
      await k.poll(a, b)
    },
  ]

  @Test("options", arguments: optionScenarios) func option(_ scenario: Scenario) throws { try scenario.compare() }
  @Test("fcntl, dup, ioctl, poll", arguments: controlScenarios) func control(_ scenario: Scenario) throws {
    try scenario.compare()
  }
}
