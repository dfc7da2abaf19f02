import Glibc
import LinuxABI
import Testing

@Suite("Streams are taken apart as on Linux", .enabled(if: geteuid() == 0, "the kernel lets root only"))
struct RepairTests {
  private static let dontWait = MessageFlags.MSG_DONTWAIT
  private static let peek = MessageFlags.MSG_PEEK | MessageFlags.MSG_DONTWAIT

  /// A socket in each state by name; others keep the state up.
  private static func sockets(_ k: Session) async -> [(String, Int)] {
    let bound = await k.tcp()
    await k.bind(bound)
    let (deaf, port) = await k.listener()
    await k.dropAll(deaf)
    let connecting = await k.tcp(SocketType.SOCK_NONBLOCK)
    await k.connect(connecting, port)
    let (established, _) = await k.pair()
    let (listening, _) = await k.listener()
    let (closeWait, peer) = await k.pair()
    await k.call(.shutdown, peer, 1)
    let (finWait, _) = await k.pair()
    await k.call(.shutdown, finWait, 1)
    let (reset, other) = await k.pair()
    await k.set(other, 1, OptionName.SO_LINGER, 1, 0)
    await k.close(other)
    await k.settle()
    return [
      ("closed", await k.tcp()), ("bound", bound), ("connecting", connecting), ("established", established),
      ("listening", listening), ("close-wait", closeWait), ("fin-wait", finWait), ("reset", reset),
    ]
  }

