import EventLoop
import Events
import Foundation
import Glibc
import Machine
import Memory
import Testing
import VfioUser

@Suite("vfio-user server: its socket") struct ListeningTests {
  @Test("a second server on the same path is refused, and the first goes on")
  func inUse() throws {
    let served = try ServedFunction()
    #expect(throws: VfioUserError.inUse(path: served.path)) {
      try VfioUserServer(ProbeFunction(), on: served.loop, tap: served.tap, path: served.path, name: "x")
    }
    try served.run { _ = try await served.client() }
  }

  @Test("a socket file that nobody listens on is replaced; any other file is not touched")
  func stale() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("s")
    let old = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(old, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
    }
    try #require(bound == 0)
    close(old)
    let loop = try EpollLoop(seed: 1)
    let tap = EventTap(on: loop)
    let server = try VfioUserServer(ProbeFunction(), on: loop, tap: tap, path: path, name: "x")
    server.close()
    #expect(!FileManager.default.fileExists(atPath: path))
    try Data("precious".utf8).write(to: URL(fileURLWithPath: path))
    #expect(throws: VfioUserError.notASocket(path: path)) {
      try VfioUserServer(ProbeFunction(), on: loop, tap: tap, path: path, name: "x")
    }
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "precious")
  }

  @Test(
    "paths that are no socket paths are refused by name",
    arguments: [String(repeating: "x", count: 108), "", "/no/such/x"])
  func badPaths(path: String) throws {
    let loop = try EpollLoop(seed: 1)
    #expect(throws: VfioUserError.self) {
      try VfioUserServer(ProbeFunction(), on: loop, tap: EventTap(on: loop), path: path, name: "x")
    }
  }

  @Test("a server that closes does not take away a successor's socket")
  func successor() throws {
    let served = try ServedFunction()
    unlink(served.path)
    let next = try VfioUserServer(ProbeFunction(), on: served.loop, tap: served.tap, path: served.path, name: "x")
    served.server.close()
    #expect(FileManager.default.fileExists(atPath: served.path))
    next.close()
    #expect(!FileManager.default.fileExists(atPath: served.path))
  }

  @Test("a second client waits until the first is gone, and finds the device as new")
  func waiting() throws {
    let served = try ServedFunction()
    try served.run {
      let first = try await served.client()
      try await first.write(7, 4, [6, 0])
      let second = try served.connect()
      let identifier = second.post(.version, bytes(UInt32(0)))
      #expect(try await first.read32(7, 4) == 6)
      first.leave()
      let answer = try await second.receive()
      #expect(answer.header.identifier == identifier && !answer.isError)
      #expect(try await second.read32(7, 4) == 0)
      #expect(served.function.resets == 1)
      #expect(served.counters.connections == 2 && served.counters.disconnections == 1)
    }
  }

  @Test("a client that comes when there are no descriptors left waits, without keeping the loop awake")
  func outOfDescriptors() async {
    await #expect(processExitsWith: .success) {
      let served = try ServedFunction()
      try served.run {
        let client = try served.connect()
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let before = limit.rlim_cur
        limit.rlim_cur = rlim_t(client.descriptor + 1)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let turns = served.loop.counters.turns
        try await served.loop.sleep(for: .milliseconds(100))
        let isAsleep = served.loop.counters.turns - turns < 20
        limit.rlim_cur = before
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        guard isAsleep, !served.server.isConnected else { exit(3) }
        try await served.wait(connected: true)
        try await client.negotiate()
      }
      exit(0)
    }
  }

  @Test("an expansion ROM that is none, or does not fit the function, is refused")
  func badROM() throws {
    #expect(throws: VfioUserError.self) { try ExpansionROM([1, 2, 3]) }
    #expect(throws: VfioUserError.self) { try ExpansionROM([]) }
    #expect(throws: VfioUserError.self) { try ExpansionROM([0x55, 0xAA] + [UInt8](repeating: 0, count: 16 << 20)) }
    let loop = try EpollLoop(seed: 1)
    let folder = try TemporaryFolder()
    let function = ProbeFunction()
    function.configuration.settle()
    #expect(throws: VfioUserError.self) {
      try VfioUserServer(
        function, on: loop, tap: EventTap(on: loop), path: folder.file("s"), name: "x",
        expansionROM: try ExpansionROM([0x55, 0xAA]))
    }
  }
}
