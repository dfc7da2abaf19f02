import Bench
import Foundation
import Testing

extension RealThings {
  @Suite("Servers that never come to the point") struct HostileServerTests {
    /// Fetches from a server that writes `begin`, and then `again` until the client goes.
    private func fetch(
      begin: String = "", again: String, every pause: UInt32 = 0, options: [String] = [], expecting message: String
    ) async throws {
      let service = try LoopbackService { connection in
        _ = connection.readHead()
        connection.write(begin)
        while !connection.isLeft {
          connection.write(again)
          if pause > 0 { usleep(pause) }
        }
      }
      defer { service.stop() }
      try await WorkbenchProgram.fail(["fetch", service.url()] + options, code: 1, message, limit: 15)
    }

    @Test("interim responses without end are not taken for progress", arguments: [0, 20_000])
    func interimResponses(pause: UInt32) async throws {
      try await fetch(
        again: "HTTP/1.1 100 Continue\r\n\r\n", every: pause, expecting: "more than 16 interim responses")
    }

    @Test("some interim responses are followed by the final one")
    func fewInterimResponses() async throws {
      let service = try LoopbackService { connection in
        _ = connection.readHead()
        for code in [100, 102, 103] { connection.write("HTTP/1.1 \(code) Wait\r\nLink: x\r\n\r\n") }
        connection.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
      }
      defer { service.stop() }
      #expect(try await WorkbenchProgram.succeed(["fetch", service.url(), "-O", "-"]).output == "hello")
    }

    @Test("a header that comes byte by byte has --timeout as a whole")
    func slowHeader() async throws {
      try await fetch(
        begin: "HTTP/1.1 200 OK\r\nX: ", again: "x", every: 100_000, options: ["--timeout", "0.6"],
        expecting: "did not complete the header of its answer within 0.6 s")
    }

    @Test("a header without end is given up long before memory is")
    func endlessHeader() async throws {
      try await fetch(begin: "HTTP/1.1 200 OK\r\n", again: "X: y\r\n", expecting: "its header is longer")
    }

    @Test("an answer in no HTTP is told in words of HTTP")
    func noHTTP() async throws {
      try await fetch(
        again: "220 mail.example.test ESMTP\r\n",
        expecting: "the server's answer is not HTTP/1.1: it does not begin with HTTP/1.1"
      )
    }

    @Test("a body in an unknown transfer coding is refused by the coding's name", arguments: ["gzip", "gzip, chunked"])
    func transferCoding(_ coding: String) async throws {
      let folder = try TemporaryFolder()
      let service = try LoopbackService { connection in
        _ = connection.readHead()
        connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: \(coding)\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
      }
      defer { service.stop() }
      try await WorkbenchProgram.fail(["fetch", service.url()], code: 1, "transfer coding \"gzip\"", in: folder)
      #expect(folder.entries == [])
    }

    @Test("a refusal names the URL")
    func refusal() async throws {
      let service = try LoopbackService { connection in
        _ = connection.readHead()
        connection.write("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
      }
      defer { service.stop() }
      try await WorkbenchProgram.fail(
        ["fetch", service.url("a/b")], code: 1, "the server answered 404 Not Found to \(service.url("a/b"))")
    }
  }
}
