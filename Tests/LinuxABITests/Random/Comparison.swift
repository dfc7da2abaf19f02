import EventLoop
import Glibc
import LinuxABI
import Synchronization

/// Runs random sequences on the bench and on the Linux under the test, and finds what they answer differently.
struct Comparison {
  /// What came of a sequence on the two kernels.
  enum Verdict {
    case same(calls: Int)
    /// Linux does not answer it alike twice.
    case uncertain
    case different(call: Int, bench: String, linux: String)

    var isDifferent: Bool { if case .different = self { true } else { false } }
  }

  /// How long segments have to arrive: in the tries that follow upon each other while there is a difference.
  private struct Patience {
    let pause: Int
    let host: UInt32
  }

  /// Ports of each run on the host, where those of the run before are not yet forgotten, and other processes may run
  /// this too.
  private static let ports = Atomic<Int>(Int(getpid()) % 100 * 200)

  func run(_ steps: [Step]) -> Verdict {
    let first = outcomes(of: steps, Patience(pause: 3, host: 0))
    if first.bench == first.linux { return .same(calls: first.linux.count) }
    // On a busy machine even loopback takes its time, and acknowledgements may be delayed by 40 ms.
    let second = outcomes(of: steps, Patience(pause: 3, host: 1))
    if second.bench == second.linux { return .same(calls: second.linux.count) }
    let third = outcomes(of: steps, Patience(pause: 60, host: 1))
    if third.bench == third.linux { return .same(calls: third.linux.count) }
    guard third.linux == outcomes(of: steps, Patience(pause: 60, host: 1)).linux else { return .uncertain }
    return Self.difference(third.bench, third.linux) ?? .uncertain
  }

  /// The first call that came out differently, or that one of the two did not come to; nil if there is none.
  static func difference(_ bench: [Outcome], _ linux: [Outcome]) -> Verdict? {
    for i in 0..<max(bench.count, linux.count) {
      let (mine, theirs) = (i < bench.count ? bench[i] : nil, i < linux.count ? linux[i] : nil)
      if mine != theirs, let call = theirs ?? mine {
        return .different(call: call.line, bench: mine?.text ?? "nothing", linux: theirs?.text ?? "nothing")
      }
    }
    return nil
  }

  private func outcomes(of steps: [Step], _ patience: Patience) -> (bench: [Outcome], linux: [Outcome]) {
    let bench = BenchKernel()
    let ours = Session(bench)
    play(steps, in: ours, on: bench.loop, firstPort: 10_000, pause: patience.pause)
    let theirs = Session(HostKernel(patience: patience.host), privileged: geteuid() == 0 ? nil : ours.outcomes)
    let turn = Self.ports.add(4, ordering: .relaxed).oldValue % 20_000
    play(steps, in: theirs, on: VirtualLoop(seed: 1), firstPort: UInt16(10_000 + turn), pause: patience.pause)
    return (Array(ours.outcomes.prefix(theirs.isDenied ? theirs.outcomes.count : Int.max)), theirs.outcomes)
  }

  private func play(_ steps: [Step], in session: Session, on loop: VirtualLoop, firstPort: UInt16, pause: Int) {
    let player = Player(session, firstPort: firstPort, pause: pause)
    do {
      try loop.run {
        await player.play(steps)
        await player.end(Generator.slots)
      }
    } catch {
      session.note("\(error)", -1)
    }
  }

  /// A sequence, and the first call that is answered differently.
  func explain(_ steps: [Step]) -> String {
    let text = steps.map { "  \($0)" }.joined(separator: "\n")
    guard case .different(let call, let bench, let linux) = run(steps) else { return text }
    return "\(text)\n  call \(call):\n  bench \(bench)\n  linux \(linux)"
  }

  /// The shortest sequence that is still answered differently, found by leaving out calls.
  func minimize(_ steps: [Step]) -> [Step] {
    let quick = shorten(steps) { fewer in
      let outcomes = outcomes(of: fewer, Patience(pause: 3, host: 1))
      return outcomes.bench != outcomes.linux
    }
    return run(quick).isDifferent ? quick : shorten(steps) { run($0).isDifferent }
  }

  private func shorten(_ steps: [Step], while differ: ([Step]) -> Bool) -> [Step] {
    var steps = steps
    if case .different(let call, _, _) = run(steps) { steps = Array(steps.prefix(call + 1)) }
    var size = max(steps.count / 2, 1)
    while true {
      var start = 0
      var isShorter = false
      while start < steps.count {
        var fewer = steps
        fewer.removeSubrange(start..<min(start + size, steps.count))
        if differ(fewer) {
          steps = fewer
          isShorter = true
        } else {
          start += size
        }
      }
      if size == 1, !isShorter { return steps }
      if size > 1 { size /= 2 }
    }
  }
}
