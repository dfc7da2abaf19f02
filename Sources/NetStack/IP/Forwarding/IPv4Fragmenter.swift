import Memory
import Packets

/// Cuts datagrams that are forwarded into fragments (RFC 791 3.2, RFC 1812 4.2.2.7): in memory of its own, which is
/// made when the first one comes.
final class IPv4Fragmenter {
  private var memory: SharedMemoryBlock?

  /// Sends the datagram in as many pieces as it takes; returns how many, nil if the device ran out of buffers.
  func send(_ header: borrowing IPv4Header, on path: Path, rewrite: AddressRewrite?) -> Int? {
    let memory = self.memory ?? SharedMemoryBlock(byteCount: 65_536)
    self.memory = memory
    let whole = memory.window
    let length = header.totalLength
    whole.copy(from: header.datagram)
    DatagramEdit.forward(whole, length: length, rewrite: rewrite)

    let headerLength = header.headerLength
    let later = Self.laterOptions(header.options)
    let start = header.fragmentOffset
    let payload = length - headerLength
    var offset = 0
    var pieces = 0
    while offset < payload {
      let ownHeader = offset == 0 ? headerLength : IPv4Field.minimumLength + later.count
      let step = (path.mtu - ownHeader) & ~7
      guard step >= 8 else { return nil }
      let isLast = payload - offset <= path.mtu - ownHeader
      let count = isLast ? payload - offset : step
      guard let buffer = path.reserveWhole(length: ownHeader + count) else { return nil }
      let window = buffer.window
      window.copy(from: whole, at: 0, count: min(ownHeader, headerLength), to: 0)
      if offset > 0 {
        unsafe window.copy(from: later.span.bytes, to: IPv4Field.minimumLength)
        window.store(UInt8(0x40 | ownHeader / 4), IPv4Field.versionAndLength)
      }
      window.copy(from: whole, at: headerLength + offset, count: count, to: ownHeader)
      let more: UInt16 = isLast && !header.moreFragments ? 0 : 0x2000
      window.storeBigEndian(UInt16(truncatingIfNeeded: ownHeader + count), IPv4Field.totalLength)
      window.storeBigEndian(more | UInt16(truncatingIfNeeded: (start + offset) / 8), IPv4Field.fragment)
      window.store(UInt16(0), IPv4Field.checksum)
      window.storeBigEndian(InternetChecksum.checksum(of: window.bytes(0, ownHeader)), IPv4Field.checksum)
      path.submitWhole(buffer, length: ownHeader + count, isForwarded: true)
      offset += count
      pieces += 1
    }
    return pieces
  }

  /// The options that are copied into every fragment (RFC 791 3.1), padded to a whole word.
  private static func laterOptions(_ options: RawSpan) -> [UInt8] {
    var kept: [UInt8] = []
    var offset = 0
    while offset < options.byteCount {
      let kind = options.octet(offset)
      if kind == 0 { break }
      let length = kind == 1 || offset + 1 >= options.byteCount ? 1 : max(Int(options.octet(offset + 1)), 1)
      if kind & 0x80 != 0 { kept += options.clamped(offset, length).array }
      offset += length
    }
    while kept.count & 3 != 0 { kept.append(0) }
    return kept
  }
}

/// Memory for one datagram, freed with its owner.
private final class SharedMemoryBlock {
  let window: MemoryWindow

  init(byteCount: Int) {
    unsafe window = MemoryWindow(.allocate(byteCount: byteCount, alignment: 64), count: byteCount)
  }

  deinit { unsafe window.baseAddress.deallocate() }
}
