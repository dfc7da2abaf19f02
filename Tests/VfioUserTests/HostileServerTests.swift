import EventLoop
import Events
import Foundation
import Glibc
import Machine
import Memory
import Testing
import VfioUser

/// A server that answers by a script, on a thread of its own.
final class ScriptedServer: Sendable {
  let folder: TemporaryFolder
  let path: String
  private let listener: Int32
  private let ended = DispatchSemaphore(value: 0)

  /// - Parameter answer: what to send for a command; nil ends the connection.
  init(_ answer: @escaping @Sendable (VfioUserHeader, [UInt8]) -> [UInt8]?) throws {
    folder = try TemporaryFolder()
    path = folder.file("s")
    listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try #require(bound == 0 && listen(listener, 1) == 0)
    Thread { [self] in
      let descriptor = accept(listener, nil, nil)
      var inbox: [UInt8] = []
      var chunk = [UInt8](repeating: 0, count: 1 << 16)
      serving: while true {
        let length = read(descriptor, &chunk, chunk.count)
        guard length > 0 else { break }
        inbox += chunk.prefix(length)
        while inbox.count >= 16 {
          let header = inbox.withUnsafeMutableBytes { VfioUserHeader(in: MemoryWindow($0.baseAddress!, count: 16)) }
          let size = Int(header.messageByteCount)
          guard inbox.count >= size else { break }
          guard let bytes = answer(header, Array(inbox[16..<size])) else { break serving }
          inbox.removeFirst(size)
          _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        }
      }
      close(descriptor)
      ended.signal()
    }.start()
  }

  /// Waits until the client has left, or was left.
  func end() {
    ended.wait()
    close(listener)
  }

  static func reply(_ header: VfioUserHeader, _ body: [UInt8], flags: VfioUserHeader.Flags = .reply) -> [UInt8] {
    bytes(
      VfioUserHeader(
        identifier: header.identifier, command: header.command, bodyByteCount: body.count, flags: flags,
        errorNumber: flags.contains(.error) ? UInt32(EIO) : 0)) + body
  }

  /// What a good server answers.
  static func good(_ header: VfioUserHeader, _ body: [UInt8]) -> [UInt8] {
    switch VfioUserCommand(rawValue: header.command) {
    case .version: return reply(header, bytes(UInt32(0)) + VfioUserCapabilities().text)
    case .deviceInfo: return reply(header, bytes(DeviceInfo(flags: 3, regions: 9, interrupts: 5)))
    case .regionInfo:
      let index: RegionInfo = loaded(body)
      return reply(header, bytes(RegionInfo(index: index.index, flags: 3, size: index.index == 7 ? 256 : 4096)))
    case .interruptInfo: return reply(header, bytes(InterruptInfo(index: 0)))
    case .readRegion:
      let access: RegionAccess = loaded(body)
      return reply(header, bytes(access) + [UInt8](repeating: 0, count: Int(access.count)))
    case .writeRegion: return header.wantsReply ? reply(header, Array(body.prefix(16))) : []
    default: return reply(header, [])
    }
  }
}

@Suite("vfio-user client: hostile servers") struct HostileServerTests {
  enum Vice: String, CaseIterable, CustomTestStringConvertible, Sendable {
    case leaves, noise, shortHeader, hugeHeader, wrongIdentifier, wrongCommand, noBody, shortBody, refuses
    var testDescription: String { rawValue }

