import EventLoop
import Link
import Memory
import Packets

// Datagrams with options in their header (IP_OPTIONS): few, and off the way of all others.
extension Path {
  /// Octets of options in the header of every datagram of the path.
  var optionLength: Int { headerLength &- Path.plainHeaderLength }

  /// Octets of the IPv4 header.
  var networkHeaderLength: Int { headerLength &- EthernetField.headerLength }

  /// Sends a buffer whose transport header is complete behind a header with options.
  @inline(never)
  func submitWithOptions(
    _ buffer: DatagramBuffer, _ transportLength: Int, _ protocol: IPProtocol, tos: UInt8, ttl: UInt8,
    identification: UInt16, fragment: UInt16
  ) {
    guard let headerOptions, let source = source.v4, let destination = destination.v4 else { return }
    let wall = (loop.epochNanoseconds &+ loop.now.nanoseconds) / 1_000_000
    let options = headerOptions.encoded(
      source: source, destination: destination, time: UInt32(truncatingIfNeeded: wall % 86_400_000),
      isLater: fragment & 0x1FFF != 0)
    let header = buffer.frame.window.slice(EthernetField.headerLength, networkHeaderLength)
    let words = networkHeaderLength / 4
    header.storeBigEndian(UInt16(0x4000 | words << 8) | UInt16(tos), 0)
    header.storeBigEndian(
      UInt16(truncatingIfNeeded: networkHeaderLength + transportLength), IPv4Field.totalLength)
    header.storeBigEndian(identification, IPv4Field.identification)
    header.storeBigEndian(fragment, IPv4Field.fragment)
    header.store(ttl, IPv4Field.timeToLive)
    header.store(`protocol`.rawValue, IPv4Field.protocol)
    header.store(UInt16(0), IPv4Field.checksum)
    header.storeBigEndian(sourceWord, IPv4Field.source)
    header.storeBigEndian(destinationWord, IPv4Field.destination)
    unsafe header.copy(from: options.span.bytes, to: IPv4Field.minimumLength)
    header.storeBigEndian(InternetChecksum.checksum(of: header.bytes(0, networkHeaderLength)), IPv4Field.checksum)
    submitWhole(DatagramBuffer(window: header, frame: buffer.frame), length: networkHeaderLength + transportLength)
  }
}
