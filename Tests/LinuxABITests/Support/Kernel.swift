import EventLoop
import Events
import Glibc
import LinuxABI
import NetStack
import Packets

/// Something that answers system calls by number: this bench's layer, or the Linux under the test.
protocol Kernel: AnyObject {
  var name: String { get }
  /// Address of the first byte of the memory for arguments.
  var base: UInt { get }
  func call(_ number: Int, _ arguments: [UInt]) async -> Int
  /// Makes a call that goes on beside the caller.
  func begin(_ number: Int, _ arguments: [UInt]) -> any PendingCall
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

  /// The card behind `tap0`, if there is one.
  let card: SilentDevice?

  init(seed: UInt64 = 1, hasCard: Bool = false) {
    loop = VirtualLoop(seed: seed, limit: .zero + .seconds(3600))
    stack = NetworkStack(on: loop, tap: EventTap(on: loop))
    card = hasCard ? SilentDevice(name: "tap0", hardwareAddress: MACAddress(rawValue: 0x0200_0000_0099)) : nil
    if let card { _ = stack.attach(card) }
    calls = SystemCalls(stack: stack)
  }

  var base: UInt { memory.base }

  func call(_ number: Int, _ arguments: [UInt]) async -> Int { await calls.call(number, arguments, in: memory) }

  func begin(_ number: Int, _ arguments: [UInt]) -> any PendingCall {
    BenchCall(on: loop) { [calls, memory] in await calls.call(number, arguments, in: memory) }
  }

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

  /// Where its sockets are, if not where the test is.
  private let namespace: NetworkNamespace?

  /// How many times longer than asked for it waits for segments to arrive.
  private let patience: UInt32

  init(patience: UInt32, in namespace: NetworkNamespace? = nil) {
    self.patience = patience
    self.namespace = namespace
    signal(SIGPIPE, SIG_IGN)
    raw = Self.raw
    let pages = mmap(nil, arenaSize + Self.guardSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
    precondition(pages != MAP_FAILED && mprotect(pages + arenaSize, Self.guardSize, PROT_NONE) == 0)
    storage = UnsafeMutableRawBufferPointer(start: pages, count: arenaSize)
  }

  deinit { munmap(storage.baseAddress, arenaSize + Self.guardSize) }

  static var raw: RawCall { unsafeBitCast(dlsym(nil, "syscall"), to: RawCall.self) }

  var base: UInt { UInt(bitPattern: storage.baseAddress) }

  func call(_ number: Int, _ arguments: [UInt]) async -> Int {
    let a = arguments + Array(repeating: 0, count: 6 - arguments.count)
    func make() -> Int {
      let result = raw(number, a[0], a[1], a[2], a[3], a[4], a[5])
      return result == -1 ? -Int(errno) : result
    }
    guard let namespace, number == SystemCallNumber.socket.rawValue else { return make() }
    return namespace.inside(make)
  }

  func begin(_ number: Int, _ arguments: [UInt]) -> any PendingCall {
    HostCall(raw, [number] + (arguments + [0, 0, 0, 0, 0, 0]).prefix(6).map { Int(bitPattern: $0) })
  }

  func bytes(_ address: UInt, _ count: Int) -> UnsafeMutableRawBufferPointer {
    let offset = Int(address - base)
    return UnsafeMutableRawBufferPointer(rebasing: storage[offset..<(offset + count)])
  }

  func settle(milliseconds: Int) async {
    if patience > 0 { usleep(UInt32(milliseconds) * 1000 * patience) }
  }
}
