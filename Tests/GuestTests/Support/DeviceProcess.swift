import Foundation

/// A `workbench device`: the NICs of this project, served to QEMU over vfio-user.
final class DeviceProcess {
  static let program = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent(".build/release/workbench").path

  let folder: Folder
  private let model: NICModel
  private let cabling: Cabling
  private let sockets: [String]
  private var process: Child

  /// Serves the NICs of one wire.
  init(_ model: NICModel, _ cabling: Cabling) throws {
    folder = try Folder()
    sockets = (0..<cabling.deviceCount).map { [folder] in folder.file("nic\($0).sock") }
    self.model = model
    self.cabling = cabling
    process = try DeviceProcess.start(model, cabling, sockets, folder)
  }

  private static func start(
    _ model: NICModel, _ cabling: Cabling, _ sockets: [String], _ folder: Folder
  ) throws -> Child {
    let process = try Child(
      program,
      ["device", "--nic", model.rawValue] + sockets.flatMap { ["--socket", $0] } + cabling.deviceOptions,
      folder: folder)
    // A socket that a killed server left refuses.
    guard waitUntil(limit: 20, { sockets.allSatisfy(isServed) || !process.isRunning }), process.isRunning else {
      throw GuestError("workbench device does not serve: \(process.errors)")
    }
    return process
  }

  private static func isServed(_ path: String) -> Bool {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    return withUnsafePointer(to: address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
      }
    }
  }

  /// Serves again, after an end.
  func restart() throws {
    process.kill()
    process = try DeviceProcess.start(model, cabling, sockets, folder)
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
