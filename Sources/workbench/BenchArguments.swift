import ArgumentParser
import Bench
import IntelNIC
import Packets
import Wires

/// The options of every command that builds a bench.
struct BenchArguments: ParsableArguments {
  @Option(help: ArgumentHelp("The NIC: 82540em or 82545em.", valueName: "model"))
  var nic = "82540em"

  @Option(
    help: ArgumentHelp("Where the NIC's cable ends: slirp (the host's network, without root).", valueName: "wire"))
  var wire = "slirp"

  @Option(help: ArgumentHelp("Largest IP datagram of a frame, 68 to 16110 bytes.", valueName: "bytes"))
  var mtu = 1500

  @Option(
    help: ArgumentHelp(
      """
      Faults on the wire, e.g. loss=1%,delay=20ms±5ms,reorder=1%,duplicate=1%,corrupt=0.1%,rate=100mbit; one direction \
      only with in. or out. in front.
      """, valueName: "faults"))
  var impair: String?

  @Option(help: ArgumentHelp("Write every frame to a pcapng file.", valueName: "file"))
  var capture: String?

  @Option(help: ArgumentHelp("Seed of all randomness.", valueName: "number"))
  var seed: UInt64?

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

  @Flag(name: [.customShort("v"), .long], help: "Print every event of every layer, a line each, to standard error.")
  var verbose = false

  @Flag(help: "Print the result as JSON.")
  var json = false

  /// The bench that the arguments describe.
  func options() throws -> BenchOptions {
    var options = BenchOptions()
    switch nic.lowercased() {
    case "82540em": options.station.controller = .i82540EM
    case "82545em": options.station.controller = .i82545EM
    default: throw CommandFailure.usage("--nic \(nic): not a NIC of this bench; try 82540em or 82545em")
    }
    guard wire == "slirp" else {
      throw CommandFailure.usage("--wire \(wire): this command's bench ends in slirp; try --wire slirp")
    }
    guard (68...16110).contains(mtu) else {
      throw CommandFailure.usage("--mtu \(mtu): not in 68...16110")
    }
    options.station.mtu = mtu
    if let impair {
      do { options.impairment = try ImpairmentSettings(impair) } catch {
        throw CommandFailure.usage("--impair: \(error)")
      }
    }
    options.capturePath = capture
    options.seed = seed ?? UInt64.random(in: 0...UInt64(UInt32.max))
    options.station.machine.path = machine
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
    if verbose { options.eventSink = { Diagnostics.print($0) } }
    return options
  }
}
