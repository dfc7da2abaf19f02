import Bench
import Foundation
import Testing

extension RealThings {
  @Suite("What fetch can do") struct FetchTests {
    /// Runs `body` with an embedded origin's base URL and an empty folder.
    private func withOrigin(_ body: (String, TemporaryFolder) async throws -> Void) async throws {
      let origin = try await OriginServer.start()
      let folder = try TemporaryFolder()
      let result: Result<Void, any Error>
      do { result = .success(try await body("http://10.0.2.2:\(origin.port)", folder)) } catch {
        result = .failure(error)
      }
      await origin.stop()
      try result.get()
    }

    private func bytes(_ content: OriginContent) throws -> Data {
      let folder = try TemporaryFolder()
      try folder.write(content, to: "file")
      return try folder.contents("file")
    }

    @Test("redirects lead to the body, which is saved under the last component of the URL asked for")
    func redirects() async throws {
      let content = OriginContent(byteCount: 70000)
      try await withOrigin { base, folder in
        let outcome = try await WorkbenchProgram.succeed(["fetch", base + "/redirect/3/70000", "--json"], in: folder)
        let result = try WorkbenchProgram.object(outcome)
        #expect(result["redirects"] as? Int == 3)
        #expect(result["url"] as? String == base + "/bytes/70000")
        #expect(try folder.contents("70000") == bytes(content))
      }
    }

    @Test("a chunked body arrives identical")
    func chunked() async throws {
      let content = OriginContent(byteCount: 1_000_000)
      try await withOrigin { base, folder in
        let arguments = ["fetch", base + "/chunked/1000000", "-O", "file", "--sha256", content.digest.uppercased()]
        _ = try await WorkbenchProgram.succeed(arguments, in: folder)
        #expect(try folder.contents("file") == bytes(content))
      }
    }

    @Test("a body that the end of the connection delimits arrives, from a server that speaks HTTP/1.0")
    func delimitedByClose() async throws {
      let service = try LoopbackService { connection in
        _ = connection.readHead()
        connection.write("HTTP/1.0 200 OK\r\n\r\nhello")
      }
      defer { service.stop() }
      #expect(try await WorkbenchProgram.succeed(["fetch", service.url(), "-O", "-"]).output == "hello")
    }

    @Test(
      "what follows a body of known length is no part of it, wherever the pieces are cut", arguments: [1, 3, 4, 7, 64])
    func bytesBehindTheBody(piece: Int) async throws {
      let service = try LoopbackService { connection in
        _ = connection.readHead()
        let answer = Array("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789HTTP/1.1 and more".utf8)
        var sent = answer.count - 30
        connection.write(Array(answer[..<sent]))
        while sent < answer.count {
          connection.write(Array(answer[sent..<min(sent + piece, answer.count)]))
          sent += piece
        }
        connection.waitForClose()
      }
      defer { service.stop() }
      #expect(try await WorkbenchProgram.succeed(["fetch", service.url(), "-O", "-"]).output == "0123456789")
    }

    @Test("-O - writes the body and nothing else to standard output")
    func standardOutput() async throws {
      let content = OriginContent(byteCount: 300_000)
      try await withOrigin { base, folder in
        let program = try WorkbenchProgram.start(["fetch", base + "/bytes/300000", "-O", "-"], in: folder)
        let outcome = try await program.end(limit: 30)
        #expect(outcome.code == 0)
        #expect(program.outputBytes == (try bytes(content)))
        #expect(outcome.diagnostics.count == 1)
        #expect(outcome.diagnostics.first?.contains("300000 bytes in") == true)
        #expect(folder.entries == [])
      }
    }

