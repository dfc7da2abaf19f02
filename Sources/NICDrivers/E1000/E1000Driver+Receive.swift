import Events
import IntelNIC
import Link
import Memory
import Synchronization

/// Receiving: from finished descriptors to the client.
extension E1000Driver {
  /// Hands finished frames to `client`, at most `limit` descriptors of them; returns the number of descriptors that
  /// were written anew, for which RDT is to be moved. Stops early if the client stopped the driver.
  func receive(limit: Int, _ client: any NetworkDeviceClient) -> Int {
    let ring = receiveRing
    let current = generation
    let isTracing = tap.isOn
    let verifies = settings.features.contains(.receiveChecksum)
    let wholeMask = ReceiveWord.done | ReceiveWord.endOfPacket | ReceiveWord.frameErrors
    let whole = ReceiveWord.done | ReceiveWord.endOfPacket
    let descriptors = ring.descriptors
    let buffers = ring.buffers
    let size = ring.bufferByteCount
    let count = ring.count
    var index = ring.next
    var taken = 0
    var bytes = 0
    var frames = 0
    guard count > 0 else { return 0 }
    while taken < limit {
      let descriptor = descriptors.slice(index &* ReceiveDescriptor.byteCount, ReceiveDescriptor.byteCount)
      let word = descriptor.load(8, as: UInt64.self)
      guard word & ReceiveWord.done != 0 else { break }
      // The device may be in another process: what it wrote before DD.
      atomicMemoryFence(ordering: .acquiring)
      taken &+= 1
      let offset = index &* size
      let length = Int(truncatingIfNeeded: word & 0xFFFF)
      if word & wholeMask == whole, length >= 14, length <= size, !ring.isInsideFrame {
        bytes &+= length
        frames &+= 1
        if isTracing { trace(length) }
        client.received(buffers.window.bytes(offset, length), verifies ? Self.metadata(word) : ReceiveMetadata())
      } else if let length = assemble(index, word) {
        bytes &+= length
        frames &+= 1
        if isTracing { trace(length) }
        client.received(ring.assembly.bytes(0, length), verifies ? Self.metadata(word) : ReceiveMetadata())
      }
      guard generation == current else { break }
      descriptor.store(buffers.busAddress &+ UInt64(truncatingIfNeeded: offset), 0)
      descriptor.store(0 as UInt64, 8)
      index = index &+ 1 == count ? 0 : index &+ 1
    }
    counted.framesReceived &+= UInt64(truncatingIfNeeded: frames)
    counted.bytesReceived &+= UInt64(truncatingIfNeeded: bytes)
    if generation == current { ring.next = index }
    return taken
  }

  /// Nobody takes frames: counts them, and gives the descriptors back.
  func discardReceived(limit: Int) -> Int {
    let ring = receiveRing
    var taken = 0
    while taken < limit, ring.isNextDone {
      counted.receiveWithoutClient += 1
      ring.free(ring.next)
      ring.next = ring.next + 1 == ring.count ? 0 : ring.next + 1
      ring.isInsideFrame = false
      ring.isDiscarding = false
      ring.assembled = 0
      taken += 1
    }
    return taken
  }

  /// What the device found out about the checksums (manual section 3.2.9).
  @inline(__always) static func metadata(_ word: UInt64) -> ReceiveMetadata {
    var metadata = ReceiveMetadata()
    guard word & ReceiveWord.ignoreChecksum == 0 else { return metadata }
    if word & ReceiveWord.networkChecked != 0 {
      metadata.networkChecksum = word & ReceiveWord.networkError != 0 ? .bad : .good
    }
    if word & ReceiveWord.transportChecked != 0 {
      metadata.transportChecksum = word & ReceiveWord.transportError != 0 ? .bad : .good
    }
    return metadata
  }

  /// Everything but a whole, sound frame in one descriptor: a part of a frame, a damaged one, or nonsense.
  /// Returns the length of a frame that is complete in the assembly memory now.
  private func assemble(_ index: Int, _ word: UInt64) -> Int? {
    let length = Int(truncatingIfNeeded: word & 0xFFFF)
    let isEnd = word & ReceiveWord.endOfPacket != 0
    defer {
      receiveRing.isInsideFrame = !isEnd
      if isEnd {
        receiveRing.isDiscarding = false
        receiveRing.assembled = 0
      }
    }
    guard !receiveRing.isDiscarding else { return nil }
    guard length <= receiveRing.bufferByteCount else {
      counted.receiveLengthErrors += 1
      return discard("length beyond the buffer", length)
    }
    if isEnd {
      // Errors are valid with EOP only.
      guard word & ReceiveWord.frameErrors == 0 else {
        counted.receiveErrors += 1
        return discard("damaged on the wire", length)
      }
      guard length >= 14 || receiveRing.isInsideFrame else {
        counted.receiveRunts += 1
        return discard("shorter than an Ethernet header", length)
      }
    }
    let assembled = receiveRing.assembled
    guard length <= receiveRing.assembly.count - assembled else {
      counted.receiveOversized += 1
      return discard("longer than the MTU allows", assembled + length)
    }
    receiveRing.assembly.copy(
      from: receiveRing.buffers.window, at: index * receiveRing.bufferByteCount, count: length, to: assembled)
    receiveRing.assembled = assembled + length
    guard isEnd else { return nil }
    guard assembled + length >= 14 else {
      counted.receiveRunts += 1
      return discard("shorter than an Ethernet header", assembled + length)
    }
    counted.framesAssembled += 1
    return assembled + length
  }

  /// A frame is lost: skip to its end.
  private func discard(_ reason: StaticString, _ length: Int) -> Int? {
    receiveRing.isDiscarding = true
    if tap.isOn { tap.emit(.driver, .dropped(reason: "\(name): \(reason)", length: length)) }
    return nil
  }

  @inline(never) private func trace(_ length: Int) {
    tap.emit(.driver, .frame(direction: "rx", length: length, summary: name))
  }
}
