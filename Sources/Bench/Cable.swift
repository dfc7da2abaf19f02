import EventLoop
import Events
import Link
import PacketCapture
import Wires

/// The cable of a NIC: where it ends, and what sits on it between NIC and end (nearest the end first): impairment,
/// capture.
public final class Cable {
  /// Where a cable ends.
  public enum End: Sendable, Equatable {
    /// In libslirp: the network of the host.
    case slirp
    /// In a plug that returns every frame.
    case loopback
    /// In the socket of a QEMU's network backend: the guest's NIC is QEMU's, and we are its peer.
    case socket(WireAddress)
  }

  public struct Options: Sendable {
    public var end = End.slirp
    public var slirp = SlirpSettings()
    public var impairment: ImpairmentSettings?
    /// A pcapng file that gets every frame between NIC and impairment.
    public var capturePath: String?

    public init() {}
  }

  /// The NIC's end.
  public let wire: any Wire
  private let options: Options
  private let slirp: SlirpWire?
  /// The QEMU socket, if the cable ends there.
  public let socket: (any SocketWire)?
  private let plug: LoopbackPlug?
  private let impairment: ImpairmentWire?
  private let capture: CaptureWire?

  /// A cable for a NIC called `name` in captures, with datagrams of at most `mtu` bytes. `recorder`: where the frames
  /// are captured together with those of other cables; its owner closes it.
  public convenience init(
    _ options: Options, mtu: Int, name: String, recorder: PcapngWriter? = nil, on loop: EpollLoop, tap: EventTap
  ) throws(BenchError) {
    switch options.end {
    case .slirp:
      var settings = options.slirp
      settings.mtu = mtu
      let slirp: SlirpWire
      do throws(SlirpError) { slirp = try SlirpWire(on: loop, settings: settings) } catch { throw .slirp(error) }
      slirp.tap = tap
      try self.init(options, to: slirp, name: name, recorder: recorder, on: loop, tap: tap)
    case .loopback:
      try self.init(options, to: LoopbackPlug(on: loop), name: name, recorder: recorder, on: loop, tap: tap)
    case .socket(let address):
      let socket: any SocketWire
      do throws(SocketWireError) { socket = try address.open(on: loop) } catch { throw .socketWire(error) }
      socket.tap = tap
      try self.init(options, to: socket, name: name, recorder: recorder, on: loop, tap: tap)
    }
  }

  /// A cable that ends in `end`, whatever the options say of it.
  public init(
    _ options: Options, to end: any Wire, name: String, recorder: PcapngWriter? = nil, on loop: any EventLoop,
    tap: EventTap
  ) throws(BenchError) {
    self.options = options
    slirp = end as? SlirpWire
    socket = end as? any SocketWire
    plug = end as? LoopbackPlug
    var wire = end
    if let settings = options.impairment, !settings.isNone {
      let middle = ImpairmentWire(wire, on: loop, settings: settings)
      middle.tap = tap
      impairment = middle
      wire = middle
    } else {
      impairment = nil
    }
    do {
      if let recorder {
        capture = CaptureWire(wire, on: loop, writer: recorder, interface: try recorder.addInterface(name: name))
      } else {
        capture = try options.capturePath.map { try CaptureWire(wire, on: loop, path: $0, name: name) }
      }
    } catch {
      throw .capture(options.capturePath ?? name, error)
    }
    if let capture { wire = capture }
    self.wire = wire
  }

  /// Lets connections to a port of the host's loopback reach the NIC's side.
  public func forward(_ forward: PortForward) throws(BenchError) {
    guard let slirp else {
      throw .badOption(name: "port forward \(forward.hostPort)", reason: "the cable does not end in slirp")
    }
    do throws(SlirpError) { try slirp.add(forward) } catch { throw .slirp(error) }
  }

  /// Ends the network at the end, and flushes the capture.
  public func close() throws(BenchError) {
    slirp?.close()
    socket?.close()
    guard let path = options.capturePath else { return }
    do { try capture?.close() } catch { throw .capture(path, error) }
  }

  /// Adds what is on the cable to a report, under `name` where a report has several cables.
  public func add(to report: inout PathReport, as name: String? = nil) {
    if let slirp { report.add("wire: \(name ?? "slirp")", slirp.counters) }
    if let socket { report.add("wire: \(name ?? "\(socket.address)")", socket.counters) }
    if let plug { report.add("wire: \(name ?? "loopback")", plug.counters) }
    if let impairment { report.add("wire: impairment", impairment.counters) }
    if let capture { report.add(name.map { "capture: \($0)" } ?? "wire: capture", capture.counters) }
  }
}
