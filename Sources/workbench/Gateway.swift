import ArgumentParser
import Bench
import EventLoop
import NetStack
import Packets
import Wires

struct GatewayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gateway",
    abstract: "The network of a guest whose NIC is QEMU's: DHCP server, router to libslirp, HTTP origin.",
    discussion: """
      The wire is a socket of a QEMU network backend: stream:listen:unix:PATH, stream:unix:PATH, \
      stream:listen:HOST:PORT, stream:HOST:PORT, dgram:unix:LOCAL:REMOTE or dgram:HOST:PORT:HOST:PORT, the own end \
      first. Runs until Ctrl-C, and prints what each layer has counted.

      EXAMPLES
        workbench gateway --wire stream:listen:unix:/tmp/guest.sock --origin 8080
        qemu-system-x86_64 … -device e1000,netdev=net0 \\
          -netdev stream,id=net0,server=off,addr.type=unix,addr.path=/tmp/guest.sock
      """)

  @Option(help: ArgumentHelp("The socket that the guest's QEMU is met at.", valueName: "address"))
  var wire: String

  @Option(help: ArgumentHelp("The guest's network, with the gateway's address in it.", valueName: "address/bits"))
  var subnet = GatewayOptions.standardSubnet.description

  @Flag(name: .customLong("no-dhcp"), help: "Give out no addresses.")
  var noDHCP = false

  @Flag(help: "Do not route: the guest reaches the gateway only.")
  var noRoute = false

  @Option(help: ArgumentHelp("Serve HTTP (/bytes/N) to the guest on this port.", valueName: "port"))
  var origin: UInt16?

  @Option(help: ArgumentHelp("The file that DHCP tells the guest to boot from.", valueName: "name or URL"))
  var bootFile: String?

  @Option(help: ArgumentHelp("A folder that the guest reaches by TFTP at the host's address.", valueName: "folder"))
  var tftp: String?

  @Option(help: ArgumentHelp("Largest IP datagram of a frame, 88 to 16110 bytes.", valueName: "bytes"))
  var mtu = 1500

  @Option(help: ArgumentHelp("Faults on the guest's wire; see 'workbench fetch --help'.", valueName: "faults"))
  var impair: String?

  @Option(help: ArgumentHelp("Write every frame of both sides to a pcapng file.", valueName: "file"))
  var capture: String?

  @Option(help: ArgumentHelp("Seed of all randomness.", valueName: "number"))
  var seed: UInt64?

  @Flag(name: [.customShort("v"), .long], help: "Print every event of every layer, a line each, to standard error.")
  var verbose = false

  @Flag(help: "Print the counters as JSON.")
  var json = false

  func run() throws {
    try OutputFiles.check([("--capture", capture)])
    OutputFiles.announceWaiting(for: capture)
    let gateway: Gateway
    do { gateway = try Gateway(options()) } catch let error as BenchError { throw CommandFailure(error.description) }
    let signals = Signals { [loop = gateway.loop] in loop.stop() }
    defer { signals.cancel() }
    do {
      try gateway.loop.run {
        let result: Result<Void, any Error>
        do {
          try await gateway.start()
          announce(gateway)
          while !Task.isCancelled { try await gateway.loop.sleep(for: .seconds(3600)) }
          result = .success(())
        } catch {
          result = .failure(error)
        }
        let report = gateway.report
        let leases = gateway.leases
        try await gateway.stop()
        if !signals.wereCaught { try result.get() }
        if json { try Output.json(report.layers) } else { try show(report, leases) }
      }
    } catch let failure as CommandFailure {
      throw failure
    } catch {
      throw CommandFailure(String(describing: error))
    }
  }

  private func options() throws -> GatewayOptions {
    let address: WireAddress
    do throws(WireAddressError) { address = try WireAddress(wire) } catch {
      throw CommandFailure.usage("--wire: \(error.description)")
    }
    var options = GatewayOptions(wire: address)
    guard let subnet = IPv4Subnet(subnet), (1...30).contains(subnet.prefixLength), subnet.address != subnet.network,
      subnet.address != subnet.broadcast
    else {
      throw CommandFailure.usage(
        "--subnet \(self.subnet): write the gateway's address and the prefix, e.g. 192.168.76.1/24")
    }
    guard !options.slirp.network.contains(subnet.address), !subnet.contains(options.slirp.host) else {
      throw CommandFailure.usage("--subnet \(self.subnet): overlaps libslirp's \(options.slirp.network)")
    }
    guard Station.Options.mtuRange.contains(mtu) else { throw CableArguments.badMTU(mtu) }
    try CableArguments.checkCapture(capture)
    guard origin != 0 else { throw CommandFailure.usage("--origin 0: not a port") }
    options.subnet = subnet
    options.servesDHCP = !noDHCP
    options.routes = !noRoute
    options.originPort = origin
    options.bootFile = bootFile
    options.slirp.tftpFolder = tftp
    options.mtu = mtu
    if let impair {
      do { options.impairment = try ImpairmentSettings(impair) } catch {
        throw CommandFailure.usage("--impair: \(error)")
      }
    }
    options.capturePath = capture
    options.seed = seed ?? UInt64.random(in: 0...UInt64(UInt32.max))
    if verbose { options.eventSink = { Diagnostics.print($0) } }
    return options
  }

  /// What the gateway offers, on standard error: standard output is the counters'.
  private func announce(_ gateway: Gateway) {
    let options = gateway.options
    var lines = ["gateway \(options.subnet.address) waits for a guest at \(options.wire)"]
    lines.append("  QEMU:    -device e1000,netdev=net0 -netdev \(options.wire.netdevOption(id: "net0"))")
    if options.servesDHCP {
      let pool = DHCPServerConfiguration(serving: options.subnet)
      lines.append("  DHCP:    \(pool.firstAddress) to \(pool.lastAddress)")
    } else {
      lines.append("  no DHCP: give the guest an address in \(options.subnet.network)/\(options.subnet.prefixLength)")
    }
    if let outer = gateway.outerAddress {
      lines.append(
        "  routing: to libslirp as \(outer); \(options.slirp.host) is the host's loopback, "
          + "\(options.slirp.nameServer) its name server")
    }
    if let port = options.originPort {
      lines.append("  HTTP:    http://\(options.subnet.address):\(port)/bytes/1000000")
    }
    lines.append("  Ctrl-C ends it")
    for line in lines { Diagnostics.print(line) }
  }

  private func show(_ report: PathReport, _ leases: [DHCPServerLease]) throws {
    for lease in leases {
      try Output.line(
        "lease \(lease.address) of \(lease.hardwareAddress) \(lease.hostName ?? "") \(lease.state.rawValue)")
    }
    try Output.line(report.text)
  }
}
