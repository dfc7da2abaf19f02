import IntelNIC
import Memory

/// The statistics registers (manual section 13.7): they stick at all ones.
extension Intel8254x {
  /// Adds to a 32-bit counter.
  @inline(__always) func add(_ amount: UInt32, to counter: Int) {
    let (sum, overflow) = load(counter).addingReportingOverflow(amount)
    store(sum, counter)
    if overflow { saturate(counter) }
  }

  /// Adds to a 64-bit counter, whose low half is at `counter`.
  @inline(__always) func add64(_ amount: Int, to counter: Int) {
    let (sum, overflow) = registers.load(counter, as: UInt64.self).addingReportingOverflow(
      UInt64(truncatingIfNeeded: amount))
    registers.store(sum, counter)
    if overflow { saturate64(counter) }
  }

  @inline(never) private func saturate(_ counter: Int) { store(.max, counter) }
  @inline(never) private func saturate64(_ counter: Int) { registers.store(UInt64.max, counter) }

  /// Offset in bytes, from the counter of 64-byte frames, of the counter of frames of `length` bytes with FCS.
  @inline(__always) static func sizeClass(_ length: Int) -> Int {
    if length <= 64 { return 0 }
    return min(5, 58 &- length.leadingZeroBitCount) &* 4
  }

  /// A good frame left; `length` bytes with FCS.
  @inline(__always) func countTransmitted(_ length: Int, firstOctet: UInt8, destination: UInt64) {
    add(1, to: Statistic.transmittedOf64Bytes + Self.sizeClass(length))
    if firstOctet & 1 != 0 {
      add(
        1, to: destination == 0xFFFF_FFFF_FFFF ? Statistic.broadcastTransmitted : Statistic.multicastTransmitted)
    }
  }

  /// Frames and octets of one pass over the transmit ring.
  @inline(__always) func countTransmittedBatch(frames: Int, octets: Int) {
    let amount = UInt32(truncatingIfNeeded: frames)
    add(amount, to: Statistic.goodTransmitted)
    add(amount, to: Statistic.totalTransmitted)
    add64(octets, to: Statistic.goodOctetsTransmitted)
    add64(octets, to: Statistic.totalOctetsTransmitted)
    count.framesSent &+= UInt64(truncatingIfNeeded: frames)
  }

  /// A good frame was stored; `length` bytes with FCS, `destination` in memory order.
  @inline(__always) func countReceived(_ length: Int, destination: UInt64) {
    add(1, to: Statistic.receivedOf64Bytes + Self.sizeClass(length))
    add(1, to: Statistic.goodReceived)
    add64(length, to: Statistic.goodOctetsReceived)
    if destination & 1 != 0 {
      add(1, to: destination == 0xFFFF_FFFF_FFFF ? Statistic.broadcastReceived : Statistic.multicastReceived)
    }
  }
}
