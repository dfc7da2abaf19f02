import Glibc
import LinuxABI
import Testing

@Suite("Streams are taken apart as on Linux", .enabled(if: geteuid() == 0, "the kernel lets root only"))
struct RepairTests {
  static let scenarios: [Scenario] = [
    Scenario("TCP_REPAIR: of every kind of stream") { k in
      let (a, b) = await k.pair()
      let (l, _) = await k.listener()
      for s in [await k.tcp(), a, l] {
        for value: Int32 in [2, 1] {
          await k.set(s, 6, OptionName.TCP_REPAIR, value)
          await k.get(s, 6, OptionName.TCP_REPAIR)
        }
        for queue: Int32 in [0, 1, 2, 3, -1] {
          await k.set(s, 6, OptionName.TCP_REPAIR_QUEUE, queue)
          await k.get(s, 6, OptionName.TCP_REPAIR_QUEUE)
          let (value, length) = (k.room(4), k.put(Int32(4)))
          let result = await k.raw(.getsockopt, [s, 6, Int(OptionName.TCP_QUEUE_SEQ), Int(value), Int(length)])
          k.note("sequence number: \(Session.text(result)) \(k.get(length, as: Int32.self))", #line)
          await k.set(s, 6, OptionName.TCP_QUEUE_SEQ, 1000 + queue)
        }
        let (value, length) = (k.room(20), k.put(Int32(20)))
        let result = await k.raw(.getsockopt, [s, 6, Int(OptionName.TCP_REPAIR_WINDOW), Int(value), Int(length)])
        k.note("window: \(Session.text(result)) \(k.get(length, as: Int32.self))", #line)
      }
      await k.close(a)
      await k.settle()
      await k.poll(b)
      await k.receive(b, 9, MessageFlags.MSG_DONTWAIT)
    }
  ]

  @Test("repair", arguments: scenarios) func repair(_ scenario: Scenario) throws { try scenario.compare() }
}
