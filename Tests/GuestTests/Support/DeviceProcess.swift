import Foundation

/// A `workbench device`: the NICs of this project, served to QEMU over vfio-user.
final class DeviceProcess {
  static let program = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent(".build/release/workbench").path

  let folder: Folder
  private let process: Child
  private let sockets: [String]

  /// Serves the NICs of one wire.
  init(_ model: NICModel, _ cabling: Cabling) throws {
    folder = try Folder()
    sockets = (0..<cabling.deviceCount).map { [folder] in folder.file("nic\($0).sock") }
    process = try Child(
      DeviceProcess.program,
      ["device", "--nic", model.rawValue] + sockets.flatMap { ["--socket", $0] } + cabling.deviceOptions,
      folder: folder)
    guard waitUntil(limit: 20, { self.sockets.allSatisfy { access($0, F_OK) == 0 } || !self.process.isRunning }),
      process.isRunning
    else { throw GuestError("workbench device does not serve: \(process.errors)") }
  }

  /// QEMU's arguments that put the devices in.
  var arguments: [String] {
    sockets.flatMap { ["-device", #"{"driver":"vfio-user-pci","socket":{"type":"unix","path":"\#($0)"}}"#] }
  }

  var isRunning: Bool { process.isRunning }
  var errors: String { process.errors }

  /// Ends it as a user does, so that its files are complete.
  func terminate() { process.terminate() }

  /// Ends it as a fault does.
  func kill() { process.kill() }
}

/// The models under test.
enum NICModel: String, CaseIterable, Sendable {
  case i82540EM = "82540em"
  case i82545EM = "82545em"
}
