import Bench
import Foundation
import Testing
import Wires

extension RealThings {
  @Suite("Files that a command reads and writes") struct FileTests {
    /// Runs `workbench` by a shell in `folder`: `$W` is the program, `$U` the URL of a file of 1000 bytes.
    private func shell(_ line: String, in folder: TemporaryFolder) async throws -> ChildProcess.Outcome {
      let origin = try await OriginServer.start()
      let variables = ["W": WorkbenchProgram.path, "U": "http://10.0.2.2:\(origin.port)/bytes/1000"]
      let outcome = try await ChildProcess("/bin/bash", ["-c", line], in: folder.path, environment: variables)
        .end(limit: 30)
      await origin.stop()
      return outcome
    }

    @Test(
      "a result that does not arrive is no success",
      arguments: [
        "fetch --size 10kB", "fetch $U", "fetch $U --json", "lspci", "registers --reference", "--help",
        "resolve localhost", "ping 10.0.2.2 -c 1000 -i 0.01",
      ])
    func fullOutput(_ command: String) async throws {
      let outcome = try await shell("exec $W \(command) >/dev/full", in: TemporaryFolder())
      #expect(outcome.code == 1)
      let message = "workbench: standard output: cannot be written: No space left on device"
      #expect(outcome.diagnostics.count == 1 && outcome.diagnostics[0].hasPrefix(message), "\(outcome.diagnostics)")
    }

    @Test("a reader that has seen enough ends the command by SIGPIPE, without a word")
    func brokenPipe() async throws {
      // Whoever runs the tests may ignore the signal.
      let outcome = try await shell(
        "env --default-signal=PIPE $W registers --reference | true; echo ${PIPESTATUS[0]}", in: TemporaryFolder())
      #expect(["141\n", "0\n"].contains(outcome.output) && outcome.diagnostics == [], "\(outcome.output)")
    }

    @Test("a capture that fails at its end is no success with a report", arguments: ["fetch $U --json", "fetch $U"])
    func fullCapture(_ command: String) async throws {
      let outcome = try await shell("exec $W \(command) -O f --capture /dev/full", in: TemporaryFolder())
      let message = "capture /dev/full: cannot be written: No space left on device"
      #expect(outcome.code == 1 && outcome.diagnostics.first?.contains(message) == true, "\(outcome.diagnostics)")
      #expect(!outcome.output.contains("1000"))
    }

    @Test(
      "pipes are read like files, once and to their end",
      arguments: [
        "$W scenario <(cat s.yaml)", "cat s.yaml | $W scenario /dev/stdin",
        "$W fetch ${U%bytes/1000}echo --body @<(printf hello) -O -",
      ])
    func pipes(_ line: String) async throws {
      let folder = try TemporaryFolder()
      try folder.write("fetches: [{size: 1kB}]", to: "s.yaml")
      let outcome = try await shell(line, in: folder)
      #expect(outcome.code == 0, "\(outcome.diagnostics)")
      #expect(outcome.output == "hello" || outcome.output.contains("went as expected"))
    }

    @Test(
      "one file for two things is bad usage, whatever it is called",
      arguments: [
        "-O f --capture f", "-O ./f --capture f", "-O g --capture h", "-O f --machine f", "--capture out >out",
      ])
    func sameFile(_ options: String) async throws {
      let folder = try TemporaryFolder()
      let outcome = try await shell("touch g; ln g h; exec $W fetch $U \(options)", in: folder)
      #expect(outcome.code == 2 && outcome.diagnostics.first?.contains("the same file as that of") == true)
    }

