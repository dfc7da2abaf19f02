import Glibc
import Machine
import NICDrivers
import PacketCapture
import QEMU
import VfioUser
import Wires

/// Why a bench could not be put together, or what ended it.
public enum BenchError: Error, CustomStringConvertible {
  case machine(MachineError)
  case driver(DriverError)
  case slirp(SlirpError)
  case socketWire(SocketWireError)
  case vfioUser(VfioUserError)
  case qemu(QEMUError)
  case noController
  case noLink(String)
  case noAddress(String)
  /// Nobody came to the other end of a socket wire.
  case noPeer(WireAddress, reason: String?, seconds: Double)
  case capture(path: String, reason: String)
  case file(path: String, reason: String)
  case badOption(name: String, reason: String)

  public var description: String {
    switch self {
    case .machine(let error): "machine: \(error)"
    case .driver(let error): "driver: \(error)"
    case .slirp(let error): "slirp: \(error)"
    case .socketWire(let error): error.description
    case .vfioUser(.socket(let path, "connect", let code)):
      "vfio-user: cannot connect to \(path): \(String(cString: strerror(code))); start a NIC there with "
        + "'workbench device --socket \(path)'"
    case .vfioUser(let error): "vfio-user: \(error)"
    case .qemu(let error): error.advice.map { "\(error); \($0)" } ?? error.description
    case .noController: "the bus scan found no network controller with a driver"
    case .noLink(let name): "\(name) has no link: nothing is at the other end of its wire"
    case .noAddress(let reason): "no address by DHCP: \(reason); give one with --address and --gateway"
    case .noPeer(let address, let reason, let seconds):
      "\(address): nobody came within \(Int(seconds)) s\(reason.map { " (\($0))" } ?? ""); \(Self.advice(address))"
    case .capture(let path, let reason): "capture \(path): \(reason)"
    case .file(let path, let reason): "\(path): \(reason)"
    case .badOption(let name, let reason): "\(name): \(reason)"
    }
  }

  /// A capture that cannot be written, the path told once.
  static func capture(_ path: String, _ error: any Error) -> BenchError {
    switch error as? CaptureError {
    case .cannotOpen(_, let code)?, .writeFailed(let code)?:
      .capture(path: path, reason: FileFailure(path, code, .writing).reason)
    default: .capture(path: path, reason: String(describing: error))
    }
  }

  private static func advice(_ address: WireAddress) -> String {
    switch address {
    case .connect: "start what listens there, or check --wire"
    case .listen: "start the QEMU that connects there, or check --wire"
    case .datagram: "start the QEMU at the other address, or check --wire"
    }
  }
}