    @Test("--continue fetches only what a half file lacks", arguments: WebServer.Kind.allCases)
    func continuesHalf(_ kind: WebServer.Kind) async throws {
      let content = OriginContent(byteCount: 1_000_000, seed: 3)
      let served = try TemporaryFolder()
      let folder = try TemporaryFolder()
      try served.write(content, to: "file")
      try folder.write(content, to: "file", count: 400_000)
      let server = try await WebServer.start(kind, serving: served)
      let arguments = ["fetch", server.url("file"), "--continue"]
      if kind == .python {
        // http.server sends no ranges: the half file must not be touched.
        try await WorkbenchProgram.fail(arguments, code: 1, "cannot continue", in: folder)
        #expect(folder.size("file") == 400_000)
      } else {
        let outcome = try await WorkbenchProgram.succeed(
          arguments + ["--json", "--sha256", content.digest], in: folder)
        let result = try WorkbenchProgram.object(outcome)
        #expect(result["bytes"] as? Int == 600_000)
        #expect(result["totalBytes"] as? Int == 1_000_000)
        #expect(try folder.contents("file") == served.contents("file"))
      }
    }

    @Test("--continue of a complete file fetches nothing and succeeds; without a file it fetches all")
    func continuesComplete() async throws {
      let content = OriginContent(byteCount: 100_000, seed: 4)
      let served = try TemporaryFolder()
      let folder = try TemporaryFolder()
      try served.write(content, to: "file")
      let server = try await WebServer.start(.nginx, serving: served)
      for expected in [100_000, 0] {
        let arguments = ["fetch", server.url("file"), "--continue", "--json", "--sha256", content.digest]
        let result = try WorkbenchProgram.object(try await WorkbenchProgram.succeed(arguments, in: folder))
        #expect(result["bytes"] as? Int == expected)
        #expect(try folder.contents("file") == served.contents("file"))
      }
    }

    @Test("--header, --method and --body are what the server gets")
    func request() async throws {
      let service = try LoopbackService { connection in
        let head = connection.readHead()
        connection.write("HTTP/1.1 200 OK\r\nContent-Length: \(head.utf8.count)\r\n\r\n\(head)")
      }
      defer { service.stop() }
      let outcome = try await WorkbenchProgram.succeed([
        "fetch", service.url("a%20b?c=d#part"), "-O", "-", "--header", "X-One: 1", "-H", "User-Agent: test", "--method",
        "put",
        "--body", "hello",
      ])
      let lines = outcome.output.replacingOccurrences(of: "\r", with: "").split(separator: "\n").map(String.init)
      #expect(lines.first == "PUT /a%20b?c=d HTTP/1.1")
      for line in ["Host: 10.0.2.2:\(service.port)", "X-One: 1", "User-Agent: test", "Content-Length: 5"] {
        #expect(lines.contains(line), "\(lines)")
      }
      #expect(lines.count { $0.hasPrefix("User-Agent:") } == 1)
    }

    @Test("a large body is sent whole, and comes back identical")
    func body() async throws {
      let content = OriginContent(byteCount: 3_000_000, seed: 5)
      try await withOrigin { base, folder in
        try folder.write(content, to: "body")
        let arguments = ["fetch", base + "/echo", "--body", "@body", "-O", "echo", "--sha256", content.digest]
        _ = try await WorkbenchProgram.succeed(arguments, in: folder)
        #expect(try folder.contents("echo") == folder.contents("body"))
      }
    }

    @Test("HEAD brings no body")
    func head() async throws {
      try await withOrigin { base, folder in
        let arguments = ["fetch", base + "/bytes/5000", "--method", "HEAD", "--json"]
        let result = try WorkbenchProgram.object(try await WorkbenchProgram.succeed(arguments, in: folder))
        #expect(result["status"] as? Int == 200)
        #expect(result["bytes"] as? Int == 0)
      }
    }

    @Test("--retries overcomes a server that fails at first, and no more often than allowed")
    func retries() async throws {
      let content = OriginContent(byteCount: 1000)
      try await withOrigin { base, folder in
        try await WorkbenchProgram.fail(
          ["fetch", base + "/flaky/2/1000", "--retries", "1"], code: 1, "503", in: folder)
        let arguments = ["fetch", base + "/flaky/3/1000", "--retries", "3", "--json", "--sha256", content.digest]
        let result = try WorkbenchProgram.object(try await WorkbenchProgram.succeed(arguments, in: folder))
        #expect(result["attempts"] as? Int == 4)
      }
    }

