import EventLoop
import Events
import IntelNIC
import Link
import LinuxABI
import Machine
import NICDrivers
import NICModels
import NetStack
import Packets

/// One computer: memory, PCI bus, NIC, driver, protocol stack and system-call layer, ready to be plugged into a wire.
public final class Station {
  /// What a station is made of.
  public struct Options: Sendable {
    public var controller = IntelController.i82540EM
    public var hardwareAddress = MACAddress(rawValue: 0x5254_0012_3456)
    public var mtu = 1500
    public var driver = E1000Configuration()
    public var model = Intel8254x.Options()
    public var machine = Machine.Options()
    public var stack = StackConfiguration()

    public init() {}
  }

  public let name: String
  public let loop: any EventLoop
  public let tap: EventTap
  public let machine: Machine
  public let model: Intel8254x
  public let driver: E1000Driver
  public let stack: NetworkStack
  public let interface: NetworkInterface
  public let system: SystemCalls

  /// Builds the machine, plugs the NIC in, scans the bus as a kernel does, and probes the driver. The driver is started
  /// by ``start(on:)``.
  public init(
    name: String, on loop: any EventLoop, tap: EventTap, options: Options = Options()
  ) throws(BenchError) {
    self.name = name
    self.loop = loop
    self.tap = tap
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
    driver = try Self.probe(machine, loop: loop, tap: tap, configuration: options.driver)
    do throws(DriverError) { try driver.setMTU(options.mtu) } catch { throw .driver(error) }
    stack = NetworkStack(on: loop, tap: tap, configuration: options.stack)
    interface = stack.attach(driver)
    system = SystemCalls(stack: stack)
  }

  /// Scans the bus and gives the first network controller to its driver.
  private static func probe(
    _ machine: Machine, loop: any EventLoop, tap: EventTap, configuration: E1000Configuration
  ) throws(BenchError) -> E1000Driver {
    let found = machine.enumerate()
    let table = DriverTable.standard
    for device in found.devices where table.entry(vendor: device.vendorID, device: device.deviceID) != nil {
      guard let handle = machine.handle(at: device.address) else { continue }
      do throws(DriverError) {
        return try table.probe(handle, on: loop, tap: tap, configuration: configuration)
      } catch {
        throw .driver(error)
      }
    }
    throw .noController
  }

  /// Plugs the NIC into `wire` and starts the driver.
  public func start(on wire: any Wire) throws(BenchError) {
    model.plug(into: wire)
    do throws(DriverError) { try driver.start() } catch { throw .driver(error) }
  }

  /// Suspends until the link is up: auto-negotiation takes its time.
  ///
  /// - Throws: ``BenchError/noLink(_:)`` if the wire has no carrier, or none comes within `limit`.
  public func waitForLink(_ limit: TimeSpan = .seconds(5)) async throws(BenchError) {
    let waiter = Waiter(on: loop)
    let before = stack.onLinkChange
    stack.onLinkChange = { interface, isUp in
      before?(interface, isUp)
      if isUp { waiter.wake() }
    }
    defer { stack.onLinkChange = before }
    let deadline = loop.now + limit
    while !driver.isLinkUp {
      guard await waiter.wait(until: deadline) == .woken else { throw .noLink(driver.name) }
    }
  }

  /// Gives the interface a fixed address, and a default route if there is a gateway.
  public func configure(_ address: IPv4Subnet, gateway: IPv4Address? = nil) throws(BenchError) {
    do throws(NetworkError) {
      interface.add(address)
      if let gateway { try stack.routes.addDefault(gateway: gateway, interface: interface) }
    } catch {
      throw .badOption(name: "--address \(address)", reason: String(describing: error))
    }
  }

  /// Closes all sockets, stops the driver and pulls the cable.
  public func stop() async {
    await system.closeAll()
    driver.stop()
    model.plug(into: nil)
  }
}
