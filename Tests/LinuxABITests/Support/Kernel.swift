import EventLoop
import Events
import Glibc
import LinuxABI
import NetStack

/// Something that answers system calls by number: this bench's layer, or the Linux under the test.
protocol Kernel: AnyObject {
  var name: String { get }
  /// Address of the first byte of the memory for arguments.
  var base: UInt { get }
  func call(_ number: Int, _ arguments: [UInt]) async -> Int
  /// `count` bytes of that memory.
  func bytes(_ address: UInt, _ count: Int) -> UnsafeMutableRawBufferPointer
  /// Lets segments that are under way arrive.
  func settle(milliseconds: Int) async
}

/// Bytes of argument memory.
let arenaSize = 1 << 20

/// The layer under test, over the loopback interface of a stack of its own in virtual time.
final class BenchKernel: Kernel {
  let name = "bench"
  let loop: VirtualLoop
  let stack: NetworkStack
  let calls: SystemCalls
  let memory = UserMemory(byteCount: arenaSize)

  init(seed: UInt64 = 1) {
    loop = VirtualLoop(seed: seed, limit: .zero + .seconds(3600))
    stack = NetworkStack(on: loop, tap: EventTap(on: loop))
    calls = SystemCalls(stack: stack)
  }

  var base: UInt { memory.base }

  func call(_ number: Int, _ arguments: [UInt]) async -> Int { await calls.call(number, arguments, in: memory) }

  func bytes(_ address: UInt, _ count: Int) -> UnsafeMutableRawBufferPointer {
    guard let bytes = try? memory.bytes(address, count) else { preconditionFailure("outside of the arena") }
    return bytes
  }

  func settle(milliseconds: Int) async { try? await loop.sleep(for: .milliseconds(milliseconds)) }
}

/// The kernel that this process runs on.
final class HostKernel: Kernel {
  typealias RawCall = @convention(c) (Int, UInt, UInt, UInt, UInt, UInt, UInt) -> Int

  let name = "linux"
  private let storage: UnsafeMutableRawBufferPointer
  /// After the arena comes a page that is nobody's, as in the other kernel.
  private static let guardSize = 4096
  /// syscall(2) is variadic and not imported; its arguments are passed like those of any function.
  private let raw: RawCall

  /// How many times longer than asked for it waits for segments to arrive.
  private let patience: UInt32

  init(patience: UInt32) {
    self.patience = patience
    signal(SIGPIPE, SIG_IGN)
    raw = unsafeBitCast(dlsym(nil, "syscall"), to: RawCall.self)
    let pages = mmap(nil, arenaSize + Self.guardSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
    precondition(pages != MAP_FAILED && mprotect(pages + arenaSize, Self.guardSize, PROT_NONE) == 0)
    storage = UnsafeMutableRawBufferPointer(start: pages, count: arenaSize)
  }

  deinit { munmap(storage.baseAddress, arenaSize + Self.guardSize) }

  var base: UInt { UInt(bitPattern: storage.baseAddress) }

  func call(_ number: Int, _ arguments: [UInt]) async -> Int {
    let a = arguments + Array(repeating: 0, count: 6 - arguments.count)
    let result = raw(number, a[0], a[1], a[2], a[3], a[4], a[5])
    return result == -1 ? -Int(errno) : result
  }

  func bytes(_ address: UInt, _ count: Int) -> UnsafeMutableRawBufferPointer {
    let offset = Int(address - base)
    return UnsafeMutableRawBufferPointer(rebasing: storage[offset..<(offset + count)])
  }

  func settle(milliseconds: Int) async {
    if patience > 0 { usleep(UInt32(milliseconds) * 1000 * patience) }
  }
}
