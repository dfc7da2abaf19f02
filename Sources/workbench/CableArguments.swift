import ArgumentParser
import Bench
import Packets
import Wires

/// The options of every command that has a NIC's cable: where it ends, what is on the way, and how to report.
struct CableArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Where the NIC's cable ends: slirp (the host's network, without root), loop (every frame comes back), or a QEMU's \
      socket backend: stream:[listen:]unix:PATH, stream:[listen:]HOST:PORT, dgram:unix:LOCAL:REMOTE, \
      dgram:HOST:PORT:HOST:PORT.
      """, valueName: "wire"))
  var wire = "slirp"

  @Option(help: ArgumentHelp("Largest IP datagram of a frame, 88 to 16110 bytes.", valueName: "bytes"))
  var mtu = 1500

  @Option(
    help: ArgumentHelp(
      """
      Faults on the wire, e.g. loss=1%,delay=20ms±5ms,reorder=1%,duplicate=1%,corrupt=0.1%,rate=100mbit; one direction \
      only with in. or out. in front.
      """, valueName: "faults"))
  var impair: String?

  @Option(help: ArgumentHelp("Write every frame to a pcapng file or a FIFO.", valueName: "file"))
  var capture: String?

  @Option(
    help: ArgumentHelp(
      """
      Let a port of the host's loopback lead to a port behind the NIC, e.g. 8080:80 or udp:5353:53 or \
      tcp:8080:10.0.2.16:80; may be repeated.
      """, valueName: "forward"))
  var forward: [String] = []

  @Option(help: ArgumentHelp("Offer the files of a folder by TFTP, read-only.", valueName: "folder"))
  var tftp: String?

  @Option(help: ArgumentHelp("The file that DHCP names for booting from the network.", valueName: "name"))
  var bootFile: String?

  @Flag(help: "Let slirp reach nothing but what is forwarded and its own services.")
  var restricted = false

  @Option(help: ArgumentHelp("Seed of all randomness.", valueName: "number"))
  var seed: UInt64?

  @Flag(name: [.customShort("v"), .long], help: "Print every event of every layer, a line each, to standard error.")
  var verbose = false

  @Flag(help: "Print the result as JSON.")
  var json = false

  var seedOrRandom: UInt64 { seed ?? UInt64.random(in: 0...UInt64(UInt32.max)) }

  /// Where the events go.
  var eventSink: (@Sendable (String) -> Void)? {
    guard verbose else { return nil }
    return { Diagnostics.print($0) }
  }

  func options() throws -> Cable.Options {
    var options = Cable.Options()
    switch wire {
    case "slirp": options.end = .slirp
    case "loop": options.end = .loopback
    case let text where WireAddress.isMeant(by: text):
      do { options.end = .socket(try WireAddress(text)) } catch { throw CommandFailure.usage("--wire: \(error)") }
    default:
      throw CommandFailure.usage(
        "--wire \(wire): not a wire of this bench; try slirp, loop, stream:… or dgram:…, as --help says")
    }
    guard Station.Options.mtuRange.contains(mtu) else { throw Self.badMTU(mtu) }
    try Self.checkCapture(capture)
    if let impair {
      do { options.impairment = try ImpairmentSettings(impair) } catch {
        throw CommandFailure.usage("--impair: \(error)")
      }
    }
    options.capturePath = capture
    try addSlirp(to: &options)
    return options
  }

  static func badMTU(_ mtu: Int) -> CommandFailure {
    let range = Station.Options.mtuRange
    let reason = mtu < range.lowerBound ? "; less leaves no room for a TCP segment of 48 bytes and its headers" : ""
    return .usage("--mtu \(mtu): not in \(range.lowerBound)...\(range.upperBound)\(reason)")
  }

  /// `-` means standard output elsewhere, where results are printed here.
  static func checkCapture(_ path: String?) throws {
    guard path != "-" else {
      throw CommandFailure.usage("--capture -: frames go to a file or a FIFO (mkfifo), standard output is for results")
    }
  }

  /// Options that were given and are about the cable itself.
  var given: [String] {
    [
      ("--wire", wire != "slirp"), ("--impair", impair != nil), ("--capture", capture != nil),
    ].filter(\.1).map(\.0) + givenForSlirp
  }

  private var givenForSlirp: [String] {
    [
      ("--forward", !forward.isEmpty), ("--tftp", tftp != nil), ("--boot-file", bootFile != nil),
      ("--restricted", restricted),
    ].filter(\.1).map(\.0)
  }

  private func addSlirp(to options: inout Cable.Options) throws {
    if let name = givenForSlirp.first, options.end != .slirp {
      throw CommandFailure.usage("\(name): only for --wire slirp")
    }
    guard bootFile == nil || tftp != nil else { throw CommandFailure.usage("--boot-file needs --tftp") }
    options.slirp.forwards = try forward.map(Self.forward)
    options.slirp.tftpFolder = tftp
    options.slirp.bootFile = bootFile
    options.slirp.isRestricted = restricted
  }

  /// `[tcp:|udp:]HOSTPORT:[GUESTADDRESS:]GUESTPORT`
  private static func forward(_ text: String) throws -> PortForward {
    var parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    let transport = PortForward.Transport(rawValue: parts[0])
    if transport != nil { parts.removeFirst() }
    let guest = parts.count == 3 ? IPv4Address(parts.remove(at: 1)) : nil
    guard parts.count == 2, text.split(separator: ":").count - (transport == nil ? 0 : 1) == (guest == nil ? 2 : 3),
      let hostPort = UInt16(parts[0]), let guestPort = UInt16(parts[1]), hostPort > 0, guestPort > 0
    else {
      throw CommandFailure.usage(
        "--forward \(text): write [tcp:|udp:]HOSTPORT:[GUESTADDRESS:]GUESTPORT, e.g. 8080:80")
    }
    return PortForward(
      transport ?? .tcp, hostPort: hostPort, guestAddress: guest.map { IPAddress($0) }, guestPort: guestPort)
  }
}
