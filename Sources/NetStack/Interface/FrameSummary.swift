import Packets

/// One line about a frame for the event stream; only made while somebody listens.
func frameSummary(_ frame: RawSpan) -> String {
  guard let ethernet = EthernetHeader(frame) else { return "short frame" }
  let prefix = "\(ethernet.source) > \(ethernet.destination)"
  switch ethernet.etherType {
  case .arp:
    guard let arp = ARPPacket(ethernet.payload) else { return "\(prefix) ARP, malformed" }
    return arp.operation == .request
      ? "\(prefix) ARP who has \(arp.targetAddress) tell \(arp.senderAddress)"
      : "\(prefix) ARP \(arp.senderAddress) is at \(arp.senderHardwareAddress)"
  case .ipv4:
    guard let ip = IPv4Header(quoted: ethernet.payload) else { return "\(prefix) IPv4, malformed" }
    return "\(prefix) IPv4 \(ip.source) > \(ip.destination) \(ip.protocol) length \(ip.totalLength)"
  default:
    return "\(prefix) \(ethernet.etherType)"
  }
}
