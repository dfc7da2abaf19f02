import EventLoop
import Glibc
import LinuxABI
import Testing

@Suite("Record locks conflict, wait and go as Linux's do")
struct LockTests {
  private enum Owner: CaseIterable {
    case process, openFile
    var get: Int32 { self == .process ? FileControl.F_GETLK : FileControl.F_OFD_GETLK }
    var set: Int32 { self == .process ? FileControl.F_SETLK : FileControl.F_OFD_SETLK }
    var wait: Int32 { self == .process ? FileControl.F_SETLKW : FileControl.F_OFD_SETLKW }
    var other: Owner { self == .process ? .openFile : .process }
  }

  private static let (read, write, none) = (LockType.F_RDLCK, LockType.F_WRLCK, LockType.F_UNLCK)

  private static func flock(_ type: Int16, _ start: Int64, _ length: Int64, whence: Int16 = 0, process: Int32 = 0)
    -> [UInt8]
  {
    [UInt64(UInt16(bitPattern: type)) | UInt64(UInt16(bitPattern: whence)) << 16].withUnsafeBytes { Array($0) }
      + [start, length, Int64(process)].withUnsafeBytes { Array($0) }
  }

  private static func set(
    _ k: Session, _ s: Int, _ owner: Owner, _ type: Int16, _ start: Int64 = 0, _ length: Int64 = 0, line: Int = #line
  ) async {
    await k.call(.fcntl, s, Int(owner.set), Int(k.put(flock(type, start, length))), line: line)
  }

  /// What is in the way of a lock.
  private static func ask(
    _ k: Session, _ s: Int, _ owner: Owner, _ type: Int16, _ start: Int64 = 0, _ length: Int64 = 0, line: Int = #line
  ) async {
    let pointer = k.put(flock(type, start, length))
    let result = await k.raw(.fcntl, [s, Int(owner.get), Int(pointer)])
    let process = k.get(pointer + 24, as: Int32.self)
    k.note(
      "\(owner.get) \(Session.text(result)) type \(k.get(pointer, as: Int16.self))"
        + " whence \(k.get(pointer + 2, as: Int16.self))"
        + " start \(k.get(pointer + 8, as: Int64.self)) length \(k.get(pointer + 16, as: Int64.self))"
        + " by \(process == getpid() ? "this process" : "\(process)")", line)
  }

  /// Every lock of an owner, as the other one meets them.
  private static func list(_ k: Session, _ s: Int, _ owner: Owner, line: Int = #line) async {
    for start in 0..<24 { await ask(k, s, owner.other, write, Int64(start), 1, line: line) }
    await ask(k, s, owner.other, write, line: line)
    await ask(k, s, owner.other, read, line: line)
    await ask(k, s, .openFile, none, line: line)
  }

  private static func wait(
    _ k: Session, _ s: Int, _ owner: Owner, _ type: Int16, _ start: Int64 = 0, _ length: Int64 = 0, line: Int = #line
  ) async -> any PendingCall {
    await k.begin(.fcntl, s, Int(owner.wait), Int(k.put(flock(type, start, length))), line: line)
  }

