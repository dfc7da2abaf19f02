import IntelNIC
import Memory
import Packets

/// Putting frames together from descriptors: fragments, checksums, VLAN tag, padding and FCS (manual sections 3.3.3 to
/// 3.3.7).
extension Intel8254x {
  /// Takes one descriptor that is not a whole plain frame. False: it is to be taken again later, because the wire had
  /// no room or the budget is used up.
  @inline(never) func take(_ descriptor: TransmitDescriptor, _ batch: inout TransmitBatch) -> Bool {
    if descriptor.isExtended {
      if descriptor.isContext {
        takeContext(TransmitContext(descriptor))
        return true
      }
      guard descriptor.isData else {
        refuse(.unknownDescriptor)
        if assembly.isOpen { assembly.isBad = true }
        return true
      }
    }
    if assembly.isResuming {
      assembly.isResuming = false
    } else {
      begin(descriptor)
    }
    let generation = transmitGeneration
    if !gather(descriptor, &batch) || !finish(descriptor, &batch) {
      assembly.isResuming = transmitGeneration == generation
      return false
    }
    assembly.taken = 0
    return true
  }

  private func takeContext(_ context: TransmitContext) {
    if assembly.isOpen { refuse(.contextInsideFrame) }
    if context.command.contains(.segment) {
      assembly.segmentationContext = context
    } else {
      assembly.checksumContext = context
    }
  }

  private func begin(_ descriptor: TransmitDescriptor) {
    if !assembly.isOpen {
      assembly.open(descriptor)
      if assembly.isSegmenting { checkSegmentation() }
    } else if assembly.isExtended != descriptor.isExtended {
      refuse(.mixedDescriptors)
      assembly.isBad = true
    }
    // Segments leave before the last descriptor is seen: their tag is the first one's.
    if descriptor.command.contains(.insertVLAN), vlanMode, !assembly.isSegmenting || assembly.length == 0 {
      assembly.tag = descriptor.special
      assembly.hasTag = true
    }
  }

  private var vlanMode: Bool { DeviceControl(rawValue: load(Register.deviceControl)).vlanMode }

  /// Copies what the descriptor points at. False: the wire has no room for a segment.
  private func gather(_ descriptor: TransmitDescriptor, _ batch: inout TransmitBatch) -> Bool {
    let length = assembly.isExtended ? descriptor.dataLength : descriptor.legacyLength
    guard assembly.taken < length, !assembly.isBad else { return true }
    guard descriptor.address != 0 else {
      spoil(.nullTransmitBuffer)
      return true
    }
    guard let buffer = dma.resolve(descriptor.address, length, .read) else {
      spoil(.dmaRefused)
      return true
    }
    if assembly.isSegmenting { return segment(buffer, &batch) }
    let place = assembly.length
    guard length <= FrameScratch.largestFrame &- place else {
      spoil(.oversizeTransmit)
      return true
    }
    scratch.transmit.copy(from: buffer, at: 0, count: length, to: FrameScratch.headroom &+ place)
    assembly.length = place &+ length
    assembly.taken = length
    return true
  }

  /// The frame is refused, for `error`.
  func spoil(_ error: GuestError) {
    refuse(error)
    assembly.isBad = true
    if assembly.isSegmenting { add(1, to: Statistic.segmentationFailures) }
  }

  /// Ends the frame, if this is its last descriptor. False: the wire has no room for it.
  private func finish(_ descriptor: TransmitDescriptor, _ batch: inout TransmitBatch) -> Bool {
    guard descriptor.command.contains(.endOfPacket) else { return true }
    if !assembly.isBad {
      if assembly.isSegmenting {
        guard finishSegments(&batch) else { return false }
      } else {
        if !assembly.isReady { complete(descriptor) }
        if assembly.isReady {
          guard send(scratch.transmit.slice(assembly.start, assembly.length), &batch) else { return false }
        }
      }
    }
    if assembly.isBad { count.framesRefused &+= 1 }
    assembly.close()
    return true
  }