    @Test("a retry goes on where the connection broke off")
    func retryContinues() async throws {
      // Half of the body at the first request, the rest to the one that asks for it.
      let service = try LoopbackService { connection in
        let head = connection.readHead()
        if head.contains("Range: bytes=5-") {
          connection.write(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n\r\n56789")
        } else {
          connection.write("HTTP/1.1 200 OK\r\nETag: \"x\"\r\nContent-Length: 10\r\n\r\n01234")
        }
      }
      defer { service.stop() }
      let folder = try TemporaryFolder()
      let outcome = try await WorkbenchProgram.succeed(
        ["fetch", service.url(), "-O", "file", "--retries", "2", "--json"], in: folder)
      #expect(try WorkbenchProgram.object(outcome)["attempts"] as? Int == 2)
      #expect(try folder.contents("file") == Data("0123456789".utf8))
    }

    @Test("a wrong SHA-256 is a failure that shows both")
    func digestMismatch() async throws {
      try await withOrigin { base, folder in
        let wrong = String(repeating: "0", count: 64)
        try await WorkbenchProgram.fail(
          ["fetch", base + "/bytes/1000", "--sha256", wrong], code: 1,
          "SHA-256 is \(OriginContent(byteCount: 1000).digest), expected \(wrong); kept as 1000", in: folder)
      }
    }

    @Test("the last line tells bytes, time, rate and retransmissions; --json the same with names")
    func summary() async throws {
      try await withOrigin { base, folder in
        let url = base + "/bytes/123456"
        let text = try await WorkbenchProgram.succeed(["fetch", url], in: folder)
        let line = try #require(text.output.split(separator: "\n").last)
        let pattern = /^http:\S+: 200, 123456 bytes in [0-9.]+ s, [0-9.]+ [kM]B\/s, 0 retransmissions -> 123456$/
        #expect(line.firstMatch(of: pattern) != nil, "\(line)")
        #expect(text.diagnostics.isEmpty)
        let result = try WorkbenchProgram.object(
          try await WorkbenchProgram.succeed(["fetch", url, "--json"], in: folder))
        #expect(result["url"] as? String == url)
        #expect(result["output"] as? String == "123456.1" && folder.entries == ["123456", "123456.1"])
        #expect(result["status"] as? Int == 200)
        #expect(result["bytes"] as? Int == 123456)
        #expect(result["totalBytes"] as? Int == 123456)
        #expect(result["attempts"] as? Int == 1)
        #expect(result["redirects"] as? Int == 0)
        #expect(result["retransmissions"] as? Int == 0)
        #expect(result["verified"] as? Bool == false)
        let seconds = try #require(result["seconds"] as? Double)
        let rate = try #require(result["bytesPerSecond"] as? Double)
        #expect(seconds > 0 && abs(rate * seconds - 123456) < 1)
      }
    }

    @Test("an empty body makes an empty file")
    func empty() async throws {
      try await withOrigin { base, folder in
        _ = try await WorkbenchProgram.succeed(["fetch", base + "/bytes/0", "-O", "file"], in: folder)
        #expect(folder.entries == ["file"] && folder.size("file") == 0)
      }
    }

    @Test("without a URL the embedded origin is fetched from and checked, and every layer's counters shown")
    func embeddedOrigin() async throws {
      let outcome = try await WorkbenchProgram.succeed(["fetch", "--size", "4MiB"])
      #expect(outcome.output.contains("4194304 bytes in") && outcome.output.contains("SHA-256 verified"))
      for layer in [
        "system calls", "tcp", "ip", "interface", "driver e1000", "interrupts", "model 82540EM", "wire: slirp",
      ] {
        #expect(outcome.output.contains("\n\(layer) ") || outcome.output.hasPrefix(layer), "\(layer)")
      }
    }
  }
}
