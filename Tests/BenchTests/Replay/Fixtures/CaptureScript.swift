import PacketCapture
import Packets

/// Who appears in the captures.
enum Cast {
  static let station = IPv4Address(192, 0, 2, 1)
  static let stationHardware = MACAddress(rawValue: 0x0200_0000_0001)
  static let peer = IPv4Address(192, 0, 2, 2)
  static let peerHardware = MACAddress(rawValue: 0x0200_0000_0002)
  /// A host that the station does not talk with.
  static let other = IPv4Address(192, 0, 2, 3)
  static let otherHardware = MACAddress(rawValue: 0x0200_0000_0003)
  static let settings = ["address 192.0.2.1/24", "mac 02:00:00:00:00:01"]
}

/// A capture of our own making: its frames in order, and the settings of the station that it is replayed to.
final class CaptureScript {
  enum Format { case pcap, pcapng }

  let name: String
  let format: Format
  let settings: [String]
  private(set) var frames: [CapturedFrame] = []
  /// Microseconds since the first frame.
  private(set) var time = 0

  /// 2025-06-01T12:00:00Z, in nanoseconds.
  private static let start: UInt64 = 1_748_779_200_000_000_000

  init(
    _ name: String, _ format: Format = .pcapng, base: [String] = Cast.settings, settings: [String] = []
  ) {
    self.name = name
    self.format = format
    self.settings = base + settings
  }

  var path: String { name + (format == .pcap ? ".pcap" : ".pcapng") }

  func wait(_ microseconds: Int) { time += microseconds }

  /// A frame that reached the station.
  func inbound(_ frame: [UInt8], _ comment: String? = nil) { add(frame, .inbound, comment) }

  /// A frame that the captured station sent.
  func outbound(_ frame: [UInt8], _ comment: String? = nil) { add(frame, .outbound, comment) }

  private func add(_ frame: [UInt8], _ direction: FrameDirection, _ comment: String?) {
    frames.append(
      CapturedFrame(
        time: Self.start + UInt64(time) * 1000, bytes: frame, direction: format == .pcap ? nil : direction,
        comment: format == .pcap ? nil : comment))
  }

  /// The file. Classic files have microseconds and no directions.
  func bytes() throws -> [UInt8] {
    let sink = CaptureSink()
    switch format {
    case .pcap:
      let writer = try PcapWriter(sink, nanoseconds: false)
      for frame in frames { try writer.write(frame.bytes.span.bytes, time: frame.time) }
    case .pcapng:
      let writer = try PcapngWriter(sink, application: "wirebench fixtures")
      let interface = try writer.addInterface(name: "station", hardwareAddress: Cast.stationHardware)
      for frame in frames {
        try writer.write(
          frame.bytes.span.bytes, time: frame.time, interface: interface, direction: frame.direction,
          comment: frame.comment)
      }
    }
    return sink.bytes
  }

  /// The expectation before the first replay: settings alone.
  var header: String {
    (["replay 1", "# \(name): made by the tests of replay"] + settings).joined(separator: "\n") + "\n"
  }
}

extension CaptureScript {
  static let toStation = FrameBuilder(source: Cast.peerHardware, destination: Cast.stationHardware, identification: 7)
  static let toPeer = FrameBuilder(source: Cast.stationHardware, destination: Cast.peerHardware)
  static let peerToAll = FrameBuilder(source: Cast.peerHardware, destination: .broadcast)
  static let stationToAll = FrameBuilder(source: Cast.stationHardware, destination: .broadcast)

  /// The peer asks for the station's hardware address, and the station answers.
  func peerResolvesStation() {
    inbound(Self.peerToAll.arpRequest(from: Cast.peer, for: Cast.station))
    wait(40)
    outbound(Self.toPeer.arpReply(from: Cast.station, to: Cast.peer))
    wait(1000)
  }

  /// The station asks for the peer's hardware address, and the peer answers.
  func stationResolvesPeer(as address: IPv4Address = Cast.peer) {
    outbound(Self.stationToAll.arpRequest(from: Cast.station, for: address))
    wait(150)
    inbound(Self.toStation.arpReply(from: address, to: Cast.station))
    wait(20)
  }

  /// An echo request of the peer with `count` bytes.
  func ping(_ sequence: UInt16, count: Int = 56, builder: FrameBuilder = toStation, to: IPv4Address = Cast.station) {
    inbound(
      builder.icmp(
        from: Cast.peer, to: to, ICMPFields(type: 8, identifier: 77, sequenceNumber: sequence),
        payload: Self.pattern(count)))
  }

  static func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) } }
}