  /// getsockopt with every size of room; the value only where it is the same on every machine.
  private static func look(_ k: Session, _ s: Int, _ name: String, showsNumbers: Bool = false) async {
    for option in [
      OptionName.TCP_REPAIR, OptionName.TCP_REPAIR_QUEUE, OptionName.TCP_QUEUE_SEQ, OptionName.TCP_TIMESTAMP,
      OptionName.TCP_REPAIR_WINDOW,
    ] {
      for room: Int32 in [0, 1, 4, 8, 20, 24] {
        let (value, length) = (k.room(24), k.put(room))
        let result = await k.raw(.getsockopt, [s, 6, Int(option), Int(value), Int(length)])
        let shows = showsNumbers && option != OptionName.TCP_TIMESTAMP || option == OptionName.TCP_REPAIR
        let text = shows ? "\(k.get(value, count: 24))" : ""
        k.note("\(name) \(option) \(room): \(Session.text(result)) \(k.get(length, as: Int32.self)) \(text)", #line)
      }
    }
    await k.get(s, 1, OptionName.SO_REUSEADDR)
  }

  static let optionScenarios: [Scenario] = [
    Scenario("getters, in every state and mode") { k in
      for (name, s) in await sockets(k) {
        let isClosed = name == "closed" || name == "bound"
        await look(k, s, name, showsNumbers: isClosed)
        for value: Int32 in [2, -2, 1] { await k.set(s, 6, OptionName.TCP_REPAIR, value) }
        for queue: Int32 in [3, -1, 0, 1, 2] {
          await k.set(s, 6, OptionName.TCP_REPAIR_QUEUE, queue)
          await look(k, s, name, showsNumbers: isClosed)
        }
        await k.get(s, 6, OptionName.TCP_MAXSEG)
        await k.set(s, 1, OptionName.SO_REUSEADDR, 1)
        await k.get(s, 1, OptionName.SO_REUSEADDR)
        await k.set(s, 6, OptionName.TCP_REPAIR, -1)
        await look(k, s, name, showsNumbers: isClosed)
        await k.set(s, 6, OptionName.TCP_REPAIR_QUEUE, 1)
        await k.poll(s)
      }
    },
    Scenario("setters, in every state, mode and length") { k in
      for (name, s) in await sockets(k) {
        for repair: Int32 in [0, 1, -1] {
          await k.set(s, 6, OptionName.TCP_REPAIR, repair)
          for option in [
            OptionName.TCP_QUEUE_SEQ, OptionName.TCP_TIMESTAMP, OptionName.TCP_REPAIR_OPTIONS,
            OptionName.TCP_REPAIR_WINDOW, OptionName.TCP_REPAIR_QUEUE,
          ] {
            // Whether a window of zeros is one depends on a number that is drawn.
            let isDrawn = ["established", "close-wait", "fin-wait", "reset"].contains(name)
            for count in [0, 3, 4, 7, 8, 16, 20, 24]
            where option != OptionName.TCP_REPAIR_WINDOW || !isDrawn || count != 20 {
              let value = k.put([UInt8](repeating: 0, count: 24))
              let result = await k.raw(.setsockopt, [s, 6, Int(option), Int(value), count])
              k.note("\(name) \(repair) \(option) \(count): \(Session.text(result))", #line)
            }
            let result = await k.raw(.setsockopt, [s, 6, Int(option), 8, 20])
            k.note("\(name) \(repair) \(option) nowhere: \(Session.text(result))", #line)
          }
          for queue: Int32 in [1, 2] {
            await k.set(s, 6, OptionName.TCP_REPAIR_QUEUE, queue)
            await k.set(s, 6, OptionName.TCP_QUEUE_SEQ, 1000 + queue)
          }
        }
        await k.poll(s)
        await k.error(s)
      }
    },
    Scenario("numbers of a socket without a connection stay") { k in
      let s = await k.tcp()
      await k.set(s, 6, OptionName.TCP_REPAIR, 1)
      for queue: Int32 in [1, 2, 0] {
        await k.set(s, 6, OptionName.TCP_REPAIR_QUEUE, queue)
        await k.set(s, 6, OptionName.TCP_QUEUE_SEQ, -1000 - queue)
        await k.get(s, 6, OptionName.TCP_QUEUE_SEQ)
      }
      for queue: Int32 in [1, 2] {
        await k.set(s, 6, OptionName.TCP_REPAIR_QUEUE, queue)
        await k.get(s, 6, OptionName.TCP_QUEUE_SEQ)
      }
      await k.set(s, 6, OptionName.TCP_REPAIR, 0)
      await k.get(s, 6, OptionName.TCP_QUEUE_SEQ)
      await k.set(s, 6, OptionName.TCP_QUEUE_SEQ, 77)
      await k.get(s, 6, OptionName.TCP_QUEUE_SEQ)
    },
    Scenario("windows are checked against the number of the next byte") { k in
      let s = await k.tcp()
      await k.set(s, 6, OptionName.TCP_REPAIR, 1)
      await k.set(s, 6, OptionName.TCP_REPAIR_QUEUE, 1)
      await k.set(s, 6, OptionName.TCP_QUEUE_SEQ, 5000)
      let windows: [[UInt32]] = [
        [0, 0, 0, 0, 0], [5000, 10, 9, 0, 0], [5000, 10, 10, 0, 5000], [5000, 10, 10, 0, 5001], [5001, 0, 0, 0, 0],
        [5001, 0, 0, 1, 0], [5100, 70_000, 80_000, 100, 4000], [5101, 0, 0, 100, 0],
        [0x9000_0000, 0, 0, 0, 0x9000_0000],
        [5000, .max, .max, 1000, 5000], [0, 0, 0, 0x9000_0000, 0],
      ]
      for words in windows {
        await k.set(s, 6, OptionName.TCP_REPAIR_WINDOW, bytes: words.withUnsafeBytes { Array($0) })
        await k.get(s, 6, OptionName.TCP_REPAIR_WINDOW, room: 20)
      }
    },
  ]

  static let transferScenarios: [Scenario] = [
    Scenario("sends and reads in repair, in every state and queue") { k in
      for (_, s) in await sockets(k) {
        await k.fcntl(s, 4, 0x800)
        await k.set(s, 6, OptionName.TCP_REPAIR, 1)
        for queue: Int32 in [0, 2, 1] {
          await k.set(s, 6, OptionName.TCP_REPAIR_QUEUE, queue)
          await k.send(s, "", MessageFlags.MSG_NOSIGNAL)
          await k.send(s, "abc", MessageFlags.MSG_NOSIGNAL)
          for flags in [0, dontWait, peek, peek | MessageFlags.MSG_TRUNC, MessageFlags.MSG_OOB] {
            await k.receive(s, 9, flags)
          }
          await k.read(s, 9)
          await k.read(s, 0)
          await k.receiveMessage(s, 2, peek)
        }
        await k.set(s, 6, OptionName.TCP_REPAIR, -1)
        await k.error(s)
      }
    },
    Scenario("what waits to be acknowledged can be looked at, whole only") { k in
      let (a, b) = await k.pair()
      await k.dropAll(b)
      await k.write(a, "hello")
      await k.write(a, " world")
      await k.set(a, 6, OptionName.TCP_REPAIR, 1)
      await k.set(a, 6, OptionName.TCP_REPAIR_QUEUE, 2)
      for room in [0, 3, 7, 11, 20] {
        await k.receive(a, room, peek)
        await k.receiveMessage(a, room, peek)
      }
      await k.ioctl(a, ControlRequest.SIOCOUTQ)
      await k.takeAll(b)
    },
    Scenario("what waits to be read can be looked at, and more put behind it") { k in
      let (a, b) = await k.pair()
      await k.write(b, "hello")
      await k.settle()
      await k.set(a, 6, OptionName.TCP_REPAIR, 1)
      await k.set(a, 6, OptionName.TCP_REPAIR_QUEUE, 1)
      await k.receive(a, 9, peek)
      await k.receive(a, 9, dontWait)
      for count in [1, 4096, 4097, 69_632, 80_000] {
        let result = await k.raw(.sendto, [a, Int(k.room(count)), count, 0, 0, 0])
        k.note("\(count): \(Session.text(result))", #line)
        await k.ioctl(a, ControlRequest.FIONREAD)
      }
      await k.poll(a)
      await k.set(a, 6, OptionName.TCP_REPAIR, -1)
      await k.receive(a, 9, dontWait)
      await k.ioctl(a, ControlRequest.FIONREAD)
    },
    Scenario("leaving: the peer hears nothing") { k in
      for leaves in ["close", "disconnect"] {
        let (a, b) = await k.pair()
        await k.write(b, "unread")
        await k.settle()
        await k.set(a, 6, OptionName.TCP_REPAIR, 1)
        if leaves == "close" {
          await k.close(a)
        } else {
          await k.connect(a, 0, family: 0)
          await k.error(a)
          await k.poll(a)
          await k.get(a, 6, OptionName.TCP_REPAIR)
        }
        await k.settle()
        await k.poll(b)
        await k.receive(b, 9, dontWait)
      }
    },
    Scenario("listening after repair, and a connection accepted from there") { k in
      let l = await k.tcp()
      await k.set(l, 6, OptionName.TCP_REPAIR, 1)
      await k.bind(l)
      await k.listen(l)
      let port = await k.port(l)
      await k.get(l, 6, OptionName.TCP_REPAIR)
      await k.set(l, 6, OptionName.TCP_REPAIR, 0)
      await k.get(l, 1, OptionName.SO_REUSEADDR)
      let a = await k.tcp()
      await k.connect(a, port)
      let b = await k.accept(l)
      await k.get(b, 6, OptionName.TCP_REPAIR)
      await k.get(b, 1, OptionName.SO_REUSEADDR)
      await k.receive(l, 9, peek)
    },
    Scenario("bind in repair takes any port") { k in
      let (_, port) = await k.listener()
      let (s, t) = (await k.tcp(), await k.tcp())
      await k.bind(s, port)
      await k.set(s, 6, OptionName.TCP_REPAIR, 1)
      await k.bind(s, port)
      await k.bind(t, port)
      await k.set(t, 1, OptionName.SO_REUSEADDR, 1)
      await k.bind(t, port)
      await k.listen(s)
    },
  ]

  @Test("options", arguments: optionScenarios) func options(_ scenario: Scenario) throws { try scenario.compare() }
  @Test("transfer", arguments: transferScenarios) func transfer(_ scenario: Scenario) throws { try scenario.compare() }
}
