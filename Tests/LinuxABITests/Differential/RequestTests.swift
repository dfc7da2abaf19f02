import LinuxABI
import Testing

@Suite("ioctl knows the requests that Linux knows")
struct RequestTests {
  private static let kinds: [(String, Int32, Int32)] = [
    ("TCP", SocketType.SOCK_STREAM, 0), ("UDP", SocketType.SOCK_DGRAM, 0), ("raw", SocketType.SOCK_RAW, 252),
    ("ping", SocketType.SOCK_DGRAM, 1),
  ]

  /// Requests that tell of this machine's interfaces, make it load a module, or give out a descriptor.
  private static let leftOut: Set<Int> = [0x8912, 0x8940, 0x8941, 0x894C, 0x8982, 0x8983, 0x89A0, 0x89A1]

  private static let questionsAboutLo =
    [
      0x8910, 0x8913, 0x8915, 0x8916, 0x8917, 0x8918, 0x8919, 0x891A, 0x891B, 0x891C, 0x891D, 0x891E, 0x891F, 0x8920,
      0x8921, 0x8925, 0x8926, 0x8927, 0x8929, 0x8933, 0x8934, 0x8935, 0x8938, 0x8942, 0x8945, 0x8946, 0x8947, 0x8948,
      0x894A, 0x8970, 0x8971, 0x8990, 0x8991, 0x89A2, 0x89A3, 0x89B0, 0x89B1,
    ] + Array(0x89F0...0x89FF)

  /// What the file system is asked (linux/fs.h): FIFREEZE, FITHAW, FS_IOC_FIEMAP, FICLONERANGE, FIDEDUPERANGE,
  /// FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR, FS_IOC_GETFSUUID, FS_IOC_GETFSSYSFSPATH.
  static let ofFiles = [
    0xC004_5877, 0xC004_5878, 0xC020_660B, 0x4020_940D, 0xC018_9436, 0x8008_6601, 0x4008_6602, 0x801C_581F,
    0x401C_5820, 0x8011_1500, 0x8181_1501,
  ]

  static let scenarios: [Scenario] = kinds.flatMap { name, type, number in
    [
      Scenario("every socket request with nothing in it, \(name)", needsRoot: true) { k in
        let s = await k.socket(type, number)
        for request in Array(0x8900...0x89FF) + Array(0x5400...0x54FF) where !leftOut.contains(request) {
          let pointer = k.room(128)
          let result = await k.raw(.ioctl, [s, request, Int(pointer)])
          k.note("ioctl 0x\(String(request, radix: 16)) = \(Session.text(result)) \(k.get(pointer, count: 40))", #line)
          await k.call(.ioctl, s, request, 8)
          await k.call(.ioctl, s, request, 0)
          await k.call(.ioctl, 900, request, 8)
        }
      },
      Scenario("what is asked of lo, \(name)", needsRoot: true) { k in
        let s = await k.socket(type, number)
        for request in questionsAboutLo {
          for name in ["lo", "lo:1", "none0"] {
            let pointer = k.put(Array(name.utf8) + [UInt8](repeating: 0, count: 64 - name.utf8.count))
            let result = await k.raw(.ioctl, [s, request, Int(pointer)])
            var answer = k.get(pointer, count: 40)
            // Whether packets are looked at by others is this machine's business: IFF_PROMISC and its kin.
            if request == 0x8913 { answer[17] = 0 }
            k.note("ioctl 0x\(String(request, radix: 16)) \(name) = \(Session.text(result)) \(answer)", #line)
          }
        }
      },
      Scenario("every number of sixteen bits, \(name)") { k in
        await askEverything(k, await k.socket(type, number), but: Set(0x8900...0x89FF))
      },
      Scenario("what is asked of the file system, \(name)", since: KernelVersion(6, 18)) { k in
        let s = await k.socket(type, number)
        await askFileSystem(k, s)
        for other in [s, 900] { await k.call(.ioctl, s, 0x4004_9409, other) }
        for bit in 0..<32 { await k.call(.ioctl, s, 0x401C_5820, Int(k.put(UInt32(1) << bit))) }
      },
    ]
  }

  /// Every request of sixteen bits `but` some, with nothing in it. What is ENOTTY and stores nothing is not noted.
  static func askEverything(_ k: Session, _ s: Int, but left: Set<Int>) async {
    let pointer = k.room(4096)
    for request in 0...0xFFFF where !left.contains(request) {
      let result = await k.raw(.ioctl, [s, request, Int(pointer)])
      let (answer, clean) = (k.get(pointer, count: 16), [UInt8](repeating: 0, count: 16))
      if answer != clean { k.kernel.bytes(pointer, 16).copyBytes(from: clean) }
      guard result != -25 || answer != clean else { continue }
      k.note("0x\(String(request, radix: 16)) = \(Session.text(result)) \(answer)", #line)
    }
  }

  /// With nothing in it, with something, and with a pointer that leads nowhere. (With nothing in it FICLONERANGE is
  /// about descriptor 0, which tests do not choose.)
  static func askFileSystem(_ k: Session, _ s: Int) async {
    for request in ofFiles {
      for fill: UInt8 in [0, 1] where request != 0x4020_940D || fill == 1 {
        let pointer = k.put([UInt8](repeating: fill, count: 512))
        await k.call(.ioctl, s, request, Int(pointer))
        k.note("\(k.get(pointer, count: 40))", #line)
      }
      await k.call(.ioctl, s, request, 8)
    }
  }

  @Test(arguments: scenarios) func scenario(_ scenario: Scenario) throws { try scenario.compare() }
}
