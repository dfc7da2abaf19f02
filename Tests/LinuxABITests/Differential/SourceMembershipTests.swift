import LinuxABI
import Testing

@Suite("Memberships with lists of sources are Linux's")
struct SourceMembershipTests {
  private static let (group, home): ([UInt8], [UInt8]) = ([239, 7, 7, 7], [127, 0, 0, 1])
  private static let kinds = OptionTableTests.kinds
  private static let dontWait = MessageFlags.MSG_DONTWAIT

  private static func make(_ k: Session, _ kind: String) async -> Int {
    if let kind = MessageKind(rawValue: kind) { return await kind.make(k) }
    return await k.tcp()
  }

  /// A `struct sockaddr_storage`.
  private static func storage(_ address: [UInt8], family: UInt8 = 2) -> [UInt8] {
    [family, 0, 0, 0] + address + [UInt8](repeating: 0, count: 120)
  }

  private static func words(_ numbers: Int32...) -> [UInt8] { numbers.withUnsafeBytes { Array($0) } }

  /// IP_MSFILTER, asked and told.
  private static func show(_ k: Session, _ s: Int, _ group: [UInt8], room sources: Int, line: Int = #line) async {
    let value = k.put(group + home + words(0, Int32(sources)) + [UInt8](repeating: 0, count: 64))
    let length = k.put(Int32(16 + 4 * sources))
    let result = await k.raw(.getsockopt, [s, 0, Int(OptionName.IP_MSFILTER), Int(value), Int(length)])
    k.note("filter \(Session.text(result)) \(k.get(length, as: Int32.self)) \(k.get(value, count: 32))", line)
    let other = k.put(words(1, 0) + storage(group) + words(0, Int32(sources)) + [UInt8](repeating: 0, count: 512))
    let size = k.put(Int32(144 + 128 * sources))
    let answer = await k.raw(.getsockopt, [s, 0, Int(OptionName.MCAST_MSFILTER), Int(other), Int(size)])
    k.note(
      "filter \(Session.text(answer)) \(k.get(size, as: Int32.self)) \(k.get(other + 136, count: 8)) "
        + "\(k.get(other + 144, count: 8))", line)
  }

