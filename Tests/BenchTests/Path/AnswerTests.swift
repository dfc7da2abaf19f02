import Bench
import Foundation
import Testing

extension RealThings {
  @Suite("Answers that do not fit") struct AnswerTests {
    /// Fetches from a server that answers every request with `answer`, and expects a failure.
    private func fail(_ answer: String, _ options: [String] = [], _ message: String) async throws {
      let service = try LoopbackService { connection in
        _ = connection.readHead()
        connection.write(answer)
      }
      defer { service.stop() }
      let folder = try TemporaryFolder()
      try await WorkbenchProgram.fail(["fetch", service.url()] + options, code: 1, message, in: folder)
    }

    @Test("a part that nobody asked for is no whole file, and is not blamed on --continue")
    func unaskedPart() async throws {
      try await fail(
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n\r\n56789", [],
        "sent a part of the file (range \"bytes 5-9/10\") that was not asked for")
    }

    @Test(
      "a part must be as long as its Content-Range says",
      arguments: [
        ("Content-Range: bytes 0-9/10\r\nContent-Length: 5", "does not fit Content-Length 5"),
        ("Content-Range: bytes 0-9/10\r\nConnection: close", "the body has 5 bytes, Content-Range says 10"),
        ("Content-Range: bytes 9-0/10\r\nContent-Length: 5", "is no range of bytes"),
        ("Content-Range: bytes 0-4/3\r\nContent-Length: 5", "is no range of bytes"),
        ("Content-Range: lines 0-4/5\r\nContent-Length: 5", "is no range of bytes"),
      ])
    func partOfWrongLength(_ fields: String, _ message: String) async throws {
      try await fail(
        "HTTP/1.1 206 Partial Content\r\n\(fields)\r\n\r\n01234", ["--header", "Range: bytes=0-9"], message)
    }

    @Test("a range of the caller's own is what it wants, and once, also after another attempt")
    func ownRange() async throws {
      let attempts = Attempts()
      let service = try LoopbackService { connection in
        _ = connection.readHead()
        let body = attempts.next() == 1 ? "01" : "01234"
        connection.write(
          "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-4/10\r\nContent-Length: 5\r\n\r\n\(body)")
      }
      defer { service.stop() }
      let folder = try TemporaryFolder()
      _ = try await WorkbenchProgram.succeed(
        ["fetch", service.url(), "-H", "Range: bytes=0-4", "--retries", "1", "-O", "part"], in: folder)
      #expect(try folder.contents("part") == Data("01234".utf8))
    }

    @Test("a redirect that does not say where to is a failure")
    func redirectToNowhere() async throws {
      try await fail(
        "HTTP/1.1 302 Found\r\nContent-Length: 5\r\n\r\nhello", [],
        "/file, but does not say where to (no Location header)")
    }

    @Test("a redirect to what cannot be fetched is named as one", arguments: ["https://10.0.2.2/x", "ftp://10.0.2.2/"])
    func badRedirect(_ location: String) async throws {
      try await fail(
        "HTTP/1.1 301 Moved\r\nLocation: \(location)\r\nContent-Length: 0\r\n\r\n", [],
        "a redirect leads to \"\(location)\", which cannot be fetched: scheme")
    }

    @Test("after another attempt what is told counts all bytes that are in place")
    func countsAllAttempts() async throws {
      let attempts = Attempts()
      let service = try LoopbackService { connection in
        _ = connection.readHead()
        if attempts.next() == 1 {
          connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + String(repeating: "x", count: 5000))
        } else {
          connection.write(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5000-99999/100000\r\nContent-Length: 95000\r\n\r\n")
        }
      }
      defer { service.stop() }
      let folder = try TemporaryFolder()
      try await WorkbenchProgram.fail(
        ["fetch", service.url(), "--retries", "1", "-O", "part"], code: 1,
        "closed the connection after 5000 of 100000 bytes", in: folder)
      #expect(folder.size("part") == 5000)
    }

    @Test("IPv6 addresses are refused as what they are", arguments: ["fetch http://[::1]/", "ping ::1"])
    func noIPv6(_ command: String) async throws {
      try await WorkbenchProgram.fail(
        command.split(separator: " ").map(String.init), code: 1, "cannot connect to ::1: IPv6 is not supported yet")
    }

    @Test("--connect-timeout is for all addresses of a name together, and the failure says how many there were")
    func connectTimeout() async throws {
      let names = try NameServer(["many.example.test": .addresses((100..<108).map { [10, 0, 2, $0] })])
      defer { names.stop() }
      let start = ContinuousClock.now
      try await WorkbenchProgram.fail(
        ["fetch", "http://many.example.test/", "--connect-timeout", "1"] + names.option, code: 1,
        " s can be reached; the last: no answer from 10.0.2.10")
      #expect(ContinuousClock.now - start < .seconds(5))
    }
  }
}