    @Test(
      "a failure tells path, reason and remedy, each once",
      arguments: [
        (
          "ping 10.0.2.2 --capture /nonexistent/a",
          "--capture /nonexistent/a: cannot be written: No such file or "
            + "directory; there is no folder /nonexistent: create it, or name another place"
        ),
        ("ping 10.0.2.2 --machine /nonexistent/a", "--machine /nonexistent/a: cannot be written"),
        ("fetch $U -O /nonexistent/a", "--output /nonexistent/a: cannot be written"),
        ("lspci --of /nonexistent", "--of /nonexistent: No such file or directory; name a running bench's process id"),
        ("ping 10.0.2.2 --attach vfio-user:/nonexistent", "vfio-user: cannot connect to /nonexistent: No such file or"),
        ("device --socket s --rom /nonexistent", "--rom /nonexistent: cannot be read: No such file or directory; name"),
        ("replay .", ".: cannot be read: Is a directory; name the files in it: ./*.pcap*"),
      ])
    func failures(_ command: String, _ message: String) async throws {
      let outcome = try await shell("exec $W \(command)", in: TemporaryFolder())
      #expect(outcome.code == 1 || outcome.code == 66)
      #expect(
        outcome.diagnostics.count == 1 && outcome.diagnostics[0].hasPrefix("workbench: " + message),
        "\(outcome.diagnostics)")
    }

    @Test("a file that is there is not overwritten unless -O names it")
    func numbered() async throws {
      let folder = try TemporaryFolder()
      try folder.write("mine", to: "1000")
      let outcome = try await shell("$W fetch $U && $W fetch $U && $W fetch $U -O 1000.1", in: folder)
      #expect(folder.entries == ["1000", "1000.1", "1000.2"] && folder.size("1000") == 4)
      #expect(
        outcome.output.split(separator: "\n").map { $0.split(separator: " ").last } == ["1000.1", "1000.2", "1000.1"])
    }

    @Test("--continue tells a complete file from one that is too long")
    func continued() async throws {
      let served = try TemporaryFolder()
      let folder = try TemporaryFolder()
      let content = OriginContent(byteCount: 12_000)
      try served.write(content, to: "f")
      try folder.write(content, to: "f")
      let server = try await WebServer.start(.nginx, serving: served)
      let complete = try await WorkbenchProgram.succeed(["fetch", server.url("f"), "--continue"], in: folder)
      #expect(complete.output.hasSuffix("f is complete already (12000 bytes)\n"), "\(complete.output)")
      try folder.write(OriginContent(byteCount: 24_000), to: "f")
      try await WorkbenchProgram.fail(
        ["fetch", server.url("f"), "--continue"], code: 1,
        "f has 24000 bytes, the server's file 12000; remove it or leave out --continue", in: folder)
    }

    @Test("with -O - the document of --json is all of standard error")
    func documentBesideBody() async throws {
      let outcome = try await shell("$W fetch ${U%1000}5 -O - --json | wc -c", in: TemporaryFolder())
      let text = Data(outcome.diagnostics.joined().utf8)
      let document = try #require(try JSONSerialization.jsonObject(with: text) as? [String: Any])
      #expect(document["bytes"] as? Int == 5 && document["output"] as? String == "-" && outcome.output == "5\n")
    }

    @Test("a wait for a reader or a peer says what for")
    func waits() async throws {
      let folder = try TemporaryFolder()
      mkfifo(folder.file("cap.fifo"), 0o600)
      let cases = [
        (["--capture", "cap.fifo"], "workbench: waiting for a reader of cap.fifo"),
        (
          ["--wire", "stream:unix:/nonexistent"],
          "workbench: waiting for stream:unix:/nonexistent (No such file or directory), 60 s at most"
        ),
      ]
      for (options, message) in cases {
        let program = try WorkbenchProgram.start(["ping", "10.0.2.2"] + options, in: folder)
        defer { program.terminate() }
        #expect(try await onThread { waitUntil { program.diagnostics == [message] } }, "\(program.diagnostics)")
      }
    }

    @Test("a peer that does not come is named in the end, with what to try")
    func noPeer() async throws {
      var options = BenchOptions()
      options.cable.end = .socket(try WireAddress("stream:unix:/nonexistent"))
      options.peerPatience = .milliseconds(50)
      let start = options
      try await onThread {
        let bench = try Bench(start)
        let error = #expect(throws: BenchError.self) {
          try bench.loop.run {
            do { try await bench.start() } catch {
              try await bench.stop()
              throw error
            }
          }
        }
        #expect(
          error?.description == "stream:unix:/nonexistent: nobody came within 0 s (No such file or directory); "
            + "start what listens there, or check --wire")
      }
    }
  }
}
