import Bench
import Foundation
import Testing

extension RealThings {
  @Suite("Names, over a real DNS server") struct NameTests {
    private func resolve(_ name: String, _ entries: [String: NameServer.Entry]) async throws -> (
      addresses: [String], queries: (overUDP: Int, overTCP: Int)
    ) {
      let server = try NameServer(entries)
      defer { server.stop() }
      let outcome = try await WorkbenchProgram.succeed(["resolve", name, "--json"] + server.option)
      let answer = try WorkbenchProgram.object(outcome)
      #expect(answer["name"] as? String == name)
      return (answer["addresses"] as? [String] ?? [], server.queries)
    }

    @Test("a name has the addresses that its A records tell")
    func address() async throws {
      let answer = try await resolve(
        "www.example.test", ["www.example.test": .addresses([[192, 0, 2, 7], [192, 0, 2, 8]])])
      #expect(Set(answer.addresses) == ["192.0.2.7", "192.0.2.8"])
      #expect(answer.queries == (1, 0))
    }

    @Test("a chain of aliases leads to the addresses at its end")
    func aliases() async throws {
      let answer = try await resolve(
        "a.example.test",
        [
          "a.example.test": .alias("b.example.test"), "b.example.test": .alias("c.other.test"),
          "c.other.test": .addresses([[192, 0, 2, 9]]),
        ])
      #expect(answer.addresses == ["192.0.2.9"])
    }

    @Test("an answer that does not fit a datagram is asked for again over TCP")
    func truncated() async throws {
      let many = (1...100).map { [192, 0, 2, UInt8($0)] }
      let answer = try await resolve("many.example.test", ["many.example.test": .long(many)])
      #expect(Set(answer.addresses) == Set((1...100).map { "192.0.2.\($0)" }))
      #expect(answer.queries == (1, 1))
    }

    @Test("fetch resolves the host of its URL and names it in the request")
    func fetch() async throws {
      let server = try NameServer(["origin.example.test": .addresses([[10, 0, 2, 2]])])
      defer { server.stop() }
      let service = try LoopbackService { connection in
        let head = connection.readHead()
        connection.write("HTTP/1.1 200 OK\r\nContent-Length: \(head.utf8.count)\r\n\r\n\(head)")
      }
      defer { service.stop() }
      let outcome = try await WorkbenchProgram.succeed(
        ["fetch", "http://origin.example.test:\(service.port)/", "-O", "-"] + server.option)
      #expect(outcome.output.contains("Host: origin.example.test:\(service.port)\r\n"))
    }

    @Test("a name server that stays silent is given up, in bounded time")
    func silent() async throws {
      let (descriptor, port) = try LoopbackAddress.bind(type: Int32(SOCK_DGRAM.rawValue))
      defer { close(descriptor) }
      try await WorkbenchProgram.fail(
        ["resolve", "www.example.test", "--dns", "10.0.2.2:\(port)"], code: 1, "no name server answered in time",
        limit: 40)
    }
  }
}
