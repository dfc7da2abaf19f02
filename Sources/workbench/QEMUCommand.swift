import ArgumentParser
import Bench
import EventLoop
import QEMU

struct QEMUCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "qemu",
    abstract: "A QEMU with the NIC in its machine.",
    discussion: """
      Finds a QEMU that has vfio-user-pci (10.1 or newer; WIREBENCH_QEMU, PATH, then the one of make qemu), starts it \
      with the NIC and with guest memory that can be shared, and passes everything behind -- on to it. When QEMU ends \
      the NIC ends, and the other way round.

      EXAMPLES
        workbench qemu -- -nographic -m 512M disk.img
        workbench qemu --forward 2222:22 --capture guest.pcapng -- -m 1G -cdrom install.iso
        workbench qemu --rom pxe-e1000.rom --tftp boot --boot-file boot.ipxe -- -nographic
      """)

  @OptionGroup var device: DeviceArguments

  @Flag(help: "Print the command lines of device and QEMU, as one would start them apart, and end.")
  var dryRun = false

  @Argument(parsing: .postTerminator, help: "Arguments for QEMU.")
  var arguments: [String] = []

  /// QEMU's options have one dash, and ArgumentParser would take `-nographic` for a bundle of flags with an -h among
  /// them.
  static func refuseStrayArguments(_ line: ArraySlice<String>) throws {
    guard line.first == configuration.commandName else { return }
    let own = line.dropFirst().prefix { $0 != "--" }
    if let stray = own.first(where: { $0.hasPrefix("-") && !$0.hasPrefix("--") && $0.count > 2 }) {
      throw CommandFailure.usage("\(stray): QEMU's arguments go behind --, as in: workbench qemu -- \(stray)")
    }
  }

  func run() throws {
    do { try start() } catch let error as QEMUError { throw CommandFailure(BenchError.qemu(error).description) }
  }

  private func start() throws {
    let installation = try QEMUInstallation.find(requiring: [QEMUInstallation.vfioUserDevice])
    if dryRun {
      let line = try GuestArguments(arguments, sockets: ["nic.sock"]).all
      try Output.line("workbench device --socket nic.sock &")
      return try Output.line(([installation.path] + line).map(shellQuoted).joined(separator: " "))
    }
    let folder = try PrivateFolder()
    let socket = folder.file("nic.sock")
    let line = try GuestArguments(arguments, sockets: [socket]).all
    var outcome: QEMUProcess.Outcome?
    let isPlain = !device.cable.json
    try DeviceRun(device.options(sockets: [socket])).run { host in
      let process = try QEMUProcess(installation.path, line, streams: .inherited, keeping: folder, on: host.loop)
      outcome = await process.waitForEnd()
      if outcome == nil { outcome = await process.end() }
    } ending: { host in
      if isPlain { Diagnostics.print(host.report.text) } else { try Output.json(host.report) }
    }
    if let outcome, outcome != .exited(0) { throw QEMUError.ended(outcome, diagnostics: "") }
  }
}

/// `text` as a shell takes it for one word.
private func shellQuoted(_ text: String) -> String {
  let plain = text.utf8.allSatisfy { byte in
    byte > 127 || UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
      || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || "-_=+,./:@%".utf8.contains(byte)
  }
  return plain && !text.isEmpty
    ? text : "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
}
