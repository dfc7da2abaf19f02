import EventLoop
import Packets

/// Keeps overlapping IPv4 fragments away from libslirp: of a datagram, each stretch of eight bytes goes in once.
///
/// Bounded: sixteen datagrams at a time, a bit for each eight bytes; the oldest is forgotten for a new one. A copy of a
/// fragment that went in before counts as overlap too.
final class FragmentGuard {
  private struct Datagram {
    var source: UInt32 = 0
    var destination: UInt32 = 0
    var identification: UInt16 = 0
    var transport: UInt8 = 0
    var isUsed = false
    var began = Instant.zero
    var units = [UInt64](repeating: 0, count: 128)
    /// Bytes that went in, and of how many (known from the last piece).
    var taken = 0
    var whole = Int.max
  }

  private var datagrams = [Datagram](repeating: Datagram(), count: 16)
  /// libslirp gives up an unfinished datagram after 30 s; nothing of an older one can overlap.
  private static let lifetime = TimeSpan.seconds(31)

  /// True if the fragment overlaps nothing that went in. `frame` is a checked IPv4 frame, untagged.
  func admits(_ frame: RawSpan, now: Instant) -> Bool {
    let at = 14
    let fragment = frame.loadBigEndian(at + 6, as: UInt16.self)
    guard fragment & 0x3FFF != 0 else { return true }
    let length = Int(frame.loadBigEndian(at + 2, as: UInt16.self)) - Int(frame.octet(at) & 15) * 4
    let offset = Int(fragment & 0x1FFF) * 8
    let slot = slot(for: frame, at, now: now)
    let first = offset / 8
    let last = (offset + length - 1) / 8
    // A last piece must end the datagram, and nothing may lie behind its end.
    let end = offset + length
    guard end <= datagrams[slot].whole else { return false }
    for unit in first...last where datagrams[slot].units[unit / 64] & (1 << UInt64(unit % 64)) != 0 { return false }
    if fragment & 0x2000 == 0 {
      guard datagrams[slot].whole == .max else { return false }
      datagrams[slot].whole = end
    }
    for unit in first...last { datagrams[slot].units[unit / 64] |= 1 << UInt64(unit % 64) }
    datagrams[slot].taken += length
    if datagrams[slot].taken >= datagrams[slot].whole { datagrams[slot].isUsed = false }
    return true
  }

  private func slot(for frame: RawSpan, _ at: Int, now: Instant) -> Int {
    let source = frame.loadBigEndian(at + 12, as: UInt32.self)
    let destination = frame.loadBigEndian(at + 16, as: UInt32.self)
    let identification = frame.loadBigEndian(at + 4, as: UInt16.self)
    let transport = frame.octet(at + 9)
    var oldest = 0
    for i in datagrams.indices {
      if datagrams[i].isUsed && datagrams[i].began + Self.lifetime < now { datagrams[i].isUsed = false }
      if datagrams[i].isUsed && datagrams[i].identification == identification && datagrams[i].source == source
        && datagrams[i].destination == destination && datagrams[i].transport == transport
      {
        return i
      }
      let isOlder = !datagrams[i].isUsed || datagrams[i].began < datagrams[oldest].began
      if datagrams[oldest].isUsed && isOlder { oldest = i }
    }
    datagrams[oldest].source = source
    datagrams[oldest].destination = destination
    datagrams[oldest].identification = identification
    datagrams[oldest].transport = transport
    datagrams[oldest].isUsed = true
    datagrams[oldest].began = now
    datagrams[oldest].taken = 0
    datagrams[oldest].whole = .max
    for word in datagrams[oldest].units.indices { datagrams[oldest].units[word] = 0 }
    return oldest
  }
}