    func answer(_ header: VfioUserHeader, _ body: [UInt8]) -> [UInt8]? {
      var changed = header
      switch self {
      case .leaves: return nil
      case .noise: return (0..<200).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 1) }
      case .shortHeader, .hugeHeader:
        changed.messageByteCount = self == .shortHeader ? 3 : .max
        changed.flags = .reply
        return bytes(changed)
      case .wrongIdentifier: changed.identifier &+= 1
      case .wrongCommand: changed.command = 13
      case .noBody: return ScriptedServer.reply(header, [])
      case .shortBody:
        return ScriptedServer.reply(header, Array(ScriptedServer.good(header, body).dropFirst(16).dropLast()))
      case .refuses: return ScriptedServer.reply(header, [], flags: [.reply, .error])
      }
      return ScriptedServer.good(changed, body)
    }
  }

  @Test(
    "a server that answers nonsense is a named error, whatever it answers so",
    arguments: [VfioUserCommand.version, .deviceInfo, .regionInfo, .interruptInfo], Vice.allCases)
  func nonsense(command: VfioUserCommand, vice: Vice) throws {
    let server = try ScriptedServer { header, body in
      header.command == command.rawValue ? vice.answer(header, body) : ScriptedServer.good(header, body)
    }
    let loop = try EpollLoop(seed: 1)
    let failure = #expect(throws: VfioUserError.self) {
      try VfioUserClient(path: server.path, on: loop, tap: EventTap(on: loop), memoryByteCount: 4096)
    }
    switch vice {
    case .leaves: #expect(failure == .disconnected(path: server.path))
    case .refuses: #expect(failure == .refused(path: server.path, command: command, code: UInt32(EIO)))
    default:
      guard case .badAnswer(server.path, command, _) = failure else {
        Issue.record("\(String(describing: failure))")
        break
      }
    }
    server.end()
  }

  @Test("a register read that is answered with nonsense gives ones, once and for all", arguments: Vice.allCases)
  func reads(vice: Vice) throws {
    let server = try ScriptedServer { header, body in
      guard header.command == VfioUserCommand.readRegion.rawValue, (loaded(body) as RegionAccess).region == 0 else {
        return ScriptedServer.good(header, body)
      }
      return vice.answer(header, body)
    }
    let loop = try EpollLoop(seed: 1)
    let client = try VfioUserClient(path: server.path, on: loop, tap: EventTap(on: loop), memoryByteCount: 4096)
    #expect(client.readConfiguration(0, size: 4) == 0)
    #expect(client.read32(bar: 0, offset: 0) == .max)
    #expect(client.read32(bar: 0, offset: 0) == .max)
    // A refusal is an answer, and no reason to give the server up.
    #expect(client.counters.failures == (vice == .refuses ? 0 : 1))
    #expect((client.failure == nil) == (vice == .refuses))
    client.close()
    server.end()
  }

  @Test("a server that says nothing is waited for as long as one has patience, and not longer")
  func silence() throws {
    let server = try ScriptedServer { header, body in
      header.command == VfioUserCommand.readRegion.rawValue && (loaded(body) as RegionAccess).region == 0
        ? [] : ScriptedServer.good(header, body)
    }
    let loop = try EpollLoop(seed: 1)
    let client = try VfioUserClient(
      path: server.path, on: loop, tap: EventTap(on: loop), memoryByteCount: 4096, patience: .milliseconds(500))
    let start = loop.clock
    #expect(client.read32(bar: 0, offset: 0) == .max)
    #expect(loop.clock - start >= .milliseconds(500))
    #expect(client.failure == .timedOut(path: server.path, command: .readRegion))
    client.close()
    server.end()
  }

  @Test("a command of the server that came with a reply is answered without anything more from the server")
  func commandWithReply() throws {
    let server = try ScriptedServer { header, body in
      guard !header.isReply else { return [] }
      guard header.command == VfioUserCommand.readRegion.rawValue, (loaded(body) as RegionAccess).region == 0 else {
        return ScriptedServer.good(header, body)
      }
      let access = bytes(DMAAccess(address: VfioUserClient.memoryBusAddress, count: 4))
      return ScriptedServer.good(header, body)
        + bytes(VfioUserHeader(identifier: 77, command: VfioUserCommand.readDMA.rawValue, bodyByteCount: 16)) + access
    }
    let loop = try EpollLoop(seed: 1)
    let client = try VfioUserClient(path: server.path, on: loop, tap: EventTap(on: loop), memoryByteCount: 4096)
    #expect(client.read32(bar: 0, offset: 0) == 0)
    try loop.run { try await loop.sleep(for: .zero) }
    #expect(client.counters.served == 1 && client.failure == nil)
    client.close()
    server.end()
  }

  @Test("a command of the server is answered: memory that is shared is read, everything else is refused")
  func commands() throws {
    let asked = Locked<[[UInt8]]>([])
    let server = try ScriptedServer { header, body in
      guard !header.isReply else {
        asked.append(bytes(header) + body)
        return []
      }
      guard header.command == VfioUserCommand.readRegion.rawValue, (loaded(body) as RegionAccess).region == 0 else {
        return ScriptedServer.good(header, body)
      }
      func command(_ command: VfioUserCommand, _ body: [UInt8]) -> [UInt8] {
        bytes(VfioUserHeader(identifier: 77, command: command.rawValue, bodyByteCount: body.count)) + body
      }
      return command(.readDMA, bytes(DMAAccess(address: VfioUserClient.memoryBusAddress, count: 4)))
        + command(.readDMA, bytes(DMAAccess(address: VfioUserClient.memoryBusAddress - 1, count: 4)))
        + command(.writeDMA, bytes(DMAAccess(address: VfioUserClient.memoryBusAddress + 4, count: 4)) + [1, 2, 3, 4])
        + command(.reset, []) + ScriptedServer.good(header, body)
    }
    let loop = try EpollLoop(seed: 1)
    let client = try VfioUserClient(path: server.path, on: loop, tap: EventTap(on: loop), memoryByteCount: 4096)
    let buffer = try client.allocateDMA(byteCount: 8, alignment: 8)
    buffer.window.store(UInt32(0xFEED_BEEF), 0)
    #expect(client.read32(bar: 0, offset: 0) == 0)
    #expect(buffer.window.load(4, as: UInt32.self) == 0x0403_0201)
    #expect(client.counters.served == 2 && client.counters.refusedCommands == 2)
    client.close()
    server.end()
    #expect(asked.value.count == 4 && asked.value.first?.suffix(4) == [0xEF, 0xBE, 0xED, 0xFE])
  }
}
