import Bench
import Foundation
import Testing

extension RealThings {
  @Suite("Failures end with one line and the right exit code") struct FailureTests {
    @Test("a refused connection says so")
    func refused() async throws {
      let port = try LoopbackAddress.freePort()
      try await WorkbenchProgram.fail(["fetch", "http://10.0.2.2:\(port)/"], code: 1, "ECONNREFUSED")
    }

    @Test("an unknown host says so")
    func unknownHost() async throws {
      let names = try NameServer([:])
      defer { names.stop() }
      try await WorkbenchProgram.fail(
        ["fetch", "http://nowhere.example/"] + names.option, code: 1,
        "cannot resolve nowhere.example: there is no such name")
      try await WorkbenchProgram.fail(
        ["resolve", "nowhere.example"] + names.option, code: 1, "cannot resolve nowhere.example")
      #expect(names.queries.overUDP == 2)
    }

    @Test("a server that stops mid-body says so, and what it sent stays")
    func truncated() async throws {
      let origin = try await OriginServer.start()
      let folder = try TemporaryFolder()
      try await WorkbenchProgram.fail(
        ["fetch", "http://10.0.2.2:\(origin.port)/truncated/100000", "-O", "part"], code: 1,
        "closed the connection after 50000 of 100000 bytes", in: folder)
      #expect(folder.size("part") == 50000)
      await origin.stop()
    }

    @Test("a server that goes silent mid-body is given up after --timeout")
    func stalled() async throws {
      let origin = try await OriginServer.start()
      try await WorkbenchProgram.fail(
        ["fetch", "http://10.0.2.2:\(origin.port)/stall/100000", "--timeout", "0.5"], code: 1,
        "nothing arrived for 0.5 s after 50000 bytes", limit: 10)
      await origin.stop()
    }

    @Test("a connection that is reset mid-body says so")
    func reset() async throws {
      let service = try LoopbackService { connection in
        // Closing with the request unread makes Linux answer with a reset (RFC 2525 2.17).
        connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfew")
      }
      defer { service.stop() }
      let outcome = try await WorkbenchProgram.run(["fetch", service.url()])
      #expect(outcome.code == 1 && outcome.diagnostics.count == 1, "\(outcome.diagnostics)")
    }

    @Test("an answer that is not HTTP says so", arguments: ["220 mail ready\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", ""])
    func notHTTP(_ answer: String) async throws {
      let service = try LoopbackService { connection in
        _ = connection.readHead()
        connection.write(answer)
      }
      defer { service.stop() }
      try await WorkbenchProgram.fail(["fetch", service.url()], code: 1, "server")
    }

    @Test("error statuses are failures that leave no file", arguments: [404, 403, 500])
    func status(_ code: Int) async throws {
      let origin = try await OriginServer.start()
      let folder = try TemporaryFolder()
      try await WorkbenchProgram.fail(
        ["fetch", "http://10.0.2.2:\(origin.port)/status/\(code)"], code: 1, "the server answered \(code)", in: folder)
      #expect(folder.entries == [])
      await origin.stop()
    }

    @Test(
      "a malformed URL is bad usage",
      arguments: [
        ("", "it is empty"), ("host/path", "it has no scheme"), ("ftp://10.0.2.2/", "scheme \"ftp\" is not supported"),
        ("https://10.0.2.2/", "scheme \"https\" is not supported"), ("http://", "malformed URL"),
        ("http://:80/", "it names no host"), ("http://10.0.2.2:/", "port after the colon is missing"),
        ("http://10.0.2.2:0/", "port 0"), ("http://10.0.2.2:65536/", "port 65536"),
        ("http://10.0.2.2:x/", "malformed URL"),
        ("http://10.0.2.2/a b", "percent-encode"), ("http://[::1/", "malformed URL"),
        ("http://user:secret@10.0.2.2/", "user information is not supported"),
      ])
    func malformedURL(_ url: String, _ message: String) async throws {
      try await WorkbenchProgram.fail(["fetch", url], code: 2, message)
    }

    @Test(
      "a wrong command line is bad usage",
      arguments: [
        (["fetch", "--frobnicate"], "--frobnicate"), (["frobnicate"], "frobnicate"), (["resolve"], "name"),
        (["ping", "10.0.2.2", "--count", "many"], "many"), (["ping", "10.0.2.2", "--count", "0"], "--count 0"),
        (["fetch", "http://10.0.2.2/", "--impair", "loss=200%"], "--impair"),
        (["fetch", "http://10.0.2.2/", "--impair", "gremlins=1%"], "--impair"),
        (["fetch", "http://10.0.2.2/", "--impair", "delay=fast"], "--impair"),
        (["fetch", "http://10.0.2.2/", "--nic", "ne2000"], "--nic"),
        (["fetch", "http://10.0.2.2/", "--mtu", "1"], "--mtu"),
        (["fetch", "http://10.0.2.2/", "--dns", "here"], "--dns"),
        (["fetch", "http://10.0.2.2/", "--header", "x"], "--header"),
        (["fetch", "http://10.0.2.2/", "--sha256", "12"], "--sha256"), (["fetch", "--size", "huge"], "--size"),
        (["fetch", "http://10.0.2.2/", "--timeout", "0"], "--timeout 0.0: not in 0.001...1000000 seconds"),
        (["fetch", "http://10.0.2.2/", "--connect-timeout", "1e300"], "--connect-timeout 1e+300: not in"),
        (["fetch", "http://10.0.2.2/", "--timeout", "inf"], "--timeout inf: not in"),
        (["ping", "10.0.2.2", "-W", "1e18"], "--timeout 1e+18: not in"), (["help", "nope"], "no command 'nope'"),
        (["bogus"], "no command 'bogus'; commands are fetch, ping, resolve,"),
        (["registers", "--reference", "--rings"], "leave --rings out"),
        (["fetch", "http://10.0.2.2/", "--header", "a: b\r\nc"], "--header \"a: b\\r\\nc\""),
        (["simulate", "--impair", "loss=x"], "--impair"), (["simulate", "--seeds", "0"], "--seeds"),
        (["fetch", "http://10.0.2.2/", "--mtu", "87"], "less leaves no room for a TCP segment of 48 bytes"),
        (["simulate", "--mtu", "68"], "--mtu 68: not in 88...16110"),
        (["gateway", "--wire", "stream:unix:x", "--mtu", "68"], "--mtu 68: not in 88...16110"),
        (["fetch", "http://10.0.2.2/", "--timeout", "-1"], "--timeout -1: must not be negative"),
        (["ping", "10.0.2.2", "--seed", "-1"], "--seed -1: must not be negative"),
        (["ping", "10.0.2.2", "-c", "-3"], "-c -3: must not be negative"),
        (["ping", "10.0.2.2", "--capture", "-"], "--capture -: frames go to a file or a FIFO"),
        (["simulate", "--seeds", "1", "--capture", "-"], "--capture -"),
        (["ping", "10.0.2.2", "--wire", "loop"], "--wire loop: no DHCP server answers there; give --address"),
        (["registers", "NOSUCH"], "NOSUCH"), (["registers", "--reference", "NOSUCH"], "NOSUCH"),
        (["registers", "--reference", "--of", "1"], "--of"),
      ])
    func usage(_ arguments: [String], _ message: String) async throws {
      try await WorkbenchProgram.fail(arguments, code: 2, message)
    }

