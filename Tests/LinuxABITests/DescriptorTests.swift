import EventLoop
import LinuxABI
import Sockets
import Testing

/// The descriptors of a process as POSIX describes them: which socket, and whether exec closes it.
private struct Model {
  let reserved: Int
  let limit: Int
  var open: [Int32: (socket: ObjectIdentifier, closesOnExec: Bool)] = [:]

  func lowest(from minimum: Int) -> Int32? {
    (max(minimum, reserved)..<max(limit, max(minimum, reserved))).map(Int32.init).first { open[$0] == nil }
  }
}

@Suite("The descriptor table")
struct DescriptorTests {
  @Test("agrees with the model over random operations", arguments: 1...20 as ClosedRange<UInt64>)
  func model(seed: UInt64) throws {
    let bench = BenchKernel(seed: seed)
    let calls = SystemCalls(stack: bench.stack, reserved: 3, limit: 24)
    let random = SeededRandom(seed: seed)
    var model = Model(reserved: 3, limit: 24)
    func pick(_ range: ClosedRange<Int64>) -> Int32 { Int32(random.uniform(range)) }
    func number(_ body: () async throws(Errno) -> Int32) async -> Int32 {
      do throws(Errno) { return try await body() } catch { return -error.rawValue }
    }
    /// What a call answers that takes the lowest number from `minimum` on.
    func opening(_ result: Int32, _ source: Int32?, closesOnExec: Bool, from minimum: Int = 0) throws {
      if let source, model.open[source] == nil { return #expect(result == -Errno.EBADF.rawValue) }
      guard let wanted = model.lowest(from: minimum) else { return #expect(result == -Errno.EMFILE.rawValue) }
      #expect(result == wanted)
      model.open[wanted] = (ObjectIdentifier(try calls.socket(wanted)), closesOnExec)
    }
    try bench.loop.run {
      for _ in 0..<400 {
        let (a, b) = (pick(-1...25), pick(-1...25))
        switch pick(0...7) {
        case 0:
          let flag = pick(0...1) * SocketType.SOCK_CLOEXEC
          try opening(
            await number { () throws(Errno) in try calls.socket(2, SocketType.SOCK_DGRAM | flag, 0) }, nil,
            closesOnExec: flag != 0)
        case 1: try opening(await number { () throws(Errno) in try calls.dup(a) }, a, closesOnExec: false)
        case 2:
          let command = pick(0...1) == 0 ? FileControl.F_DUPFD : FileControl.F_DUPFD_CLOEXEC
          let result = await number { () throws(Errno) in Int32(try calls.fcntl(a, command, Int(b))) }
          if model.open[a] != nil && !(0..<24).contains(b) {
            #expect(result == -Errno.EINVAL.rawValue)
          } else {
            try opening(result, a, closesOnExec: command != FileControl.F_DUPFD, from: Int(b))
          }
        case 3, 4:
          let isTwo = pick(0...1) == 0
          let flags = isTwo ? 0 : pick(0...1) * SocketType.SOCK_CLOEXEC
          let result = await number { () async throws(Errno) in
            try await calls.dup3(a, b, flags: flags, allowsSame: isTwo)
          }
          if a == b && !isTwo {
            #expect(result == -Errno.EINVAL.rawValue)
          } else if !(0..<24).contains(b) || model.open[a] == nil {
            #expect(result == -Errno.EBADF.rawValue)
          } else {
            #expect(result == b)
            if a != b { model.open[b] = (model.open[a]!.socket, flags != 0) }
          }
        case 5, 6:
          let result = await number { () async throws(Errno) in
            try await calls.close(a)
            return 0
          }
          #expect(result == (model.open.removeValue(forKey: a) == nil ? -Errno.EBADF.rawValue : 0))
        default:
          let value = Int(pick(0...1))
          let result = await number { () throws(Errno) in
            Int32(try calls.fcntl(a, FileControl.F_SETFD, value))
          }
          #expect(result == (model.open[a] == nil ? -Errno.EBADF.rawValue : 0))
          model.open[a]?.closesOnExec = value != 0
        }
        #expect(calls.openDescriptors == model.open.keys.sorted())
        for (descriptor, entry) in model.open {
          #expect(ObjectIdentifier(try calls.socket(descriptor)) == entry.socket)
          #expect(try calls.fcntl(descriptor, FileControl.F_GETFD) == (entry.closesOnExec ? 1 : 0))
        }
      }
      await calls.closeAll()
    }
    #expect(calls.openDescriptors.isEmpty)
    #expect(bench.stack.udp.endpoints.isEmpty)
  }
}
