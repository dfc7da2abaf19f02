import Bench
import EventLoop
import Packets
import Testing

@Suite("Expectations of replay") struct ReplayExpectationTests {
  private func parse(_ text: String) throws -> ReplayExpectation { try ReplayExpectation(text, path: "x.expect") }

  @Test("settings, frames and the outcome are read, and written as they were")
  func wholeFile() throws {
    let text = """
      replay 1
      # a comment
      address 192.0.2.1/24
      mac 02:00:00:00:00:09
      gateway 192.0.2.254
      seed 42
      neighbour 192.0.2.2 02:00:00:00:00:02
      listen tcp 80 http
      listen udp 7 echo
      start 1.5
      linger 3
      resolve www.example.test via 192.0.2.53
      0.000000 ARP who has 192.0.2.2? tell 192.0.2.1
      12.000007 ARP 192.0.2.1 is at 02:00:00:00:00:09
      outcome resolved 192.0.2.80
      at full speed
      0.000000 ARP who has 192.0.2.2? tell 192.0.2.1
      outcome resolved 192.0.2.81

      """
    let expectation = try parse(text)
    #expect(expectation.settings.address == IPv4Subnet("192.0.2.1/24"))
    #expect(expectation.settings.seed == 42)
    #expect(expectation.settings.listeners.count == 2)
    #expect(expectation.settings.start == .milliseconds(1500))
    #expect(expectation.settings.linger == .seconds(3))
    #expect(
      expectation.settings.action == .resolve(name: "www.example.test", server: IPv4Address(192, 0, 2, 53)))
    #expect(expectation.frames.map(\.time) == [0, 12_000_007])
    #expect(expectation.frames[1].line == 14)
    #expect(expectation.outcome == "resolved 192.0.2.80")
    #expect(expectation.fullSpeed?.frames.map(\.line) == [17])
    #expect(expectation.fullSpeed?.outcome == "resolved 192.0.2.81")
    #expect(expectation.text == text)
  }

  @Test(
    "what is not understood is refused with its line",
    arguments: [
      ("", 1, "empty"), ("address 192.0.2.1/24", 1, "first line"),
      ("replay 2", 1, "first line"), ("replay 1\nadress 192.0.2.1/24", 2, "unknown setting \"adress\""),
      ("replay 1\naddress 192.0.2.1", 2, "address/prefix length"),
      ("replay 1\naddress 192.0.2.1/24\naddress 192.0.2.1/24", 3, "a second address"),
      ("replay 1\nmac 01:00:00:00:00:01", 2, "unicast"), ("replay 1\nseed -1", 2, "number"),
      ("replay 1\nlinger 86401", 2, "seconds"), ("replay 1\nlinger 1e3", 2, "seconds"),
      ("replay 1\nlisten tcp 0 echo", 2, "PORT"), ("replay 1\nlisten udp 80 http", 2, "PORT"),
      ("replay 1\nlisten tcp 65536 echo", 2, "PORT"), ("replay 1\nlisten tcp 7 chargen", 2, "PORT"),
      ("replay 1\nlisten tcp 7 echo\nlisten tcp 7 discard", 3, "second listener"),
      ("replay 1\nfetch ftp://a/", 2, ""), ("replay 1\nresolve name", 2, "via"),
      ("replay 1\ndhcp\nresolve a via 192.0.2.1", 3, "a second action"), ("replay 1\ndhcp now", 2, "nothing"),
      ("replay 1\nneighbour 192.0.2.2", 2, "hardware address"),
      ("replay 1\n0.00000 ARP", 2, "a frame's line"), ("replay 1\n0.0000000 ARP", 2, "a frame's line"),
      ("replay 1\n0.000000", 2, "a frame's line"), ("replay 1\n99999999999999999999.000000 x", 2, "a frame's line"),
      ("replay 1\n1.000000 a\n0.999999 b", 3, "before"), ("replay 1\n1.000000 a\nseed 1", 3, "above the frames"),
      ("replay 1\noutcome x\n1.000000 a", 3, "last line"),
      ("replay 1\nat full speed\nat full speed", 3, "a second section"),
      ("replay 1\nat full speed\nseed 1", 3, "above the frames"),
      ("replay 1\n2.000000 a\nat full speed\n1.000000 b\n0.000000 a", 5, "before"),
      ("replay 1\nat full speed\noutcome x\n1.000000 a", 4, "last line"), ("at full speed", 1, "first line"),
      ("replay 1\nseed\t1", 2, "control"),
      ("replay 1\n# " + String(repeating: "x", count: 5000), 2, "longer"),
    ])
  func refused(_ text: String, _ line: Int, _ reason: String) {
    do {
      _ = try parse(text)
      Issue.record("was taken: \(text.prefix(60))")
    } catch ReplayError.expectation(let path, let number, let what) {
      #expect(path == "x.expect")
      #expect(number == line)
      #expect(reason.isEmpty || what.contains(reason), "\(what)")
    } catch {
      Issue.record("another error: \(error)")
    }
  }

  private func frames(_ texts: String...) -> [ReplayExpectation.Frame] {
    texts.enumerated().map { ReplayExpectation.Frame(time: Int64($0) * 1_000_000, description: $1) }
  }

  @Test("the first difference is told with both lines, and where one side ends")
  func differences() throws {
    let expectation = try parse("replay 1\nseed 1\n0.000000 a\n1.000000 b\n").original
    #expect(ReplayDifference.between(expectation, answers: frames("a", "b"), outcome: nil) == nil)
    let changed = try #require(ReplayDifference.between(expectation, answers: frames("a", "c"), outcome: nil))
    #expect(changed.number == 2 && changed.line == 4)
    #expect(changed.expected == "1.000000 b" && changed.actual == "1.000000 c")
    let short = try #require(ReplayDifference.between(expectation, answers: frames("a"), outcome: nil))
    #expect(short.number == 2 && short.actual == nil)
    let long = try #require(ReplayDifference.between(expectation, answers: frames("a", "b", "c"), outcome: nil))
    #expect(long.number == 3 && long.line == 0 && long.expected == nil && long.actual == "2.000000 c")
    var late = frames("a", "b")
    late[1].time += 1
    #expect(ReplayDifference.between(expectation, answers: late, outcome: nil)?.actual == "1.000001 b")
    let outcome = try #require(ReplayDifference.between(expectation, answers: frames("a", "b"), outcome: "x"))
    #expect(outcome.expected == nil && outcome.actual == "outcome x")
  }
}
