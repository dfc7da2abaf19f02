import EventLoop
import Testing

/// A sequence of system calls that every kernel must answer alike.
struct Scenario: Sendable, CustomTestStringConvertible {
  let name: String
  /// Older kernels lack what it is about.
  let since: KernelVersion
  let body: @Sendable (Session) async -> Void

  init(
    _ name: String, since: KernelVersion = KernelVersion(0, 0), _ body: @escaping @Sendable (Session) async -> Void
  ) {
    self.name = name
    self.since = since
    self.body = body
  }

  var testDescription: String { name }

  /// Runs the calls on the bench and on the Linux under the test, and compares what came of each.
  func compare() throws {
    let bench = BenchKernel()
    let ours = Session(bench)
    try bench.loop.run {
      await body(ours)
      await ours.end()
    }
    guard KernelVersion.host >= since else { return }
    var theirs = Session(HostKernel(patience: 1))
    try VirtualLoop(seed: 1).run {
      await body(theirs)
      await theirs.end()
    }
    if theirs.outcomes != ours.outcomes {
      // On a busy machine even loopback takes its time: once more, with longer pauses.
      theirs = Session(HostKernel(patience: 30))
      try VirtualLoop(seed: 1).run {
        await body(theirs)
        await theirs.end()
      }
    }
    var differences: [String] = []
    for (mine, linux) in zip(ours.outcomes, theirs.outcomes) where mine != linux {
      differences.append("bench \(mine)\n     linux \(linux)")
    }
    #expect(ours.outcomes.count == theirs.outcomes.count, "\(name)")
    if !differences.isEmpty { Issue.record("\(name):\n     \(differences.joined(separator: "\n     "))") }
  }
}