    @Test(
      "help goes to standard output and is success", arguments: [["--help"], ["fetch", "--help"], ["help", "ping"]])
    func help(_ arguments: [String]) async throws {
      let outcome = try await WorkbenchProgram.succeed(arguments)
      #expect(outcome.output.contains("USAGE") && outcome.diagnostics.isEmpty)
    }

    @Test("--version says which it is")
    func version() async throws {
      #expect(try await WorkbenchProgram.succeed(["--version"]).output.hasPrefix("workbench "))
    }

    @Test("every command that the help offers exists, and prints little")
    func examples() async throws {
      let help = try await WorkbenchProgram.succeed(["--help"]).output
      let examples = help.split(separator: "\n").filter { $0.hasPrefix("  workbench ") && !$0.contains("fetch") }
      #expect(examples.count >= 2)
      for example in examples {
        let words = example.split(separator: " ").dropFirst().prefix { !$0.hasPrefix("the") }.map(String.init)
        let outcome = try await WorkbenchProgram.succeed(words)
        #expect(outcome.diagnostics.isEmpty && !outcome.output.isEmpty, "\(words)")
      }
    }

    @Test("a gateway that is not on the link says so")
    func strayGateway() async throws {
      try await WorkbenchProgram.fail(
        ["ping", "10.0.2.2", "--address", "10.0.3.15/24", "--gateway", "10.0.2.2"], code: 1,
        "--gateway 10.0.2.2: it is not on the link of 10.0.3.15/24; give one in 10.0.3.0/24")
    }

    @Test("a missing libslirp is missed only where it is needed", arguments: ["lspci", "registers"])
    func unneededLibrary(_ command: String) async throws {
      let folder = try TemporaryFolder()
      try folder.write("not an ELF file", to: "libslirp.so.0")
      let outcome = try await WorkbenchProgram.run([command], environment: ["LD_LIBRARY_PATH": folder.path])
      #expect(outcome.code == 0 && outcome.output.contains("00:03.0"), "\(outcome.diagnostics)")
    }

    @Test("a missing libslirp says what to install")
    func missingLibrary() async throws {
      let folder = try TemporaryFolder()
      // What the loader finds first is no library.
      try folder.write("not an ELF file", to: "libslirp.so.0")
      try await WorkbenchProgram.fail(
        ["fetch", "http://10.0.2.2:1/"], code: 1, "install it: apt-get install libslirp0",
        environment: ["LD_LIBRARY_PATH": folder.path])
    }

    @Test(
      "what cannot be written is named", arguments: [["-O", "/nonexistent/file"], ["--capture", "/nonexistent/file"]])
    func unwritable(_ options: [String]) async throws {
      let origin = try await OriginServer.start()
      let folder = try TemporaryFolder()
      try await WorkbenchProgram.fail(
        ["fetch", "http://10.0.2.2:\(origin.port)/bytes/1000"] + options, code: 1, "/nonexistent/file", in: folder)
      await origin.stop()
    }

    @Test("a full disk is named")
    func fullDisk() async throws {
      let origin = try await OriginServer.start()
      try await WorkbenchProgram.fail(
        ["fetch", "http://10.0.2.2:\(origin.port)/bytes/1000", "-O", "/dev/full"], code: 1, "No space left on device")
      await origin.stop()
    }

    @Test(
      "input that cannot be read has an exit code of its own",
      arguments: [
        ["fetch", "http://10.0.2.2:1/", "--body", "@/nonexistent/file"], ["scenario", "/nonexistent/file"],
        ["replay", "/nonexistent/file"],
      ])
    func unreadable(_ arguments: [String]) async throws {
      try await WorkbenchProgram.fail(arguments, code: 66, "/nonexistent/file")
    }

    @Test("a redirect that never ends is given up")
    func endlessRedirect() async throws {
      let service = try LoopbackService { connection in
        _ = connection.readHead()
        connection.write("HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")
      }
      defer { service.stop() }
      try await WorkbenchProgram.fail(
        ["fetch", service.url(), "--max-redirects", "3"], code: 1, "more than 3 redirects")
    }
  }
}
