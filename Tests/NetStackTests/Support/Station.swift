import Link
import NetStack
import Packets

/// A station without a stack: a test writes its frames by hand and sees those that come to it.
final class Station: NetworkDeviceClient {
  let network: TestNetwork
  let device: TestDevice
  let address: IPv4Address
  /// Answers ARP requests for ``address``.
  var answersARP: Bool
  private(set) var frames: [[UInt8]] = []

  init(_ network: TestNetwork, _ address: String, answersARP: Bool = true) {
    self.network = network
    self.address = IPv4Address(address)!
    self.answersARP = answersARP
    device = network.addDevice()
    device.client = self
  }

  /// Frames from this station to `host`.
  func wire(to host: TestHost) -> FrameBuilder {
    FrameBuilder(source: device.hardwareAddress, destination: host.device.hardwareAddress)
  }

  func send(_ frame: [UInt8]) { network.inject(frame, from: device) }

  /// The received frames, which are then forgotten.
  func take() -> [[UInt8]] {
    defer { frames = [] }
    return frames
  }

  /// The IPv4 datagrams among the received frames, which are then forgotten.
  func takeDatagrams() -> [[UInt8]] {
    take().filter { $0.count > 34 && $0[12] == 8 && $0[13] == 0 }.map { frame in
      let packet = Array(frame[14...])
      return IPv4Header(packet.span.bytes)!.datagram.array
    }
  }

  /// The ARP packets among the received frames, which are then forgotten.
  func takeARP() -> [ARPPacket.Fields] {
    take().filter { $0.count >= 42 && $0[12] == 8 && $0[13] == 6 }.map { frame in
      ARPPacket(Array(frame[14...]).span.bytes)!.fields
    }
  }

  func received(_ frame: RawSpan, _ metadata: ReceiveMetadata) {
    frames.append(frame.array)
    guard answersARP, let header = EthernetHeader(frame), header.etherType == .arp,
      let arp = ARPPacket(header.payload), arp.operation == .request, arp.targetAddress == address,
      arp.senderAddress != address
    else { return }
    let wire = FrameBuilder(source: device.hardwareAddress, destination: arp.senderHardwareAddress)
    send(wire.arpReply(from: address, to: arp.senderAddress))
  }

  func receiveBatchEnded() {}
  func transmitReady() {}
  func linkChanged(isUp: Bool) {}
}
