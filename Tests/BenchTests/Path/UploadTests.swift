import Bench
import Foundation
import Testing

extension RealThings {
  @Suite("Requests with a body") struct UploadTests {
    /// A folder with a file `body` of so many bytes.
    private func folder(body byteCount: Int) throws -> TemporaryFolder {
      let folder = try TemporaryFolder()
      try folder.write(OriginContent(byteCount: byteCount, seed: 7), to: "body")
      return folder
    }

    @Test("a server that does not read is given up after --timeout, with what it took")
    func silentServer() async throws {
      let service = try LoopbackService { connection in
        _ = connection.readHead()
        connection.waitForHangUp()
      }
      defer { service.stop() }
      try await WorkbenchProgram.fail(
        ["fetch", service.url(), "--body", "@body", "--timeout", "1"], code: 1,
        "the server took nothing for 1 s after ",
        in: try folder(body: 40_000_000), limit: 15)
    }

    @Test("a server that reads slowly is not given up")
    func slowServer() async throws {
      let service = try LoopbackService { connection in
        _ = connection.readHead()
        // An interim response starts no clock for the final one while the body is still being sent.
        connection.write("HTTP/1.1 100 Continue\r\n\r\n")
        connection.read(12_000_000, pausing: 10_000)
        connection.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
      }
      defer { service.stop() }
      let outcome = try await WorkbenchProgram.succeed(
        ["fetch", service.url(), "--body", "@body", "--timeout", "1", "-O", "-"], in: try folder(body: 12_000_000))
      #expect(outcome.output == "done")
    }

    @Test("an answer to an upload that the server does not read is the result, though the connection breaks behind it")
    func earlyAnswer() async throws {
      let service = try LoopbackService { connection in
        _ = connection.readHead()
        connection.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbig\n")
        // Closing with the body unread makes Linux reset the connection.
      }
      defer { service.stop() }
      let folder = try folder(body: 3_000_000)
      for _ in 0..<5 {
        try await WorkbenchProgram.fail(
          ["fetch", service.url(), "--body", "@body"], code: 1, "the server answered 413", in: folder)
      }
    }

    @Test("a server that refuses methods tells so by its status")
    func refusedMethod() async throws {
      let folder = try folder(body: 3_000_000)
      let server = try await WebServer.start(.python, serving: folder)
      try await WorkbenchProgram.fail(
        ["fetch", server.url("x"), "--method", "POST", "--body", "@body"], code: 1, "the server answered 501",
        in: folder)
    }

    @Test("with a final status that is no success the sending stops, even if the server keeps the connection")
    func stopsSending() async throws {
      let service = try LoopbackService { connection in
        _ = connection.readHead()
        connection.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        connection.waitForHangUp()
      }
      defer { service.stop() }
      try await WorkbenchProgram.fail(
        ["fetch", service.url(), "--body", "@body"], code: 1, "the server answered 403",
        in: try folder(body: 40_000_000),
        limit: 15)
    }

    @Test("a server that sends back what it reads gets all, however much is under way in both directions")
    func echoOnTheFly() async throws {
      let service = try LoopbackService { connection in
        _ = connection.readHead()
        connection.write("HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n")
        connection.echo(8_000_000)
      }
      defer { service.stop() }
      let folder = try folder(body: 8_000_000)
      _ = try await WorkbenchProgram.succeed(["fetch", service.url(), "--body", "@body", "-O", "echo"], in: folder)
      #expect(try folder.contents("echo") == folder.contents("body"))
    }
  }
}
