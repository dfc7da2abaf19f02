import ArgumentParser
import Bench
import IntelNIC
import Packets

/// The options of every command that builds a bench.
struct BenchArguments: ParsableArguments {
  @Option(help: ArgumentHelp("The NIC: 82540em (the default) or 82545em.", valueName: "model"))
  var nic: String?

  @Option(
    help: ArgumentHelp(
      """
      MAC address in the NIC's EEPROM; default: 52:54:00:12:34:56, and behind a QEMU's socket, where a guest may have \
      that one, an address drawn by --seed.
      """, valueName: "address"))
  var mac: String?

  @Option(
    help: ArgumentHelp(
      """
      Where the NIC is: in-process, vfio-user:SOCKET (a workbench device, or another server), or qtest (QEMU's own \
      e1000, in a QEMU started for it).
      """, valueName: "attachment"))
  var attach = "in-process"

  @OptionGroup var cable: CableArguments

  @Option(help: ArgumentHelp("Fixed address instead of DHCP, e.g. 10.0.2.15/24.", valueName: "address/bits"))
  var address: String?

  @Option(help: ArgumentHelp("Default gateway; only with --address.", valueName: "address"))
  var gateway: String?

  @Option(
    help: ArgumentHelp("Name server, with an optional port; may be repeated.", valueName: "address[:port]"))
  var dns: [String] = []

  @Option(help: ArgumentHelp("Keep the machine's memory in a file instead of a memfd.", valueName: "file"))
  var machine: String?

  @Flag(help: "Leave segmentation to the stack instead of the NIC.")
  var noSegmentationOffload = false

  @Flag(help: "Leave checksums to the stack instead of the NIC.")
  var noChecksumOffload = false

  /// The bench that the arguments describe.
  func options() throws -> BenchOptions {
    var options = BenchOptions()
    options.station.board.controller = try nic.map(Self.controller) ?? .i82540EM
    options.station.mtu = cable.mtu
    options.cable = try cable.options()
    options.attachment = try attachment()
    options.seed = cable.seedOrRandom
    if let mac {
      options.station.board.hardwareAddress = try Self.hardwareAddress(mac)
    } else if case .socket = options.cable.end {
      options.station.board.hardwareAddress = MACAddress(rawValue: 0x0200_0000_0000 | options.seed & 0xFFFF_FFFF)
    }
    options.station.board.machine.path = machine
    options.station.driver.segmentation = !noSegmentationOffload
    options.station.driver.checksumOffload = !noChecksumOffload
    if let address {
      guard let subnet = IPv4Subnet(address) else {
        throw CommandFailure.usage("--address \(address): write an address and its prefix length, e.g. 10.0.2.15/24")
      }
      options.address = subnet
    }
    if let gateway {
      guard address != nil else { throw CommandFailure.usage("--gateway needs --address") }
      guard let router = IPv4Address(gateway) else {
        throw CommandFailure.usage("--gateway \(gateway): not an IPv4 address")
      }
      options.gateway = router
    }
    options.nameServers = try dns.map { text in
      let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard let address = IPv4Address(String(parts[0])), let port = parts.count == 2 ? UInt16(parts[1]) : 53, port > 0
      else { throw CommandFailure.usage("--dns \(text): write ADDRESS or ADDRESS:PORT") }
      return Endpoint(address, port)
    }
    if options.attachment == .inProcess, options.cable.end == .loopback, options.address == nil {
      throw CommandFailure.usage("--wire loop: no DHCP server answers there; give --address, e.g. 10.0.2.15/24")
    }
    options.eventSink = cable.eventSink
    options.notice = { Diagnostics.print("workbench: \($0)") }
    return options
  }

  var json: Bool { cable.json }

  private func attachment() throws -> Attachment {
    let attachment: Attachment
    switch attach {
    case "in-process": return .inProcess
    case "qtest": attachment = .qtest
    case let text where text.hasPrefix("vfio-user:") && text.count > 10:
      attachment = .vfioUser(path: String(text.dropFirst(10)))
    default:
      throw CommandFailure.usage("--attach \(attach): write in-process, vfio-user:SOCKET or qtest")
    }
    // NIC and cable are not here.
    let own = [("--machine", machine != nil), ("--mac", mac != nil), ("--nic", nic != nil)].filter(\.1).map(\.0)
    if let name = (cable.given.filter { attachment != .qtest || $0 != "--forward" } + own).first {
      throw CommandFailure.usage("\(name): the NIC and its cable are in another process; give it there")
    }
    guard attachment != .qtest || cable.mtu <= 1500 else {
      throw CommandFailure.usage("--mtu \(cable.mtu): QEMU's user network has 1500 bytes at the most")
    }
    return attachment
  }

  /// The address that `--mac` gives.
  static func hardwareAddress(_ text: String) throws -> MACAddress {
    guard let address = MACAddress(text), address.rawValue != 0, !address.isGroup else {
      throw CommandFailure.usage("--mac \(text): write the address of one station, e.g. 52:54:00:12:34:56")
    }
    return address
  }

  /// The controller that an option names.
  static func controller(_ name: String) throws -> IntelController {
    switch name.lowercased() {
    case "82540em": .i82540EM
    case "82545em": .i82545EM
    default: throw CommandFailure.usage("--nic \(name): not a NIC of this bench; try 82540em or 82545em")
    }
  }
}
