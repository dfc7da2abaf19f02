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
      // One for each family.
      #expect(answer.queries == (2, 0))
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
      #expect(answer.queries == (2, 1))
    }

    @Test("both families and the aliases before them are shown, each with its time to live")
    func records() async throws {
      let six: [UInt8] = [0x20, 1, 0xD, 0xB8] + [UInt8](repeating: 0, count: 11) + [7]
      let server = try NameServer([
        "www.example.test": .alias("host.example.test"), "host.example.test": .both([[192, 0, 2, 7]], [six]),
        "six.example.test": .both([], [six]),
      ])
      defer { server.stop() }
      let json = try WorkbenchProgram.object(
        try await WorkbenchProgram.succeed(["resolve", "www.example.test", "--json"] + server.option))
      #expect(json["addresses"] as? [String] == ["192.0.2.7", "2001:db8::7"])
      let records = try #require(json["records"] as? [[String: Any]])
      #expect(records.map { $0["type"] as? String } == ["CNAME", "A", "AAAA"])
      #expect(records.map { $0["value"] as? String } == ["host.example.test", "192.0.2.7", "2001:db8::7"])
      #expect(records.map { $0["name"] as? String } == ["www.example.test", "host.example.test", "host.example.test"])
      #expect(records.allSatisfy { $0["timeToLive"] as? Int == 60 })
      let text = try await WorkbenchProgram.succeed(["resolve", "six.example.test"] + server.option)
      #expect(text.output.split(separator: " ") == ["six.example.test", "60", "AAAA", "2001:db8::7\n"])
      let known = try await WorkbenchProgram.succeed(["resolve", "localhost"] + server.option)
      #expect(known.output.contains("127.0.0.1") && known.output.contains("::1"))
    }

    @Test("a name that does not exist and one without an address are told apart")
    func nothingFound() async throws {
      let six = [UInt8](repeating: 1, count: 16)
      let server = try NameServer(["six.example.test": .both([], [six]), "text.test": .both([], [])])
      defer { server.stop() }
      for command in ["resolve no.example.test", "fetch http://no.example.test/", "ping no.example.test"] {
        try await WorkbenchProgram.fail(
          command.split(separator: " ").map(String.init) + server.option, code: 1,
          "cannot resolve no.example.test: there is no such name")
      }
      try await WorkbenchProgram.fail(
        ["fetch", "http://six.example.test/"] + server.option, code: 1,
        "cannot resolve six.example.test: it has no IPv4 address")
      try await WorkbenchProgram.fail(
        ["resolve", "text.test"] + server.option, code: 1, "cannot resolve text.test: it has no address")
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
      let server = ["--dns", "10.0.2.2:\(port)"]
      let message = "cannot resolve www.example.test: no answer in time from name server 10.0.2.2:\(port); "
      let patient = try await WorkbenchProgram.run(["resolve", "www.example.test"] + server, limit: 40)
      #expect(patient.diagnostics.first == "workbench: waiting for name server 10.0.2.2:\(port), 15 s at most")
      #expect(patient.code == 1 && patient.diagnostics.last?.hasPrefix("workbench: " + message) == true)
      for arguments in [
        ["resolve", "www.example.test", "--timeout", "0.3"],
        ["fetch", "http://www.example.test/", "--connect-timeout", "0.3"],
      ] {
        try await WorkbenchProgram.fail(arguments + server, code: 1, message, limit: 3)
      }
    }

    @Test("a name server that is not there is told by its address")
    func unreachable() async throws {
      let outcome = try await WorkbenchProgram.run(["resolve", "x", "--dns", "10.0.2.77"])
      let message = "cannot resolve x: name server 10.0.2.77 cannot be reached"
      #expect(outcome.code == 1 && outcome.diagnostics.last?.contains(message) == true, "\(outcome.diagnostics)")
    }

    @Test(
      "what can be no name is refused before anything is asked",
      arguments: [
        ("", "\"\": the name is empty"), ("a..b", "a..b: between two dots"), (".a", ".a: between two dots"),
        (String(repeating: "x", count: 64) + ".y", "a part between dots is longer than 63 bytes"),
        (String(repeating: "x.", count: 200), "longer than 253 bytes"), (".", "the root"),
      ])
    func noName(_ name: String, _ message: String) async throws {
      try await WorkbenchProgram.fail(["resolve", name, "--wire", "stream:unix:/nonexistent"], code: 2, message)
    }
  }
}
