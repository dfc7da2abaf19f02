import Foundation

/// A Linux under QEMU, driven over a serial port of its own (`fixtures/guest/init` is the other end). Emulated by TCG,
/// so that it runs everywhere.
final class Guest {
  /// How a command ended.
  struct Outcome {
    let status: Int
    let output: String
  }

  private let process: Child
  private let folder: Folder
  /// Seconds from QEMU's start until the guest listened.
  private(set) var bootSeconds = 0.0

  /// Boots a guest with `devices` (QEMU's arguments) and waits until it listens.
  init(devices: [String], parameters: String = "") throws {
    folder = try Folder()
    let boot = [
      "-kernel", GuestImages.kernel, "-initrd", GuestImages.initramfs,
      "-append", "console=ttyS0 quiet panic=-1 no_timer_check \(parameters)",
    ]
    process = try Guest.start(devices: devices + boot, folder: folder)
    bootSeconds = try seconds { try awaitReady() }
  }

  /// Waits for the guest of a program that boots one: its second serial port is the program's standard input and
  /// output.
  init(in program: Child, folder: Folder) throws {
    process = program
    self.folder = folder
    bootSeconds = try seconds { try awaitReady() }
  }

  /// Starts QEMU: its first serial port goes to the file `console`, the second to the tests.
  static func start(devices: [String], folder: Folder) throws -> Child {
    try Child(
      GuestImages.qemu,
      [
        "-machine", "pc,memory-backend=memory", "-accel", "tcg", "-cpu", "max", "-m", "512M",
        // vfio-user: the device reads and writes the guest's memory itself.
        "-object", "memory-backend-memfd,id=memory,size=512M,share=on", "-nodefaults", "-no-user-config",
        "-display", "none", "-serial", "file:\(folder.file("console"))", "-serial", "stdio",
      ] + devices, folder: folder)
  }

  private func awaitReady() throws {
    do { _ = try process.read(upTo: "@ready\n", until: Deadline(120)) } catch {
      throw GuestError("the guest does not boot: \(error)\n\(console)")
    }
  }

  /// The end of what kernel and firmware said.
  var console: String { folder.tail("console") }

  var isRunning: Bool { process.isRunning }
  /// The end of what QEMU said.
  var errors: String { process.errors }

  /// A command that runs.
  struct Running {
    fileprivate let command: String
    fileprivate let id = String(UInt64.random(in: 0...UInt64.max), radix: 36)
  }

  /// Starts a command of the guest's shell, which does one after the other.
  func begin(_ command: String) throws -> Running {
    let running = Running(command: command)
    try process.write("\(running.id) \(Data(command.utf8).base64EncodedString())\n")
    return running
  }

  /// Waits for the end of what was begun. Its output is standard output and standard error together.
  func finish(_ running: Running, limit: Double) throws -> Outcome {
    let deadline = Deadline(limit)
    do {
      _ = try process.read(upTo: "@\(running.id) begin\n", until: deadline)
      let output = try process.read(upTo: "\n@\(running.id) end ", until: deadline)
      let status = try process.read(upTo: "\n", until: deadline)
      return Outcome(
        status: Int(String(decoding: status, as: UTF8.self)) ?? -1, output: String(decoding: output, as: UTF8.self))
    } catch {
      // The next command's answer would follow this one's: the guest is of no use any more.
      kill()
      throw GuestError("`\(running.command)`: \(error)\n\(console)")
    }
  }

  /// Runs a command.
  func run(_ command: String, limit: Double = 30) throws -> Outcome { try finish(begin(command), limit: limit) }

  /// Runs a command that must succeed; gives its output.
  @discardableResult
  func succeed(_ command: String, limit: Double = 30) throws -> String {
    let outcome = try run(command, limit: limit)
    guard outcome.status == 0 else {
      throw GuestError("`\(command)` ends with \(outcome.status): \(outcome.output)")
    }
    return outcome.output
  }

  /// Runs a command that nothing comes back from.
  func post(_ command: String) throws { _ = try begin(command) }

  /// Reboots, the way `reboot` does, and waits until the guest listens again.
  func reboot() throws {
    try post("reboot -f")
    try awaitReady()
  }

  /// Ends it as a power failure does.
  func kill() { process.kill() }
}
