import Foundation
import Glibc
import LinuxABI
import Testing

/// `WIREBENCH_SEQUENCES` is how many sequences are compared, `WIREBENCH_SEED` the seed of the first; each further one
/// has the next. A difference is reported as the shortest sequence that shows it.
@Suite("Sequences of calls that nobody thought of are answered as by Linux")
struct RandomSequenceTests {
  private static func setting(_ name: String) -> Int? { ProcessInfo.processInfo.environment[name].flatMap(Int.init) }

  /// Older kernels answer some of it differently.
  private static let isRecent = KernelVersion.host >= KernelVersion(6, 18)

  /// net.ipv4.ping_group_range may forbid what the bench allows.
  private static let hasPing: Bool = {
    let s = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 1)
    defer { close(s) }
    return s >= 0
  }()

  @Test(
    .enabled(
      if: isRecent && hasPing || setting("WIREBENCH_SEQUENCES") != nil,
      "it compares with Linux 6.18 or later, where ping sockets may be made"))
  func sequences() throws {
    let wanted = Self.setting("WIREBENCH_SEQUENCES")
    let first = Self.setting("WIREBENCH_SEED") ?? 1
    let comparison = Comparison()
    var (calls, alike, uncertain, different) = (0, 0, 0, 0)
    for seed in first..<(first + (wanted ?? 300)) {
      var generator = Generator(seed: UInt64(seed), isAlone: wanted != nil && Self.isAlone)
      let steps = generator.sequence()
      switch comparison.run(steps) {
      case .same(let count):
        alike += 1
        calls += count
      case .uncertain: uncertain += 1
      case .different:
        different += 1
        Issue.record("seed \(seed):\n\(comparison.explain(comparison.minimize(steps)))")
      }
    }
    // Nearly all must be certain, or differences may hide among the others: on a quiet machine it is one in a hundred.
    #expect(uncertain <= (alike + different) / 20, "Linux answered \(uncertain) sequences in two ways")
    if wanted != nil {
      print("\(alike) sequences with \(calls) calls alike, \(different) different, \(uncertain) uncertain")
    }
  }

  /// Nothing can leave this machine: there is no route to elsewhere. connect(2) of a datagram socket sends nothing.
  private static let isAlone: Bool = {
    let s = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    defer { close(s) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(9).bigEndian
    address.sin_addr.s_addr = UInt32(0xE000_0001).bigEndian
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(s, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    } != 0
  }()
}
