import EventLoop
import Glibc
import Testing

/// A sequence of system calls that every kernel must answer alike.
struct Scenario: Sendable, CustomTestStringConvertible {
  let name: String
  /// Older kernels lack what it is about.
  let since: KernelVersion
  /// Linux answers it with other errors than EPERM and EACCES if a capability is missing.
  let needsRoot: Bool
  /// An option that kernels have by their configuration.
  let option: HostOption?
  /// It changes interfaces: it runs in a network namespace of its own, with a card `tap0`.
  let isIsolated: Bool
  let body: @Sendable (Session) async -> Void

  init(
    _ name: String, since: KernelVersion = KernelVersion(0, 0), needsRoot: Bool = false,
    option: HostOption? = nil, isIsolated: Bool = false,
    _ body: @escaping @Sendable (Session) async -> Void
  ) {
    self.name = name
    self.since = since
    self.needsRoot = needsRoot
    self.option = option
    self.isIsolated = isIsolated
    self.body = body
  }

  var testDescription: String { name }

  /// Runs the calls on the bench and on the Linux under the test, and compares what came of each: without root, up to
  /// the first call that is root's alone.
  func compare() throws {
    let bench = BenchKernel(hasCard: isIsolated)
    let ours = Session(bench)
    try bench.loop.run {
      await body(ours)
      await ours.end()
    }
    let isRoot = geteuid() == 0
    if KernelVersion.host < since { return skip("it is about Linux \(since) or later") }
    if needsRoot, !isRoot { return skip("only root may do that") }
    if option?.isKnown == false { return skip("this kernel does not have the option") }
    let privileged = isRoot ? nil : ours.outcomes
    func host(patience: UInt32) -> HostKernel? {
      guard isIsolated else { return HostKernel(patience: patience) }
      return NetworkNamespace(HostKernel.raw).map { HostKernel(patience: patience, in: $0) }
    }
    guard let linux = host(patience: 1) else {
      return skip("no network namespace with a card can be made here")
    }
    var theirs = Session(linux, privileged: privileged)
    try VirtualLoop(seed: 1).run {
      await body(theirs)
      await theirs.end()
    }
    if !theirs.isDenied, theirs.outcomes != ours.outcomes {
      // On a busy machine even loopback takes its time: once more, with longer pauses.
      theirs = Session(host(patience: 30) ?? linux, privileged: privileged)
      try VirtualLoop(seed: 1).run {
        await body(theirs)
        await theirs.end()
      }
    }
    var differences: [String] = []
    for (mine, linux) in zip(ours.outcomes, theirs.outcomes) where mine != linux {
      differences.append("bench \(mine)\n     linux \(linux)")
    }
    #expect(theirs.isDenied || ours.outcomes.count == theirs.outcomes.count, "\(name)")
    if !differences.isEmpty { Issue.record("\(name):\n     \(differences.joined(separator: "\n     "))") }
    if theirs.isDenied { skip("from the call on that only root may make") }
  }

  /// Says that this machine's Linux was not compared with, and why: a failure where WIREBENCH_REQUIRE_LINUX=1, a
  /// warning elsewhere. (A case that is cancelled by `Test.cancel` is reported as one that passed, without the reason.)
  private func skip(_ reason: String) {
    let text = "\(name): not compared with Linux: \(reason)"
    if Self.requiresLinux {
      Issue.record("\(text)")
    } else {
      #if compiler(>=6.3)
        Issue.record("\(text)", severity: .warning)
      #else
        print(text)
      #endif
    }
  }

  private static let requiresLinux = getenv("WIREBENCH_REQUIRE_LINUX").map { String(cString: $0) } == "1"
}
