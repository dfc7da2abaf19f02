import LinuxABI
import Synchronization
import Testing

@Suite("The owner of a file, in a world of processes of its own")
struct OwnerViewTests {
  /// Processes by number, and who asks.
  private final class World: Sendable {
    let alive = Mutex<Set<Int32>>([])
    let user = Mutex<UInt32>(0)

    var view: ProcessView {
      ProcessView(
        presence: { kind, number in
          guard self.alive.withLock({ $0.contains(number) }) else { return .absent }
          return kind == .group ? .otherKind : .present
        }, identifier: { 7 }, users: { (self.user.withLock { $0 }, self.user.withLock { $0 } + 1) })
    }
  }

  private func users(_ calls: SystemCalls, _ s: Int32, _ memory: UserMemory) async throws -> [UInt32] {
    let arguments = [UInt(s), UInt(FileControl.F_GETOWNER_UIDS), memory.base]
    #expect(await calls.call(SystemCallNumber.fcntl.rawValue, arguments, in: memory) == 0)
    return [try memory.load(memory.base, as: UInt32.self), try memory.load(memory.base + 4, as: UInt32.self)]
  }

  @Test("is asked for at each call, and whoever named it is remembered")
  func injected() throws {
    let bench = BenchKernel()
    let world = World()
    let calls = SystemCalls(stack: bench.stack, processes: world.view)
    try bench.loop.run {
      let s = try calls.socket(2, SocketType.SOCK_DGRAM, 0)
      #expect(throws: Errno.ESRCH) { try calls.fcntl(s, FileControl.F_SETOWN, 12) }
      #expect(try await users(calls, s, bench.memory) == [0, 0])
      world.alive.withLock { $0 = [12] }
      world.user.withLock { $0 = 1000 }
      #expect(try calls.fcntl(s, FileControl.F_SETOWN, 12) == 0)
      world.user.withLock { $0 = 0 }
      #expect(try calls.fcntl(s, FileControl.F_GETOWN) == 12)
      #expect(try await users(calls, s, bench.memory) == [1000, 1001])
      world.alive.withLock { $0 = [] }
      #expect(try calls.fcntl(s, FileControl.F_GETOWN) == 0)
      // Nobody is no new owner: it is still the old one's user.
      #expect(try calls.fcntl(s, FileControl.F_SETOWN, 0) == 0)
      #expect(try await users(calls, s, bench.memory) == [1000, 1001])
      world.alive.withLock { $0 = [12] }
      #expect(try calls.fcntl(s, FileControl.F_SETOWN, -12) == 0)
      #expect(try calls.fcntl(s, FileControl.F_GETOWN) == 0)
      #expect(try await users(calls, s, bench.memory) == [0, 1])
      await calls.closeAll()
    }
  }
}
