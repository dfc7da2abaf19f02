import Foundation
import Glibc
import Testing

extension RealThings {
  @Suite("An interrupted fetch") struct InterruptionTests {
    /// A server that sends the head and 64 KiB of a long body and then nothing.
    private func slowServer() throws -> LoopbackService {
      try LoopbackService { connection in
        _ = connection.readHead()
        connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
        connection.write([UInt8](repeating: 0x55, count: 65536))
        connection.waitForClose()
      }
    }

    @Test(
      "ends at once with one line, a shell's code for the signal, a complete capture, and leaves nothing behind",
      arguments: [SIGINT, SIGTERM])
    func midBody(_ signal: Int32) async throws {
      let service = try slowServer()
      defer { service.stop() }
      let folder = try TemporaryFolder()
      let scratch = try TemporaryFolder()
      let program = try WorkbenchProgram.start(
        ["fetch", service.url(), "-O", "part", "--capture", "frames.pcapng"], in: folder,
        environment: ["TMPDIR": scratch.path])
      let hasBegun = try await onThread { waitUntil { folder.size("part") == 65536 } }
      try #require(hasBegun)
      program.send(signal)
      let outcome = try await program.end(limit: 5)
      #expect(outcome.code == 128 + signal)
      #expect(outcome.output == "")
      #expect(outcome.diagnostics == ["workbench: interrupted"])
      #expect(!program.hasGroup)
      #expect(folder.entries == ["frames.pcapng", "part"])
      #expect(scratch.entries == [])
      #expect(folder.size("part") == 65536)
      try await Tshark.expectClean(folder.file("frames.pcapng"), least: 50)
    }

    @Test("ends at once too while it connects, or waits between attempts")
    func whileWaiting() async throws {
      let origin = try LoopbackService { connection in
        _ = connection.readHead()
        connection.write("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
      }
      defer { origin.stop() }
      for arguments in [["fetch", "http://10.0.2.77/"], ["fetch", origin.url(), "--retries", "20"]] {
        let program = try WorkbenchProgram.start(arguments + ["--verbose"])
        let word = arguments.count == 2 ? "connect" : "ESTABLISHED"
        let hasBegun = try await onThread {
          waitUntil { program.diagnostics.contains { $0.contains(word) } || program.diagnostics.count > 300 }
        }
        try #require(hasBegun, "\(program.diagnostics.suffix(3))")
        program.send(SIGINT)
        let outcome = try await program.end(limit: 5)
        #expect(outcome.code == 130)
        #expect(outcome.diagnostics.last == "workbench: interrupted")
      }
    }
  }
}
