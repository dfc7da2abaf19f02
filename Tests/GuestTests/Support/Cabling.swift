import Foundation
import Testing

/// What the NICs of a guest are plugged into.
struct Cabling {
  enum Wire: Sendable {
    /// One NIC on libslirp: 10.0.2.2 is the host.
    case slirp
    /// Two NICs joined with each other.
    case loop
  }

  var wire = Wire.slirp
  var mtu = 1500
  /// A port of the host's loopback that leads to the guest's port 80.
  var forwardedPort: Int?
  /// A folder offered by TFTP, and the file that DHCP names for booting.
  var boot: (folder: String, file: String)?
  /// Path of a pcapng file that gets every frame.
  var capture: String?

  var deviceCount: Int { wire == .loop ? 2 : 1 }

  /// Options of `workbench device`.
  var deviceOptions: [String] {
    var options = ["--wire", wire == .loop ? "loop" : "slirp", "--mtu", String(mtu)]
    if let forwardedPort { options += ["--forward", "tcp:\(forwardedPort):80"] }
    if let boot { options += ["--tftp", boot.folder, "--boot-file", boot.file, "--rom", GuestImages.bootROM] }
    if let capture { options += ["--capture", capture] }
    return options
  }

  /// Arguments of QEMU for NICs of its own, an e1000 each, on the same wire. Its slirp has no larger MTU.
  var ownArguments: [String] {
    switch wire {
    case .loop:
      return (0...1).flatMap {
        ["-netdev", "hubport,hubid=0,id=net\($0)", "-device", "e1000,netdev=net\($0),mac=52:54:00:00:00:1\($0)"]
      }
    case .slirp:
      var options = "user,id=net0"
      if let forwardedPort { options += ",hostfwd=tcp:127.0.0.1:\(forwardedPort)-:80" }
      if let boot { options += ",tftp=\(boot.folder),bootfile=\(boot.file)" }
      let filter = capture.map { ["-object", "filter-dump,id=dump,netdev=net0,file=\($0)"] } ?? []
      return ["-netdev", options, "-device", "e1000,netdev=net0"] + filter
    }
  }
}

/// The NIC of a guest: one of our models, in a process of its own, or QEMU's e1000.
enum GuestNIC: Sendable, Hashable, CustomTestStringConvertible {
  case model(NICModel)
  case qemusOwn

  /// What the checks run on. With WIREBENCH_GUESTS_NIC=qemu it is QEMU's own e1000, to tell a fault of a check from one
  /// of a model; QEMU's does not pass all of them.
  static let all: [GuestNIC] =
    ProcessInfo.processInfo.environment["WIREBENCH_GUESTS_NIC"] == "qemu"
    ? [.qemusOwn] : NICModel.allCases.map(GuestNIC.model)

  var testDescription: String {
    switch self {
    case .model(let model): model.rawValue.uppercased()
    case .qemusOwn: "QEMU's own e1000"
    }
  }

  /// PCI vendor and device.
  var identity: String { self == .model(.i82545EM) ? "0x8086 0x100f" : "0x8086 0x100e" }
}
