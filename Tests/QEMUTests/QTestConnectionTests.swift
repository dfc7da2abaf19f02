import EventLoop
import Foundation
import QEMU
import Testing

@Suite("The qtest connection, against a scripted peer") struct QTestConnectionTests {
  private struct Change: Equatable {
    let line: Int
    let asserted: Bool
    init(_ line: Int, _ asserted: Bool) { (self.line, self.asserted) = (line, asserted) }
  }

  /// A client of `peer` for `body`.
  private func connect(
    to peer: ScriptedPeer, limit: TimeSpan = .seconds(20),
    _ body: @escaping @Sendable (QTestConnection, EpollLoop) async throws -> Void
  ) throws {
    try onLoop { loop in
      let connection = try QTestConnection(descriptor: peer.descriptor, on: loop, limit: limit)
      try await body(connection, loop)
      connection.close()
      peer.finish()
    }
  }

  @Test("a command returns what stands behind OK, a reading one its number")
  func replies() throws {
    try connect(to: ScriptedPeer(answers: ["OK\n", "OK little\r\n", "OK 0x00000000deadbeef\n"])) { qtest, _ in
      let texts = [try qtest.command("outl 0xcf8 0x0"), try qtest.command("endianness")]
      #expect(texts == ["", "little"])
      let number = try qtest.read("readl 0xe0000000")
      #expect(number == 0xDEAD_BEEF)
      #expect(qtest.counters.commands == 3)
    }
  }

  @Test("commands go out a line each, in order, posted ones too")
  func order() throws {
    let peer = ScriptedPeer { peer in
      let first = [peer.readLine(), peer.readLine(), peer.readLine()]
      peer.write("OK\nOK\n")
      peer.write("OK \(first.compactMap { $0 }.joined(separator: ","))\n")
    }
    try connect(to: peer) { qtest, _ in
      try qtest.post("a 1")
      try qtest.post("b")
      #expect(try qtest.command("c") == "a 1,b,c")
      #expect(qtest.counters.posted == 2)
    }
  }

  @Test("a refusal says what was refused, and the connection goes on")
  func refusal() throws {
    try connect(to: ScriptedPeer(answers: ["FAIL Unknown command 'x'\n", "FAIL\n", "OK\n"])) { qtest, _ in
      #expect(throws: QEMUError.refused(command: "x", reply: "Unknown command 'x'")) { try qtest.command("x") }
      try qtest.post("y")
      try qtest.settle()
      #expect(qtest.counters.refused == 2)
      #expect(try qtest.command("z") == "")
      #expect(qtest.failure == nil)
    }
  }

  @Test("interrupt lines between, before and in pieces around replies are reported in order and lost never")
  func interrupts() throws {
    let peer = ScriptedPeer { peer in
      _ = peer.readLine()
      peer.write("IRQ raise 11\nIRQ lower 11\nOK 0x1\nIRQ ra")
      _ = peer.readLine()
      peer.write("ise 5\nOK 0x2\nIRQ raise 10\n")
      // The client reads no more; the loop finds it.
      _ = peer.readLine()
    }
    try connect(to: peer) { qtest, loop in
      var changes: [Change] = []
      qtest.onInterrupt = { changes.append(Change($0, $1)) }
      #expect(try qtest.read("a") == 1)
      #expect(changes == [Change(11, true), Change(11, false)])
      #expect(try qtest.read("b") == 2)
      #expect(changes.contains(Change(5, true)))
      try await expectEventually(on: loop) { changes.count == 4 }
      #expect(changes.last == Change(10, true))
      #expect(qtest.counters.interruptChanges == 4)
      qtest.close()
    }
  }

