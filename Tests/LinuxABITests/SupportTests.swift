import Glibc
import Testing

@Suite("What the comparisons with Linux stand on")
struct SupportTests {
  private func outcomes(_ texts: String...) -> [Outcome] {
    texts.enumerated().map { Outcome(line: $0.offset, text: $0.element) }
  }

  /// The call, and what came of it on the bench and on Linux.
  private func difference(_ bench: [Outcome], _ linux: [Outcome]) -> String? {
    guard case .different(let call, let mine, let theirs) = Comparison.difference(bench, linux) else { return nil }
    return "\(call): \(mine), \(theirs)"
  }

  @Test("records differ at the first call that came out differently, or that is missing in one of them")
  func differences() {
    let all = outcomes("a", "b", "c")
    #expect(difference(all, all) == nil && difference([], []) == nil)
    #expect(difference(all, outcomes("a", "x", "y")) == "1: b, x")
    #expect(difference(outcomes("a", "b"), all) == "2: nothing, c")
    #expect(difference(all, outcomes("a")) == "1: b, nothing")
  }

  @Test("a child that a test forgets does not outlive it, nor does its group")
  func children() {
    func numbers(_ command: String, leadsGroup: Bool) -> pid_t {
      let child = HostChild(command, leadsGroup: leadsGroup)
      #expect(kill(child.number, 0) == 0)
      return child.number
    }
    #expect(kill(numbers("exec sleep 60", leadsGroup: false), 0) == -1)
    #expect(kill(numbers("sleep 60 & wait", leadsGroup: true), 0) == -1)
  }
}
