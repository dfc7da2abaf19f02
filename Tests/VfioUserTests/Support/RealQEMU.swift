import CLinux
import EventLoop
import Foundation
import Glibc
import Testing

/// A QEMU that can attach to vfio-user servers, if this host has one.
enum RealQEMU {
  /// Its path: from WIREBENCH_QEMU, the search path, or the cache of guest images.
  static let path: String? = {
    let environment = ProcessInfo.processInfo.environment
    var candidates: [String] = []
    if let chosen = environment["WIREBENCH_QEMU"] { candidates.append(chosen) }
    candidates += (environment["PATH"] ?? "").split(separator: ":").map { "\($0)/qemu-system-x86_64" }
    let home = environment["HOME"] ?? "/nonexistent"
    let cache = environment["WIREBENCH_CACHE"] ?? (environment["XDG_CACHE_HOME"] ?? "\(home)/.cache") + "/wirebench"
    candidates.append("\(cache)/qemu/qemu-system-x86_64")
    return candidates.first { FileManager.default.isExecutableFile(atPath: $0) && canAttach($0) }
  }()

  private static func canAttach(_ path: String) -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = ["-device", "help"]
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return false }
    let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return text.contains("vfio-user-pci")
  }

  static let absence: Comment = "no qemu-system-x86_64 with vfio-user-pci (10.1 or later) is installed"
}

/// A QEMU without a guest, controlled through its qtest socket: its processor is the test.
final class QTest {
  struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  private let loop: EpollLoop
  private let process = Process()
  private var listener: Int32
  private var descriptor: Int32 = -1
  private var watch: DescriptorWatch?
  private let waiter: Waiter
  private var text = ""
  private let log: Pipe
  /// "raise 11" and the like, in order.
  private(set) var interrupts: [String] = []

  init(on loop: EpollLoop, folder: TemporaryFolder, arguments: [String]) throws {
    self.loop = loop
    waiter = Waiter(on: loop)
    log = Pipe()
    let path = folder.file("q")
    listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try #require(bound == 0 && listen(listener, 1) == 0)
    watch = try DescriptorWatch(on: loop, descriptor: listener, interest: .readable) { [weak self] _ in self?.accept() }
    process.executableURL = URL(fileURLWithPath: try #require(RealQEMU.path))
    process.arguments =
      [
        "-machine", "pc", "-accel", "qtest", "-qtest", "unix:\(path)", "-nodefaults", "-no-user-config", "-display",
        "none",
      ] + arguments
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    process.standardError = log
    // Whatever ends QEMU wakes the test.
    process.terminationHandler = { [weak loop] _ in loop?.post {} }
    try process.run()
  }

  deinit { stop() }

  func stop() {
    watch?.cancel()
    watch = nil
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
    if process.isRunning {
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
    if listener >= 0 { close(listener) }
    listener = -1
  }

  private func accept() {
    descriptor = Glibc.accept(listener, nil, nil)
    guard descriptor >= 0 else { return }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    watch?.cancel()
    watch = try? DescriptorWatch(on: loop, descriptor: descriptor, interest: .readable) { [weak self] _ in
      self?.readable()
    }
    waiter.wake()
  }

  private func readable() {
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    let length = Glibc.read(descriptor, &chunk, chunk.count)
    if length > 0 { text += String(decoding: chunk.prefix(length), as: UTF8.self) } else { try? watch?.setInterest([]) }
    waiter.wake()
  }

  private func pause() async throws {
    guard process.isRunning, await waiter.wait(until: loop.now + .seconds(30)) == .woken else {
      let isRunning = process.isRunning
      kill(process.processIdentifier, SIGKILL)
      let said = String(decoding: log.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      throw Failure(description: "QEMU \(isRunning ? "does not answer" : "has ended"): \(said)")
    }
  }

  /// Sends a command and returns what its answer says behind OK.
  @discardableResult func command(_ line: String) async throws -> String {
    while descriptor < 0 { try await pause() }
    let bytes = Array((line + "\n").utf8)
    try #require(Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
    while true {
      while let end = text.firstIndex(of: "\n") {
        let answer = String(text[..<end])
        text.removeSubrange(...end)
        if answer.hasPrefix("IRQ ") {
          interrupts.append(String(answer.dropFirst(4)))
        } else {
          guard answer.hasPrefix("OK") else { throw Failure(description: "\(line): \(answer)") }
          return String(answer.dropFirst(3))
        }
      }
      try await pause()
    }
  }

  func takeInterrupts() -> [String] {
    defer { interrupts = [] }
    return interrupts
  }

  private func number(_ line: String) async throws -> UInt32 {
    let answer = try await command(line)
    return UInt32(truncatingIfNeeded: try #require(UInt64(answer.dropFirst(2), radix: 16)))
  }

  func readl(_ address: UInt64) async throws -> UInt32 { try await number("readl 0x\(String(address, radix: 16))") }
  func writel(_ address: UInt64, _ value: UInt32) async throws {
    try await command("writel 0x\(String(address, radix: 16)) 0x\(String(value, radix: 16))")
  }
  func readConfiguration(_ device: UInt32, _ offset: UInt32) async throws -> UInt32 {
    try await command("outl 0xcf8 0x\(String(0x8000_0000 | device << 11 | offset, radix: 16))")
    return try await number("inl 0xcfc")
  }
  func writeConfiguration(_ device: UInt32, _ offset: UInt32, _ value: UInt32) async throws {
    try await command("outl 0xcf8 0x\(String(0x8000_0000 | device << 11 | offset, radix: 16))")
    try await command("outl 0xcfc 0x\(String(value, radix: 16))")
  }
  func write(_ address: UInt64, _ bytes: [UInt8]) async throws {
    let text = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    try await command("write 0x\(String(address, radix: 16)) 0x\(String(bytes.count, radix: 16)) 0x\(text)")
  }
  func read(_ address: UInt64, _ count: Int) async throws -> [UInt8] {
    let answer = try await command("read 0x\(String(address, radix: 16)) 0x\(String(count, radix: 16))")
    let digits = Array(answer.dropFirst(2).utf8)
    return stride(from: 0, to: digits.count, by: 2).map {
      UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16) ?? 0
    }
  }
}
