import Events
import IntelNIC
import Link

/// Sending. Completion costs no interrupt as long as nobody waits: finished buffers are taken back at the next
/// doorbell, pass, or reservation that needs them. Only a reservation that fails lets TXDW through.
extension E1000Driver {
  /// A frame buffer for up to `mtu` + 18 bytes, or one of 64 KiB (65,664 bytes) for a large segment. Nil while stopped,
  /// if nothing is free, and (counted) if `capacity` is more than any buffer has: then no call of
  /// `transmitReady()` follows.
  public func reserve(capacity: Int) -> TransmitBuffer? {
    if let buffer = transmitRing.reserve(capacity: capacity) { return buffer }
    return reserveAfterReclaiming(capacity: capacity)
  }

  private func reserveAfterReclaiming(capacity: Int) -> TransmitBuffer? {
    if currentState == .running {
      guard capacity <= transmitRing.capacityLimit else {
        counted.oversizedReservations &+= 1
        return nil
      }
      if reclaimTransmitted() > 0, let buffer = transmitRing.reserve(capacity: capacity) { return buffer }
    }
    counted.transmitExhausted &+= 1
    isTransmitFreed = false
    if !isTransmitWanted {
      isTransmitWanted = true
      // Every descriptor the device knows of is covered by one with RS, so TXDW will come for the oldest; if it was set
      // since the cause was last read it is pending in ICR and comes at once. If it came before that reading, its
      // descriptor was already done when the reclaim above looked.
      if currentState == .running, !isMasked {
        registers.write(Register.interruptMaskSet, InterruptCauses.transmitWrittenBack.rawValue)
      }
    }
    return nil
  }

  public func release(_ buffer: TransmitBuffer) {
    guard let number = transmitRing.claim(buffer.token) else {
      counted.staleBuffers &+= 1
      return
    }
    transmitRing.giveBack(number)
    if isTransmitWanted { announceFreedBuffers() }
  }

  /// A frame is refused (counted, its buffer is free again) if it is shorter than an Ethernet header, longer than MTU
  /// and buffer allow, or asks for an offload that the device or ``features`` do not have. While the link is down it is
  /// counted and thrown away.
  public func submit(_ buffer: TransmitBuffer, length: Int, offload: TransmitOffload) {
    guard let number = transmitRing.claim(buffer.token) else {
      counted.staleBuffers &+= 1
      return
    }
    guard linkIsUp, length >= 14 else { return refuse(number, length: length) }
    if offload.segmentSize != 0 { return submitSegment(number, length: length, offload: offload) }
    // No buffer is smaller than this.
    guard length <= sizes.frame else { return refuse(number, length: length) }
    if offload.insertsTransportChecksum {
      guard configuration.checksumOffload, offload.canInsertChecksum(length: length) else {
        return refuse(number, length: length)
      }
      if transmitRing.submitChecksum(number, length: length, offload: offload) { counted.contextDescriptors &+= 1 }
      counted.checksumsOffloaded &+= 1
    } else {
      transmitRing.submitPlain(number, length: length)
    }
    counted.dataDescriptors &+= 1
    counted.framesSent &+= 1
    counted.bytesSent &+= UInt64(truncatingIfNeeded: length)
  }

  private func submitSegment(_ number: Int, length: Int, offload: TransmitOffload) {
    guard configuration.offersSegmentation, length <= transmitRing.byteCount(of: number),
      offload.insertsTransportChecksum, offload.canSegment(length: length),
      offload.headerByteCount + Int(offload.segmentSize) <= sizes.frame
    else { return refuse(number, length: length) }
    let pieces = transmitRing.submitSegment(number, length: length, offload: offload)
    counted.contextDescriptors += 1
    counted.segmentsOffloaded += 1
    counted.dataDescriptors += UInt64(pieces)
    counted.framesSent += 1
    counted.bytesSent += UInt64(length)
  }

  /// Frees the buffer of a frame that cannot be sent, and counts why.
  private func refuse(_ number: Int, length: Int) {
    if !linkIsUp {
      counted.transmitWithoutLink += 1
      if tap.isOn { tap.emit(.driver, .dropped(reason: "\(name): no link", length: length)) }
    } else {
      counted.transmitRefused += 1
      if tap.isOn { tap.emit(.driver, .dropped(reason: "\(name): length or offload refused", length: length)) }
    }
    transmitRing.giveBack(number)
    if isTransmitWanted { announceFreedBuffers() }
  }

  public func doorbell() {
    guard let tail = transmitRing.publish() else { return }
    // What the device finished since the last batch comes first: its buffers are the warmest.
    _ = reclaimTransmitted()
    registers.write(Register.transmitTail, tail)
    counted.doorbells &+= 1
  }

  /// Takes back what the device is done with; tells a waiting client in the next pass.
  @inline(__always) @discardableResult
  func reclaimTransmitted() -> Int {
    let freed = transmitRing.reclaim()
    if freed > 0, isTransmitWanted { announceFreedBuffers() }
    return freed
  }

  /// There are free buffers and somebody waits: the pass tells, never the middle of a client's own call.
  private func announceFreedBuffers() {
    isTransmitFreed = true
    receivePass.schedule()
  }
}