  static let scenarios: [Scenario] = [
    Scenario("locks: the process and the open file", since: KernelVersion(6, 6)) { k in
      for owner in Owner.allCases {
        for first in [read, write] {
          for second in [read, write, none] {
            let s = await k.udp()
            await set(k, s, owner, first, 10, 10)
            for (start, length) in [(0, 10), (0, 11), (15, 2), (19, 5), (20, 5), (0, 0), (20, -1), (10, -10)] {
              await ask(k, s, owner.other, second, Int64(start), Int64(length))
              await ask(k, s, owner, second, Int64(start), Int64(length))
              await set(k, s, owner.other, second, Int64(start), Int64(length))
              await list(k, s, owner.other)
              await set(k, s, owner.other, none)
            }
            await list(k, s, owner)
            // What is locked on one socket is nothing to another.
            let other = await k.udp()
            await ask(k, other, owner.other, write)
            await set(k, other, owner.other, write)
            await k.close(other)
            await k.close(s)
          }
        }
      }
    },
    Scenario("locks: the end of the offsets", since: KernelVersion(6, 6)) { k in
      for owner in Owner.allCases {
        let s = await k.tcp()
        await set(k, s, owner, write, .max)
        await ask(k, s, owner.other, read)
        await set(k, s, owner, write, .max - 1, 1)
        await ask(k, s, owner.other, read)
        await set(k, s, owner, write, .max - 5, 2)
        await ask(k, s, owner.other, read)
        await ask(k, s, owner.other, read, .max - 3, 4)
        await ask(k, s, owner.other, read, .max - 3, 5)
        await set(k, s, owner, read, .max - 1)
        await set(k, s, owner, none, .max, 1)
        await ask(k, s, owner.other, write, .max - 3)
      }
    },
    Scenario("locks: what cannot be locked") { k in
      let s = await k.tcp()
      for owner in Owner.allCases {
        for command in [owner.get, owner.set, owner.wait] {
          func ask(_ bytes: [UInt8], line: Int = #line) async {
            await k.call(.fcntl, s, Int(command), Int(k.put(bytes)), line: line)
          }
          for type: Int16 in [0, 1, 2, 3, 4, 8, 32, 34, -1] {
            await ask(flock(type, 0, 1))
            await ask(flock(type, 5, .max))
            await ask(flock(type, 0, -1))
            await ask(flock(type, -1, 0))
            await ask(flock(type, 0, 1, whence: 3))
            await ask(flock(type, 0, 1, whence: -1))
            await ask(flock(type, 1, 2, process: 5))
            await ask(flock(type, .max, .min))
          }
          for whence: Int16 in 0...2 { await ask(flock(read, 0, 1, whence: whence)) }
          await set(k, s, owner, none)
          await k.call(.fcntl, s, Int(command), 8)
          await k.call(.fcntl, 900, Int(command), 8)
        }
      }
    },
    Scenario("locks: every close by the process takes its own", since: KernelVersion(6, 6)) { k in
      func taken(_ s: Int, line: Int = #line) async {
        await ask(k, s, .process, write, line: line)
        await ask(k, s, .openFile, write, line: line)
        await set(k, s, .process, read, 5, 5, line: line)
        await set(k, s, .openFile, read, 15, 5, line: line)
      }
      let s = await k.udp()
      await taken(s)
      await taken(s)
      let twin = await k.duplicate(.dup, s)
      await taken(twin)
      await k.close(twin)
      await taken(s)
      await k.duplicate(.dup2, s, s)
      await taken(s)
      let other = await k.udp()
      let copy = await k.duplicate(.fcntl, s, Int(FileControl.F_DUPFD), 0)
      // The socket under another number.
      await k.duplicate(.dup2, s, copy)
      await taken(s)
      await k.duplicate(.dup3, other, copy, 0)
      await taken(s)
      await k.duplicate(.dup2, s, other)
      await taken(s)
      await k.close(s)
      await taken(other)
      await k.close(other)
    },
    Scenario("locks: waiting for one, and for the last in the way") { k in
      for owner in Owner.allCases {
        let s = await k.udp()
        await set(k, s, owner, read, 0, 10)
        await set(k, s, owner, write, 20, 10)
        let reader = await wait(k, s, owner.other, read, 0, 25)
        let writer = await wait(k, s, owner.other, write, 0, 5)
        let free = await wait(k, s, owner.other, write, 30, 5)
        await k.end(free)
        // One that is in nobody's way.
        await set(k, s, owner, none, 5, 5)
        await k.look(reader)
        await set(k, s, owner, none, 26, 2)
        await k.look(reader)
        await set(k, s, owner, read, 20, 5)
        await k.end(reader)
        await k.look(writer)
        await ask(k, s, owner, write)
        await set(k, s, owner, none, 0, 5)
        await k.end(writer)
        await ask(k, s, owner, write)
        await ask(k, s, owner.other, write)
        // An unlock never waits.
        await k.end(await wait(k, s, owner, none))
        await k.end(await wait(k, s, owner.other, none))
        await k.close(s)
      }
    },
    Scenario("locks: interrupted") { k in
      for owner in Owner.allCases {
        let s = await k.tcp()
        await set(k, s, owner, write)
        let waiting = await wait(k, s, owner.other, read)
        waiting.interrupt()
        await k.end(waiting)
        await set(k, s, owner, none)
        await ask(k, s, owner, write)
      }
    },
    Scenario("locks: two that wait for each other") { k in
      for owner in Owner.allCases {
        let s = await k.udp()
        await set(k, s, owner, write, 0, 1)
        await set(k, s, owner.other, write, 1, 1)
        let waiting = await wait(k, s, owner.other, read, 0, 1)
        let second = await wait(k, s, owner, read, 1, 1)
        await k.look(waiting)
        await k.look(second)
        // Nor is there one if the other waits for something else.
        let third = await wait(k, s, owner, read, 1, 2)
        await set(k, s, owner, none)
        await k.end(waiting)
        await set(k, s, owner.other, none)
        await k.end(second)
        await k.end(third)
        await k.close(s)
      }
    },
    Scenario("locks: the number that waits is closed") { k in
      for owner in Owner.allCases {
        let s = await k.udp()
        let twin = await k.duplicate(.dup, s)
        await set(k, s, owner, write)
        let waiting = await wait(k, s, owner.other, read, 3, 4)
        await k.close(s)
        await k.look(waiting)
        await set(k, twin, owner, none)
        await k.end(waiting)
        await ask(k, twin, owner, write)
        await ask(k, twin, owner.other, write)
        await k.close(twin)
      }
    },
    Scenario("locks: a wait on the last number") { k in
      for owner in Owner.allCases {
        let s = await k.udp()
        await set(k, s, owner, write)
        let waiting = await wait(k, s, owner.other, read, 3, 4)
        await k.close(s)
        await k.look(waiting)
        waiting.interrupt()
        await k.end(waiting)
      }
    },
  ]

  @Test("locks", arguments: scenarios) func lock(_ scenario: Scenario) throws { try scenario.compare() }

  /// Locks drawn by a seed, by both owners.
  @Test("random locks", arguments: 1...12 as ClosedRange<UInt64>)
  func random(seed: UInt64) throws {
    try Scenario("random locks \(seed)", since: KernelVersion(6, 6)) { k in
      let random = SeededRandom(seed: seed)
      let s = await k.udp()
      for _ in 0..<150 {
        let owner: Owner = random.uniform(0...1) == 0 ? .process : .openFile
        let type = Int16(random.uniform(0...2))
        let (start, length) = (random.uniform(0...20), random.uniform(0...8))
        if random.uniform(0...2) == 0 {
          await Self.ask(k, s, owner, type % 2, start, length)
        } else {
          await Self.set(k, s, owner, type, start, length)
        }
        if random.uniform(0...19) == 0 { await Self.list(k, s, owner) }
      }
    }.compare()
  }
}