  @Test(
    "what is not of the protocol ends the connection with that line",
    arguments: [
      "what?", "", "IRQ", "IRQ raise", "IRQ raise x", "IRQ raise -1", "IRQ raise +1", "IRQ raise 1024",
      "IRQ raise 99999999999999999999", "IRQ toggle 1", "IRQ raise 1 2", "OKAY", "ok", "\u{0}", "IRQ  raise 1",
    ])
  func nonsense(_ line: String) throws {
    try connect(to: ScriptedPeer(answers: [line + "\n"])) { qtest, loop in
      var told: QEMUError?
      qtest.onFailure = { told = $0 }
      var caught: QEMUError?
      do throws(QEMUError) { try qtest.command("a") } catch { caught = error }
      let error = try #require(caught)
      guard case .malformed = error else {
        Issue.record("\(error)")
        return
      }
      #expect(qtest.failure == error)
      #expect(throws: error) { try qtest.command("b") }
      #expect(throws: error) { try qtest.post("b") }
      #expect(throws: error) { try qtest.settle() }
      #expect(told == nil, "never from inside a command")
      try await expectEventually(on: loop) { told == error }
    }
  }

  @Test(
    "a reading command that gets no number ends the connection",
    arguments: ["", "1", "0x", "0x+1", "0xg", "0x11112222333344445"])
  func noNumber(_ reply: String) throws {
    try connect(to: ScriptedPeer(answers: ["OK \(reply)\n"])) { qtest, _ in
      #expect(throws: QEMUError.malformed(line: "OK \(reply)")) { try qtest.read("readl 0x0") }
      #expect(qtest.failure != nil)
    }
  }

  @Test("a reply to no command ends the connection")
  func unasked() throws {
    let peer = ScriptedPeer {
      $0.write("OK\n")
      _ = $0.readLine()
    }
    try connect(to: peer) { qtest, loop in
      try await expectEventually(on: loop) { qtest.failure == .malformed(line: "a reply to no command") }
    }
  }

  @Test("a line without end is cut off, not collected")
  func endless() throws {
    let peer = ScriptedPeer { peer in while peer.write(String(repeating: "x", count: 1000)) {} }
    try connect(to: peer) { qtest, _ in
      #expect(throws: QEMUError.malformed(line: String(repeating: "x", count: 80))) { try qtest.command("a") }
    }
  }

  @Test("a peer that only tells of interrupts does not hold up a command beyond its time")
  func flood() throws {
    let peer = ScriptedPeer { peer in while peer.write("IRQ raise 3\nIRQ lower 3\n") {} }
    try connect(to: peer, limit: .milliseconds(100)) { qtest, _ in
      #expect(throws: QEMUError.timedOut(what: "QEMU's reply", limit: .milliseconds(100))) { try qtest.command("a") }
    }
  }

  @Test("a peer that neither reads nor writes ends in time, however much was posted")
  func silence() throws {
    let gone = DispatchSemaphore(value: 0)
    let peer = ScriptedPeer { _ in gone.wait() }
    try onLoop { loop in
      let qtest = try QTestConnection(descriptor: peer.descriptor, on: loop, limit: .milliseconds(50))
      #expect(throws: QEMUError.timedOut(what: "QEMU's reply", limit: .milliseconds(50))) {
        for _ in 0..<1000 { try qtest.post(String(repeating: "y", count: 60_000)) }
      }
    }
    gone.signal()
    peer.finish()
  }

  @Test("a peer that closes at any byte of its answers is told of as gone", arguments: 0..<33)
  func death(_ byteCount: Int) throws {
    let answers = "OK\nIRQ raise 11\nOK 0x00000001\nOK "
    let peer = ScriptedPeer { peer in
      for _ in 0..<3 { _ = peer.readLine() }
      peer.write(String(answers.prefix(byteCount)))
    }
    try connect(to: peer) { qtest, loop in
      var told: QEMUError?
      qtest.onFailure = { told = $0 }
      var values: [UInt64] = []
      #expect(throws: QEMUError.disconnected) {
        try qtest.post("a")
        try qtest.post("b")
        values.append(try qtest.read("c"))
      }
      #expect(values.isEmpty)
      #expect(throws: QEMUError.disconnected) { try qtest.command("d") }
      try await expectEventually(on: loop) { told == .disconnected }
    }
  }

  @Test("closing by oneself calls nobody")
  func closing() throws {
    let peer = ScriptedPeer { _ = $0.readLine() }
    try connect(to: peer) { qtest, loop in
      var calls = 0
      qtest.onFailure = { _ in calls += 1 }
      qtest.close()
      try await loop.sleep(for: .milliseconds(5))
      #expect(calls == 0)
      #expect(qtest.failure == .disconnected)
    }
  }
}