  static let scenarios: [Scenario] = [
    Scenario("sources are added, taken away, blocked and unblocked") { k in
      let (add, drop) = (OptionName.IP_ADD_SOURCE_MEMBERSHIP, OptionName.IP_DROP_SOURCE_MEMBERSHIP)
      let (block, unblock) = (OptionName.IP_BLOCK_SOURCE, OptionName.IP_UNBLOCK_SOURCE)
      let (a, b): ([UInt8], [UInt8]) = ([127, 0, 0, 2], [127, 0, 0, 3])
      for kind in kinds {
        let s = await make(k, kind)
        func change(
          _ name: Int32, _ source: [UInt8], _ group: [UInt8] = group, _ home: [UInt8] = home, line: Int = #line
        ) async {
          await k.set(s, 0, name, bytes: group + home + source, line: line)
        }
        await change(block, a)
        await change(unblock, a)
        await change(drop, a)
        await change(add, a, [10, 1, 2, 3])
        await change(add, a, group, [8, 8, 8, 8])
        await change(add, a)
        await change(add, a)
        await show(k, s, group, room: 4)
        await change(add, b)
        await show(k, s, group, room: 4)
        await show(k, s, group, room: 1)
        await change(block, a)
        await change(drop, [1, 1, 1, 1])
        await change(drop, a)
        await change(drop, b)
        await show(k, s, group, room: 4)
        await k.set(s, 0, OptionName.IP_ADD_MEMBERSHIP, bytes: group + home)
        await change(unblock, a)
        await change(block, a)
        await change(block, a)
        await change(add, a)
        await show(k, s, group, room: 4)
        await change(unblock, a)
        await change(add, a)
        await show(k, s, group, room: 4)
        for i: UInt8 in 10..<22 { await change(add, [127, 0, 0, i], [239, 8, 8, 8]) }
        await k.set(s, 0, add, bytes: group + home)
        await k.set(s, 0, add, bytes: group + home + a + [0])
      }
    },
    Scenario("whole lists") { k in
      for kind in kinds {
        let s = await make(k, kind)
        func filter(_ mode: Int32, _ count: Int32, _ sources: [[UInt8]], _ group: [UInt8] = group, line: Int = #line)
          async
        {
          await k.set(
            s, 0, OptionName.IP_MSFILTER, bytes: group + home + words(mode, count) + sources.flatMap { $0 }, line: line)
        }
        await filter(1, 1, [[1, 1, 1, 1]])
        await k.set(s, 0, OptionName.IP_ADD_SOURCE_MEMBERSHIP, bytes: group + home + [9, 9, 9, 9])
        await filter(1, 2, [[1, 1, 1, 1], [2, 2, 2, 2]])
        await show(k, s, group, room: 4)
        await filter(0, 1, [[3, 3, 3, 3]])
        await show(k, s, group, room: 4)
        await filter(2, 1, [[3, 3, 3, 3]])
        await filter(1, 3, [[3, 3, 3, 3]])
        await filter(1, 11, Array(repeating: [3, 3, 3, 3], count: 11))
        await filter(1, 1, [[3, 3, 3, 3]], [10, 1, 1, 1])
        await filter(0, 0, [])
        await show(k, s, group, room: 4)
        await filter(1, 0, [])
        await show(k, s, group, room: 4)
        await k.set(s, 0, OptionName.IP_MSFILTER, bytes: group + home)
      }
    },
    Scenario("by index of the interface") { k in
      for kind in kinds {
        let s = await make(k, kind)
        func change(_ name: Int32, _ index: Int32, _ group: [UInt8], line: Int = #line) async {
          await k.set(s, 0, name, bytes: words(index, 0) + storage(group), line: line)
        }
        func source(_ name: Int32, _ index: Int32, _ source: [UInt8], family: UInt8 = 2, line: Int = #line) async {
          await k.set(
            s, 0, name, bytes: words(index, 0) + storage(group) + storage(source, family: family), line: line)
        }
        await change(OptionName.MCAST_JOIN_GROUP, 1, group)
        await change(OptionName.MCAST_JOIN_GROUP, 1, group)
        await change(OptionName.MCAST_JOIN_GROUP, 77, group)
        await change(OptionName.MCAST_JOIN_GROUP, 1, [10, 1, 1, 1])
        await source(OptionName.MCAST_BLOCK_SOURCE, 1, [1, 1, 1, 1])
        await source(OptionName.MCAST_UNBLOCK_SOURCE, 1, [1, 1, 1, 1])
        await source(OptionName.MCAST_UNBLOCK_SOURCE, 1, [1, 1, 1, 1], family: 10)
        await change(OptionName.MCAST_LEAVE_GROUP, 1, group)
        await change(OptionName.MCAST_LEAVE_GROUP, 1, group)
        await source(OptionName.MCAST_JOIN_SOURCE_GROUP, 1, [1, 1, 1, 1])
        await source(OptionName.MCAST_JOIN_SOURCE_GROUP, 77, [1, 1, 1, 1])
        await show(k, s, group, room: 2)
        await k.set(
          s, 0, OptionName.MCAST_MSFILTER,
          bytes: words(1, 0) + storage(group) + words(0, 2) + storage([4, 4, 4, 4]) + storage([5, 5, 5, 5]))
        await k.set(
          s, 0, OptionName.MCAST_MSFILTER,
          bytes: words(1, 0) + storage(group) + words(0, 1) + storage([4, 4, 4, 4], family: 1))
        await k.set(s, 0, OptionName.MCAST_MSFILTER, bytes: words(1, 0) + storage(group) + words(0, 1))
        await show(k, s, group, room: 3)
        await source(OptionName.MCAST_LEAVE_SOURCE_GROUP, 1, [1, 1, 1, 1])
        await k.set(s, 0, OptionName.MCAST_JOIN_GROUP, bytes: words(1, 0) + group)
      }
    },
    Scenario("who is heard") { k in
      let b = await k.udp()
      await k.bind(b, 0, [0, 0, 0, 0])
      let port = await k.port(b)
      var senders: [Int] = []
      for host: UInt8 in [21, 22] {
        let a = await k.udp()
        await k.bind(a, 0, [127, 0, 0, host])
        await k.set(a, 0, OptionName.IP_MULTICAST_IF, bytes: home)
        senders.append(a)
      }
      func hear(line: Int = #line) async {
        for (i, a) in senders.enumerated() { await k.send(a, "from \(i)", 0, to: port, group, line: line) }
        await k.settle()
        for _ in 0..<3 { await k.receive(b, 9, dontWait, line: line) }
      }
      await k.set(b, 0, OptionName.IP_ADD_SOURCE_MEMBERSHIP, bytes: group + home + [127, 0, 0, 21])
      await hear()
      await k.set(b, 0, OptionName.IP_ADD_SOURCE_MEMBERSHIP, bytes: group + home + [127, 0, 0, 22])
      await hear()
      await k.set(b, 0, OptionName.IP_MSFILTER, bytes: group + home + words(0, 1) + [127, 0, 0, 22])
      await hear()
      await k.set(b, 0, OptionName.IP_UNBLOCK_SOURCE, bytes: group + home + [127, 0, 0, 22])
      await hear()
    },
  ]

  @Test("sources", arguments: scenarios) func source(_ scenario: Scenario) throws { try scenario.compare() }
}