  /// Checksums, FCS, tag and padding of a frame that lies complete in the scratch memory.
  private func complete(_ descriptor: TransmitDescriptor) {
    // Descriptors without data are no frame.
    guard assembly.length > 0 else { return }
    let command = descriptor.command
    let frame = scratch.transmit.slice(FrameScratch.headroom, assembly.length)
    if assembly.isExtended {
      insertChecksums(frame, assembly.context, assembly.options)
    } else if command.contains(.insertChecksum) {
      insertChecksum(frame, start: descriptor.checksumStart, offset: descriptor.checksumOffset, end: 0, isUDP: false)
    }
    if !command.contains(.insertFCS) {
      guard assembly.length > 4 else { return spoil(.shortTransmit) }
      assembly.length &-= 4
      guard frame.load(assembly.length, as: UInt32.self) == frameCheck.checksum(of: frame.bytes(0, assembly.length))
      else { return spoil(.frameCheckSequence) }
    }
    guard assembly.length >= 14 else { return spoil(.shortTransmit) }
    ready()
    if assembly.length < 60, TransmitControl(rawValue: load(Register.transmitControl)).padShort {
      scratch.transmit.fill(0, at: assembly.start &+ assembly.length, count: 60 &- assembly.length)
      assembly.length = 60
    }
  }

  /// The frame of `assembly.length` bytes behind the headroom may go, with its tag.
  func ready() {
    assembly.isReady = true
    assembly.start = FrameScratch.headroom
    guard assembly.hasTag else { return }
    let start = FrameScratch.headroom &- 4
    scratch.transmit.copy(from: scratch.transmit, at: FrameScratch.headroom, count: 12, to: start)
    scratch.transmit.storeBigEndian(
      UInt16(truncatingIfNeeded: load(Register.vlanEtherType)), start &+ 12)
    scratch.transmit.storeBigEndian(assembly.tag, start &+ 14)
    assembly.start = start
    assembly.length &+= 4
  }

  // MARK: Checksums

  /// Copies a frame and inserts the checksums of the context: in one pass, if it is only the transport checksum, to the
  /// end of the frame.
  func copyWithChecksums(_ buffer: MemoryWindow, to frame: MemoryWindow, _ options: TransmitOptions) {
    let context = assembly.checksumContext
    let length = buffer.count
    guard options == .transportChecksum, context.transportEnd == 0, context.transportStart < length,
      context.transportOffset &+ 2 <= length
    else {
      frame.copy(from: buffer, at: 0, count: length, to: 0)
      return insertChecksums(frame, context, options)
    }
    let start = context.transportStart
    frame.copy(from: buffer, at: 0, count: start, to: 0)
    let sum = frame.slice(start, length &- start).copySumming(buffer.bytes(start, length &- start))
    // A UDP checksum of zero would say that there is none (RFC 768).
    frame.storeBigEndian(
      context.command.contains(.tcp) ? sum.checksum : sum.transportChecksum, context.transportOffset)
  }

  /// IXSM and TXSM of data descriptors, by the context (section 3.5).
  func insertChecksums(_ frame: MemoryWindow, _ context: TransmitContext, _ options: TransmitOptions) {
    if options.contains(.ipChecksum) {
      insertChecksum(frame, start: context.ipStart, offset: context.ipOffset, end: context.ipEnd, isUDP: false)
    }
    if options.contains(.transportChecksum) {
      insertChecksum(
        frame, start: context.transportStart, offset: context.transportOffset, end: context.transportEnd,
        isUDP: !context.command.contains(.tcp))
    }
  }

  /// Stores at `offset` the checksum of the bytes from `start` to `end` (inclusive; 0 = all there are), which take in
  /// what the field held before. A stretch that leaves the frame is refused; the frame goes as it is.
  func insertChecksum(_ frame: MemoryWindow, start: Int, offset: Int, end: Int, isUDP: Bool) {
    let limit = end == 0 ? frame.count : min(end &+ 1, frame.count)
    guard start < limit, offset &+ 2 <= frame.count else { return refuse(.checksumRange) }
    var sum = InternetChecksum()
    sum.add(frame.bytes(start, limit &- start))
    // A UDP checksum of zero would say that there is none (RFC 768).
    frame.storeBigEndian(isUDP ? sum.transportChecksum : sum.checksum, offset)
  }
}
