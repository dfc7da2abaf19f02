import EventLoop
import Events
import IntelNIC
import Link
import Machine
import NICModels
import Packets
import VfioUser
import Wires

/// NICs without a computer of their own, each served to another program (a QEMU, as a rule) by vfio-user, with their
/// cables.
///
/// The registers of the NICs lie in a machine's shared memory like those of a bench: `workbench registers --of PID` and
/// `lspci --of PID` decode them while a guest uses them.
public final class DeviceHost {
  public struct Options: Sendable {
    public var controller = IntelController.i82540EM
    /// Of the first NIC; each further one has the next.
    public var hardwareAddress = MACAddress(rawValue: 0x5254_0012_3456)
    /// Paths of the sockets, one a NIC.
    public var sockets: [String] = []
    public var model = Intel8254x.Options()
    public var mtu = 1500
    /// Several NICs share one network: a cable between two, a switch for more, and for `slirp` a switch with an uplink.
    /// Impairment and capture are on the first one's cable.
    public var cable = Cable.Options()
    /// An option ROM, for each of the NICs.
    public var expansionROM: [UInt8]?
    public var seed: UInt64 = 0
    /// Gets a line an event.
    public var eventSink: (@Sendable (String) -> Void)?

    public init() {}
  }

  /// The most NICs of one host: device numbers 1...31 of bus 0.
  public static let deviceLimit = 31

  public let loop: EpollLoop
  public let tap: EventTap
  public let devices: [ServedDevice]
  private let machine: Machine
  private let cables: [Cable]
  private let uplink: Cable?
  private let splice: Splice?

  /// Builds the NICs with their cables and listens on all sockets.
  public init(_ options: Options) throws(BenchError) {
    guard (1...Self.deviceLimit).contains(options.sockets.count) else {
      throw .badOption(name: "--socket", reason: "1 to \(Self.deviceLimit) sockets, one a NIC")
    }
    let last = options.hardwareAddress.rawValue + UInt64(options.sockets.count - 1)
    guard options.hardwareAddress.rawValue != 0, !options.hardwareAddress.isGroup, last >> 48 == 0 else {
      throw .badOption(name: "--mac \(options.hardwareAddress)", reason: "not the address of one station")
    }
    do throws(LoopError) { loop = try EpollLoop(seed: options.seed) } catch {
      throw .badOption(name: "event loop", reason: error.description)
    }
    // A guest waits for the answer to each register read, and while it has traffic the next one is near.
    loop.alertness = .milliseconds(20)
    tap = EventTap(on: loop)
    if let sink = options.eventSink { EventPrinter(write: sink).attach(to: tap) }
    var settings = Machine.Options()
    // Guest memory is the client's.
    settings.memoryByteCount = 4096
    do throws(MachineError) { machine = try Machine(on: loop, tap: tap, options: settings) } catch {
      throw .machine(error)
    }
    (cables, uplink, splice) = try Self.cables(options, on: loop, tap: tap)
    var devices: [ServedDevice] = []
    for (index, path) in options.sockets.enumerated() {
      let device = try ServedDevice(options, index, path: path, in: machine, on: loop, tap: tap)
      device.model.plug(into: cables[index].wire)
      devices.append(device)
    }
    self.devices = devices
  }

  /// A cable for each NIC.
  private static func cables(
    _ options: Options, on loop: EpollLoop, tap: EventTap
  ) throws(BenchError) -> ([Cable], uplink: Cable?, Splice?) {
    let count = options.sockets.count
    guard count > 1 else {
      return ([try Cable(options.cable, mtu: options.mtu, name: "nic0", on: loop, tap: tap)], nil, nil)
    }
    var ends: [any Wire]
    var uplink: Cable?
    var splice: Splice?
    if options.cable.end == .loopback {
      if count == 2 {
        let cable = LoopWire(on: loop)
        ends = [cable.a, cable.b]
      } else {
        ends = SwitchWire(on: loop, portCount: count).ports
      }
    } else {
      let fabric = SwitchWire(on: loop, portCount: count + 1)
      ends = Array(fabric.ports[..<count])
      var far = Cable.Options()
      far.end = options.cable.end
      far.slirp = options.cable.slirp
      let cable = try Cable(far, mtu: options.mtu, name: "uplink", on: loop, tap: tap)
      uplink = cable
      splice = Splice(fabric.ports[count], cable.wire)
    }
    var cables: [Cable] = []
    for (index, end) in ends.enumerated() {
      let own = index == 0 ? options.cable : Cable.Options()
      cables.append(try Cable(own, to: end, name: "nic\(index)", on: loop, tap: tap))
    }
    return (cables, uplink, splice)
  }

  /// Serves until the task is cancelled.
  public func run() async {
    _ = await Waiter(on: loop).wait()
  }

  /// Ends all connections, removes the sockets, flushes the capture.
  public func close() throws(BenchError) {
    for device in devices {
      device.server.close()
      device.model.plug(into: nil)
    }
    for cable in cables { try cable.close() }
    try uplink?.close()
  }

  /// What servers, models and cables have counted.
  public var report: PathReport {
    var report = PathReport()
    for (device, cable) in zip(devices, cables) {
      report.add("vfio-user \(device.server.name)", device.server.counters)
      report.add("model \(device.model.controller) \(device.server.name)", device.model.counters)
      cable.add(to: &report)
    }
    uplink?.add(to: &report)
    report.add("loop", loop.counters)
    return report
  }
}

/// A NIC of a ``DeviceHost``.
public final class ServedDevice {
  public let model: Intel8254x
  public let server: VfioUserServer

  init(
    _ options: DeviceHost.Options, _ index: Int, path: String, in machine: Machine, on loop: EpollLoop, tap: EventTap
  ) throws(BenchError) {
    let name = "nic\(index)"
    do {
      let registers = try machine.makeRegisterFile(byteCount: Intel8254xBAR.memoryByteCount)
      let address = PCIAddress(bus: 0, device: UInt8(index + 1), function: 0)
      model = try Intel8254x(
        options.controller, address: MACAddress(rawValue: options.hardwareAddress.rawValue + UInt64(index)), loop: loop,
        tap: tap, registers: registers.window, name: name, options: options.model)
      let rom = try options.expansionROM.map { try ExpansionROM($0) }
      if let rom { try model.configuration.addExpansionROM(byteCount: rom.byteCount) }
      try machine.expose(
        model, at: address, name: options.controller.description, registers: [Intel8254xBAR.memory: registers])
      server = try VfioUserServer(
        model, on: loop, tap: tap, path: path, name: name, address: address, expansionROM: rom)
    } catch let error as VfioUserError {
      throw .vfioUser(error)
    } catch let error as MachineError {
      throw .machine(error)
    } catch {
      throw .badOption(name: "--socket \(path)", reason: String(describing: error))
    }
  }
}
