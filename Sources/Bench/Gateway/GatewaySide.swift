import EventLoop
import Events
import IntelNIC
import Link
import Machine
import NICDrivers
import NICModels
import NetStack
import Packets
import Wires

/// One network card of a ``Gateway``, from the slot to the interface.
final class GatewaySide {
  let model: Intel8254x
  private(set) var driver: E1000Driver!
  private(set) var interface: NetworkInterface!
  private let address: PCIAddress

  /// Plugs a card into slot `device` of the machine; the driver comes with ``probe(_:loop:tap:mtu:)``.
  init(
    in machine: Machine, device: UInt8, hardwareAddress: MACAddress, loop: any EventLoop, tap: EventTap,
    options: GatewayOptions
  ) throws(BenchError) {
    address = PCIAddress(bus: 0, device: device, function: 0)
    do throws(MachineError) {
      let registers = try machine.makeRegisterFile(byteCount: Intel8254xBAR.memoryByteCount)
      model = try Intel8254x(
        options.controller, address: hardwareAddress, loop: loop, tap: tap, registers: registers.window,
        name: "gateway \(address) \(options.controller)", options: Intel8254x.Options())
      try machine.plug(
        model, at: address, name: options.controller.description, registers: [Intel8254xBAR.memory: registers])
    } catch {
      throw .machine(error)
    }
  }

  /// Gives the card to its driver, and the driver to the stack. The bus has been scanned.
  func probe(
    in machine: Machine, for stack: NetworkStack, loop: any EventLoop, tap: EventTap, mtu: Int
  ) throws(BenchError) {
    guard let handle = machine.handle(at: address) else { throw .noController }
    do throws(DriverError) {
      driver = try DriverTable.standard.probe(handle, on: loop, tap: tap)
      try driver.setMTU(mtu)
    } catch {
      throw .driver(error)
    }
    interface = stack.attach(driver)
  }

  func start(on wire: any Wire) throws(BenchError) {
    model.plug(into: wire)
    do throws(DriverError) { try driver.start() } catch { throw .driver(error) }
  }

  func stop() {
    driver.stop()
    model.plug(into: nil)
  }

  func report(_ report: inout PathReport, _ name: String) {
    report.add("\(name): interface \(interface.name)", interface.counters)
    report.add("\(name): driver e1000", driver.counters)
    report.add("\(name): model \(model.controller)", model.counters)
  }
}
