/// The first place where a station's answers are not those expected.
public struct ReplayDifference: Sendable, Equatable, Codable, CustomStringConvertible {
  /// Number of the answer, from 1; one more than there are for the outcome.
  public let number: Int
  /// Line of the expectation; 0 where it ends too early.
  public let line: Int
  /// As they stand in a file; nil where there is none.
  public let expected: String?
  public let actual: String?

  public var description: String {
    """
      - \(expected ?? "nothing more")
      + \(actual ?? "nothing more")
    """
  }

  /// Nil if everything is as expected.
  public static func between(
    _ expected: ReplayExpectation.Answers, answers: [ReplayExpectation.Frame], outcome: String?
  ) -> ReplayDifference? {
    for index in 0..<max(expected.frames.count, answers.count) {
      let wanted = expected.frames.indices.contains(index) ? expected.frames[index] : nil
      let actual = answers.indices.contains(index) ? answers[index] : nil
      guard wanted?.time == actual?.time, wanted?.description == actual?.description else {
        return ReplayDifference(
          number: index + 1, line: wanted?.line ?? 0, expected: wanted?.text, actual: actual?.text)
      }
    }
    guard expected.outcome == outcome else {
      return ReplayDifference(
        number: answers.count + 1, line: expected.outcomeLine, expected: expected.outcome.map { "outcome \($0)" },
        actual: outcome.map { "outcome \($0)" })
    }
    return nil
  }
}
