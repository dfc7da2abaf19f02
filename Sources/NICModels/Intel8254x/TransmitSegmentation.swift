import IntelNIC
import Memory
import Packets

/// TCP segmentation (manual section 3.5): the headers of the first HDRLEN bytes go in front of every MSS bytes of what
/// follows; lengths, IPv4 identification, sequence number, flags and checksums are adapted.
extension Intel8254x {
  /// Refuses contexts that cannot be followed.
  func checkSegmentation() {
    let context = assembly.context
    let size = context.maximumSegmentSize
    let header = context.headerLength
    guard size > 0, header &+ size <= FrameScratch.largestFrame else { return spoil(.segmentSize) }
    let transport = context.transportStart
    guard context.ipStart >= 14, context.ipStart &+ (context.command.contains(.ipv4) ? 20 : 40) <= transport,
      transport &+ (context.command.contains(.tcp) ? 20 : 8) <= header, context.transportOffset &+ 2 <= header,
      context.ipOffset &+ 2 <= header
    else { return spoil(.segmentHeader) }
  }

  /// Takes the rest of a descriptor's buffer into headers and segments, and sends each segment that is full and not the
  /// last. False: the wire has no room, the budget is used up, or the wire called the guest, which took ring or memory
  /// away.
  func segment(_ buffer: MemoryWindow, _ batch: inout TransmitBatch) -> Bool {
    let header = assembly.context.headerLength
    let size = assembly.context.maximumSegmentSize
    let payload = assembly.context.payloadLength
    let generation = transmitGeneration
    let changes = dma.changes
    while assembly.taken < buffer.count {
      let rest = buffer.count &- assembly.taken
      if assembly.headerTaken < header {
        let part = min(header &- assembly.headerTaken, rest)
        scratch.header.copy(from: buffer, at: assembly.taken, count: part, to: assembly.headerTaken)
        assembly.headerTaken &+= part
        assembly.taken &+= part
        if assembly.headerTaken == header {
          guard headersAreRight else {
            spoil(.segmentProtocol)
            return true
          }
          beginSegment()
        }
        continue
      }
      let wanted = payload &- assembly.payloadTaken
      guard wanted > 0 else {
        if !assembly.hasExcess { refuse(.segmentLength) }
        assembly.hasExcess = true
        assembly.taken = buffer.count
        return true
      }
      if assembly.isReady || assembly.length == header &+ size {
        guard sendSegment(isLast: false, &batch) else { return false }
        beginSegment()
        guard transmitGeneration == generation, dma.changes == changes else { return false }
      }
      let part = min(header &+ size &- assembly.length, rest, wanted)
      scratch.transmit.copy(
        from: buffer, at: assembly.taken, count: part, to: FrameScratch.headroom &+ assembly.length)
      assembly.length &+= part
      assembly.payloadTaken &+= part
      assembly.taken &+= part
    }
    return true
  }

  /// The last descriptor has been taken: sends the last segment. False: no room or no budget.
  func finishSegments(_ batch: inout TransmitBatch) -> Bool {
    guard assembly.headerTaken == assembly.context.headerLength else {
      spoil(.segmentHeader)
      return true
    }
    if !assembly.isReady, assembly.payloadTaken < assembly.context.payloadLength { refuse(.segmentLength) }
    guard sendSegment(isLast: true, &batch) else { return false }
    add(1, to: Statistic.segmentationContexts)
    return true
  }

  /// The headers are of the IP version and the protocol that the context names.
  private var headersAreRight: Bool {
    let context = assembly.context
    let start = context.ipStart
    guard context.command.contains(.ipv4) else { return scratch.header.load(start, as: UInt8.self) >> 4 == 6 }
    let number: UInt8 = context.command.contains(.tcp) ? 6 : 17
    return scratch.header.load(start, as: UInt8.self) >> 4 == 4
      && scratch.header.load(start &+ 9, as: UInt8.self) == number
  }

  private func beginSegment() {
    let header = assembly.context.headerLength
    scratch.transmit.copy(from: scratch.header, at: 0, count: header, to: FrameScratch.headroom)
    assembly.length = header
  }

  private func sendSegment(isLast: Bool, _ batch: inout TransmitBatch) -> Bool {
    guard batch.budget > 0 else { return false }
    if !assembly.isReady {
      adaptHeaders(isLast: isLast)
      ready()
    }
    guard send(scratch.transmit.slice(assembly.start, assembly.length), &batch) else { return false }
    batch.budget &-= 1
    count.segmentsCut &+= 1
    assembly.isReady = false
    assembly.segment &+= 1
    return true
  }

  /// Makes the copied headers those of the current segment (sections 3.5.6 to 3.5.8).
  private func adaptHeaders(isLast: Bool) {
    let context = assembly.context
    let frame = scratch.transmit.slice(FrameScratch.headroom, assembly.length)
    let ip = context.ipStart
    let transport = context.transportStart
    let datagram = frame.count &- ip
    if context.command.contains(.ipv4) {
      frame.storeBigEndian(UInt16(truncatingIfNeeded: datagram), ip &+ 2)
      let identification = frame.loadBigEndian(ip &+ 4, as: UInt16.self)
      frame.storeBigEndian(identification &+ UInt16(truncatingIfNeeded: assembly.segment), ip &+ 4)
    } else {
      frame.storeBigEndian(UInt16(truncatingIfNeeded: datagram &- 40), ip &+ 4)
    }
    let length = frame.count &- transport
    if context.command.contains(.tcp) {
      let sequence = frame.loadBigEndian(transport &+ 4, as: UInt32.self)
      let before = assembly.segment &* UInt32(truncatingIfNeeded: context.maximumSegmentSize)
      frame.storeBigEndian(sequence &+ before, transport &+ 4)
      if !isLast {
        // FIN and PSH belong to the end of the data.
        frame.store(frame.load(transport &+ 13, as: UInt8.self) & ~0x09, transport &+ 13)
      }
    } else {
      frame.storeBigEndian(UInt16(truncatingIfNeeded: length), transport &+ 4)
    }
    if assembly.options.contains(.transportChecksum) {
      // Software gave the sum of the pseudo header without the length (section 3.5.6).
      var sum = InternetChecksum(folded: frame.loadBigEndian(context.transportOffset))
      sum.add(UInt16(truncatingIfNeeded: length))
      frame.storeBigEndian(sum.folded, context.transportOffset)
    }
    insertChecksums(frame, context, assembly.options)
  }
}
