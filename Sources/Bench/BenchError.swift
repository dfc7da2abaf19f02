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
  case capture(path: String, reason: String)
  case file(path: String, reason: String)
  case badOption(name: String, reason: String)

  public var description: String {
    switch self {
    case .machine(let error): "machine: \(error)"
    case .driver(let error): "driver: \(error)"
    case .slirp(let error): "slirp: \(error)"
    case .socketWire(let error): error.description
    case .vfioUser(let error): "vfio-user: \(error)"
    case .qemu(let error): error.advice.map { "\(error); \($0)" } ?? error.description
    case .noController: "the bus scan found no network controller with a driver"
    case .noLink(let name): "\(name) has no link: nothing is at the other end of its wire"
    case .noAddress(let reason): "no address by DHCP: \(reason); give one with --address and --gateway"
    case .capture(let path, let reason): "capture \(path): \(reason)"
    case .file(let path, let reason): "\(path): \(reason)"
    case .badOption(let name, let reason): "\(name): \(reason)"
    }
  }
}
