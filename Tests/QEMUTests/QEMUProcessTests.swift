import EventLoop
import Foundation
import Glibc
import QEMU
import Testing

@Suite("A program beside us") struct QEMUProcessTests {
  private func shell(
    _ script: String, streams: QEMUProcess.Streams = .captured, passing descriptors: [Int32] = [],
    on loop: EpollLoop
  ) throws -> QEMUProcess {
    try QEMUProcess("/bin/sh", ["-c", script], streams: streams, passing: descriptors, on: loop)
  }

  @Test("its end and what it wrote are noticed on the loop")
  func end() throws {
    try onLoop { loop in
      let process = try shell("echo out; echo err >&2; exit 7", on: loop)
      var told: [QEMUProcess.Outcome] = []
      process.onEnd = { told.append($0) }
      #expect(process.outcome == nil)
      let outcome = await process.waitForEnd()
      #expect(outcome == .exited(7))
      #expect(told == [.exited(7)])
      #expect(process.output?.text == "out\n")
      #expect(process.diagnostics?.lastLines(3) == ["err"])
      // Nothing happens, and nobody else is hit.
      process.send(SIGKILL)
      await process.end()
      #expect(process.endNow() == .exited(7))
      #expect(told.count == 1)
    }
  }

  @Test("it is ended by SIGTERM, and by SIGKILL if it does not heed that", arguments: [true, false])
  func termination(_ heeds: Bool) throws {
    try onLoop { loop in
      let trap = heeds ? "trap 'exit 5' TERM" : "trap '' TERM"
      let process = try shell("\(trap); echo ready; while :; do sleep 1000 & wait; done", on: loop)
      try await expectEventually(on: loop) { process.output?.text == "ready\n" }
      let outcome = await process.end(within: heeds ? .seconds(20) : .milliseconds(20))
      #expect(outcome == (heeds ? .exited(5) : .killed(signal: SIGKILL)))
    }
  }

  @Test("a cancelled task ends it in order too")
  func cancelled() throws {
    try onLoop { loop in
      let process = try shell("trap 'exit 5' TERM; echo ready; while :; do sleep 1000 & wait; done", on: loop)
      try await expectEventually(on: loop) { process.output?.text == "ready\n" }
      let task = loop.spawn { () async -> QEMUProcess.Outcome? in
        let waited = await process.waitForEnd()
        #expect(waited == nil)
        return await process.end(within: .seconds(20))
      }
      try await loop.sleep(for: .milliseconds(1))
      task.cancel()
      #expect(await task.value == .exited(5))
    }
  }

  @Test("waiting ends at the deadline")
  func deadline() throws {
    try onLoop { loop in
      let process = try shell("sleep 1000", on: loop)
      let outcome = await process.waitForEnd(until: loop.now + .milliseconds(5))
      #expect(outcome == nil)
      #expect(process.endNow(within: .seconds(20)) == .killed(signal: SIGTERM))
    }
  }

  @Test("it has the descriptors that it was given, in order, and no others")
  func descriptors() throws {
    try onLoop { loop in
      var ends: [Int32] = [0, 0]
      #expect(pipe(&ends) == 0)
      defer { for end in ends { close(end) } }
      // A leak that is not close-on-exec.
      let leak = open("/dev/null", O_RDONLY)
      defer { close(leak) }
      let process = try shell(
        "echo hello >&4; for f in /proc/self/fd/*; do if [ -e $f ]; then echo ${f##*/}; fi; done",
        passing: [ends[0], ends[1]],
        on: loop)
      #expect(await process.waitForEnd() == .exited(0))
      var bytes = [UInt8](repeating: 0, count: 16)
      #expect(read(ends[0], &bytes, 16) == 6)
      #expect(process.output?.text == "0\n1\n2\n3\n4\n")
    }
  }

  @Test("what is written to it arrives, and writing to one that is gone is no signal")
  func input() throws {
    try onLoop { loop in
      let process = try shell("read line; echo got $line", streams: .piped, on: loop)
      #expect(process.write(Array("one\n".utf8)) == 4)
      #expect(await process.waitForEnd() == .exited(0))
      #expect(process.output?.text == "got one\n")
      #expect(process.write([1]) == 0)
      let reader = try shell("cat; echo over", streams: .piped, on: loop)
      reader.closeInput()
      #expect(await reader.waitForEnd() == .exited(0))
      #expect(reader.output?.text == "over\n")
    }
  }

  @Test("of endless output the last part is kept")
  func flood() throws {
    try onLoop { loop in
      let process = try shell("yes | head -c 3000000; printf end", on: loop)
      #expect(await process.waitForEnd() == .exited(0))
      try await expectEventually(on: loop) { process.output?.isAtEnd == true }
      let output = try #require(process.output)
      #expect(output.byteCount == 3_000_003)
      #expect(output.text.utf8.count == ChildOutput.limit)
      #expect(output.text.hasSuffix("y\nend"))
    }
  }

  @Test("it is killed with the last reference")
  func dropped() throws {
    try onLoop { loop in
      var pid: pid_t = 0
      do { pid = try shell("trap '' TERM; sleep 1000; sleep 1000", on: loop).processIdentifier }
      #expect(!isAlive(pid))
    }
  }

  @Test("it is killed when the thread that started it ends, whatever becomes of us")
  func parentDeath() throws {
    try onLoop { loop in
      // A loop and a process that outlive their thread.
      let (process, _) = try await withCheckedThrowingContinuation {
        (continuation: CheckedContinuation<(Unchecked<QEMUProcess>, Unchecked<EpollLoop>), any Error>) in
        Thread.detachNewThread {
          continuation.resume(
            with: Result {
              let other = try EpollLoop(seed: 1)
              let process = try QEMUProcess("/bin/sleep", ["1000"], streams: .captured, on: other)
              return (Unchecked(process), Unchecked(other))
            })
        }
      }
      try await expectEventually(on: loop) { !isAlive(process.value.processIdentifier) }
      #expect(process.value.endNow(within: .seconds(20)) == .killed(signal: SIGKILL))
    }
  }

  private struct Unchecked<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
  }

  @Test("a program that is not there is an error at once")
  func missing() throws {
    try onLoop { loop in
      #expect(throws: QEMUError.system(operation: "start", subject: "/nowhere/qemu", code: ENOENT)) {
        try QEMUProcess("/nowhere/qemu", [], streams: .captured, on: loop)
      }
      #expect(throws: QEMUError.self) { try QEMUProcess("/bin/sh", ["a\0b"], streams: .captured, on: loop) }
    }
  }

  @Test("a private folder is for this user only and goes with all that is in it")
  func folder() throws {
    var path = ""
    do {
      let folder = try PrivateFolder()
      path = folder.path
      var status = stat()
      #expect(stat(path, &status) == 0)
      #expect(status.st_mode & 0o777 == 0o700)
      try folder.write([1, 2, 3], to: "a")
      #expect(stat(folder.file("a"), &status) == 0)
      #expect(status.st_mode & 0o777 == 0o600)
      #expect(throws: QEMUError.system(operation: "create", subject: folder.file("a"), code: EEXIST)) {
        try folder.write([], to: "a")
      }
      mkdir(folder.file("b"), 0o700)
      symlink("/bin", folder.file("b/link"))
      #expect(access("/bin/sh", X_OK) == 0)
    }
    #expect(access(path, F_OK) != 0)
    #expect(access("/bin/sh", X_OK) == 0)
  }
}
