import Glibc
import LinuxABI
import Testing

@Suite("The owner of a file is a process that exists, as long as it does")
struct OwnerTests {
  private static let kinds: [(Int32, String)] = [(0, "thread"), (1, "process"), (2, "group")]

  /// What all calls say of the owner, numbers being compared with `number` only.
  private static func ask(_ k: Session, _ s: Int, _ number: Int32, _ line: Int = #line) async {
    func name(_ answer: Int) -> String { answer == number ? "it" : answer == -number ? "its group" : "\(answer)" }
    k.note("F_GETOWN \(name(await k.raw(.fcntl, [s, Int(FileControl.F_GETOWN)])))", line)
    for request in [ControlRequest.FIOGETOWN, ControlRequest.SIOCGPGRP] {
      let pointer = k.put(Int32(77))
      let result = await k.raw(.ioctl, [s, Int(request), Int(pointer)])
      k.note("ioctl \(result) \(name(Int(k.get(pointer, as: Int32.self))))", line)
    }
    for command in [FileControl.F_GETOWN_EX, FileControl.F_GETOWNER_UIDS] {
      let pointer = k.put([UInt8](repeating: 0x5A, count: 8))
      let result = await k.raw(.fcntl, [s, Int(command), Int(pointer)])
      k.note(
        "\(command) \(result) \(k.get(pointer, as: Int32.self)) \(name(Int(k.get(pointer + 4, as: Int32.self))))", line)
    }
  }

  /// Makes `number` the owner in every way there is.
  private static func own(_ k: Session, _ number: Int32, _ line: Int = #line) async {
    for sign: Int32 in [1, -1] {
      let s = await k.udp()
      await k.fcntl(s, FileControl.F_SETOWN, Int(sign * number), line: line)
      await ask(k, s, number, line)
      for request in [ControlRequest.FIOSETOWN, ControlRequest.SIOCSPGRP] {
        let s = await k.tcp()
        await k.call(.ioctl, s, Int(request), Int(k.put(sign * number)), line: line)
        await ask(k, s, number, line)
      }
    }
    for (kind, _) in kinds {
      let s = await k.udp()
      await k.call(
        .fcntl, s, Int(FileControl.F_SETOWN_EX), Int(k.put([kind, number].withUnsafeBytes { Array($0) })), line: line)
      await ask(k, s, number, line)
      // None any more; who set it is not forgotten.
      await k.call(.fcntl, s, Int(FileControl.F_SETOWN_EX), Int(k.put([kind, 0].withUnsafeBytes { Array($0) })))
      await ask(k, s, number, line)
    }
  }

  static let scenarios: [Scenario] = [
    Scenario("owner: this process, its group, the first process") { k in
      let s = await k.udp()
      await ask(k, s, 1)
      await k.fcntl(s, FileControl.F_SETSIG, 10)
      await ask(k, s, 1)
      for number in [getpid(), getpgrp(), 1] { await own(k, number) }
    },
    Scenario("owner: a thread that is no process") { k in
      let thread = HostThread()
      await own(k, thread.number)
      let s = await k.udp()
      await k.call(
        .fcntl, s, Int(FileControl.F_SETOWN_EX), Int(k.put([0, thread.number].withUnsafeBytes { Array($0) })))
      thread.end()
      await k.settle()
      await ask(k, s, thread.number)
      await own(k, thread.number)
    },
    Scenario("owner: a process that ends") { k in
      let child = HostChild("exec sleep 60")
      var sockets: [Int] = []
      for (kind, _) in kinds {
        sockets.append(await k.udp())
        await k.call(
          .fcntl, sockets.last!, Int(FileControl.F_SETOWN_EX),
          Int(k.put([kind, child.number].withUnsafeBytes { Array($0) })))
      }
      for s in sockets { await ask(k, s, child.number) }
      child.kill()
      child.awaitEnd()
      // It has ended, but nobody knows yet.
      for s in sockets { await ask(k, s, child.number) }
      await own(k, child.number)
      child.reap()
      for s in sockets { await ask(k, s, child.number) }
      await own(k, child.number)
      // What fails leaves the owner that there was.
      await k.fcntl(sockets[0], FileControl.F_SETOWN, 1)
      await k.fcntl(sockets[0], FileControl.F_SETOWN, Int(child.number))
      await ask(k, sockets[0], 1)
    },
    Scenario("owner: a group whose first process is gone") { k in
      // The one in the background keeps the group until it is ended.
      let leader = HostChild("sleep 60 & exit", leadsGroup: true)
      leader.reap()
      await own(k, leader.number)
      let s = await k.udp()
      await k.fcntl(s, FileControl.F_SETOWN, Int(-leader.number))
      await ask(k, s, leader.number)
      leader.killGroup()
    },
    Scenario("owner: numbers that nothing can have") { k in
      for number: Int32 in [4_194_304, 4_194_305, .max, 0, -1] { await own(k, number) }
      let s = await k.udp()
      await k.fcntl(s, FileControl.F_SETOWN, Int(Int32.min))
      await ask(k, s, 0)
      await k.call(.fcntl, s, Int(FileControl.F_SETOWN_EX), 8)
      await k.call(.fcntl, s, Int(FileControl.F_GETOWN_EX), 8)
      await k.call(.fcntl, s, Int(FileControl.F_GETOWNER_UIDS), 8)
    },
  ]

  @Test("owners", arguments: scenarios) func owner(_ scenario: Scenario) throws { try scenario.compare() }
}
