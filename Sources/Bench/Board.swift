import EventLoop
import Events
import IntelNIC
import Machine
import NICModels
import Packets

/// A machine of this process with a NIC model in it, and the handle of that NIC: what is on the other side of a
/// station's driver, unless that is in another process.
public final class Board {
  /// What a board is made of.
  public struct Options: Sendable {
    public var controller = IntelController.i82540EM
    public var hardwareAddress = MACAddress(rawValue: 0x5254_0012_3456)
    public var model = Intel8254x.Options()
    public var machine = Machine.Options()

    public init() {}
  }

  public let machine: Machine
  public let model: Intel8254x
  /// The NIC as its driver sees it, set up by a scan of the bus.
  public let function: LocalFunction

  /// Builds the machine, plugs the NIC in at 00:03.0, and scans the bus as a kernel does.
  public init(_ name: String, on loop: any EventLoop, tap: EventTap, options: Options = Options()) throws(BenchError) {
    do throws(MachineError) {
      machine = try Machine(on: loop, tap: tap, options: options.machine)
      let registers = try machine.makeRegisterFile(byteCount: Intel8254xBAR.memoryByteCount)
      model = try Intel8254x(
        options.controller, address: options.hardwareAddress, loop: loop, tap: tap, registers: registers.window,
        name: "\(name) \(options.controller)", options: options.model)
      try machine.plug(
        model, at: PCIAddress(bus: 0, device: 3, function: 0), name: options.controller.description,
        registers: [Intel8254xBAR.memory: registers])
    } catch {
      throw .machine(error)
    }
    let nic = machine.enumerate().devices.first { $0.classCode == IntelPCI.classCode }
    guard let nic, let function = machine.handle(at: nic.address) else { throw .noController }
    self.function = function
  }
}
