import Events
import IntelNIC
import Link
import Machine
import Memory

/// What one pass over the transmit ring did, kept in registers of the processor until its end.
struct TransmitBatch {
  /// Frames and descriptors that may still be handled.
  var budget: Int
  var frames = 0
  /// Bytes of those frames, FCS included.
  var octets = 0
}

/// The transmit ring (manual sections 3.3 and 3.4). A frame that lies in one buffer and needs nothing goes to the wire
/// as it lies in guest memory; one that needs checksums is copied once; every other frame is put together first
/// (``take(_:_:)``).
extension Intel8254x {
  /// Goes on with what was left for later: a pause frame, then the ring.
  func continueTransmit() {
    if let pauseOwed { sendPause(pauseOwed) }
    transmit()
  }

  /// Takes descriptors from head to tail, as far as wire and budget allow.
  func transmit() {
    guard !isTransmitting else { return reenteredTransmit() }
    guard TransmitControl(rawValue: load(Register.transmitControl)).enabled, !isStalled, !isPaused else { return }
    guard isLooping || isLinkUp, !isSleeping else { return }
    var head = Int(load(Register.transmitHead))
    let tail = Int(load(Register.transmitTail))
    guard head != tail else { return }
    let byteCount = Int(load(Register.transmitLength))
    let entries = byteCount / TransmitDescriptor.byteCount
    // A ring whose length is not set yet is no error.
    guard entries > 0 else { return }
    guard head < entries, tail < entries else { return refuse(.pointerOutsideRing) }
    let dma = dma
    let base = registers.load(Register.transmitBaseLow, as: UInt64.self)
    guard let ring = dma.resolve(base, byteCount, .write) else { return refuse(.dmaRefused) }
    let changes = dma.changes
    let generation = transmitGeneration
    // The memory that the buffers are expected in: one look-up serves many frames.
    var reach = DMAReach(start: 0, window: ring.slice(0, 0))
    let cable = cable
    let isLooping = isLooping
    let tracing = tap.isOn

    isTransmitting = true
    wasReadied = false
    let before = head
    var causes: InterruptCauses = []
    var batch = TransmitBatch(budget: options.transmitBudget)
    while head != tail {
      guard batch.budget > 0 else {
        timers?.transmitContinuation.schedule()
        break
      }
      let descriptor = ring.load(head &* TransmitDescriptor.byteCount, as: TransmitDescriptor.self)
      let length = assembly.isOpen ? 0 : Self.simpleLength(descriptor.high)
      if length != 0 {
        let found: MemoryWindow?
        if let near = reach.window(descriptor.address, length) {
          found = near
        } else {
          found = dma.resolve(descriptor.address, length, .read)
          reach = dma.reach(descriptor.address) ?? DMAReach(start: 0, window: ring.slice(0, 0))
        }
        guard let buffer = found, descriptor.address != 0 else {
          refuse(descriptor.address == 0 ? .nullTransmitBuffer : .dmaRefused)
          count.framesRefused &+= 1
          writeBack(descriptor, ring, head, &causes)
          head = head &+ 1 == entries ? 0 : head &+ 1
          batch.budget &-= 1
          continue
        }
        var frame = buffer
        // A data descriptor with IXSM or TXSM.
        if descriptor.high & 0x2000_0000 != 0, descriptor.high & 0x0300_0000_0000 != 0 {
          frame = scratch.transmit.slice(FrameScratch.headroom, length)
          copyWithChecksums(buffer, to: frame, descriptor.options)
        }
        let destination = frame.load(0, as: UInt64.self) & 0xFFFF_FFFF_FFFF
        if isLooping {
          receiveLooped(frame.bytes)
        } else {
          guard cable.send(frame.bytes) else {
            stall()
            break
          }
        }
        batch.frames &+= 1
        batch.octets &+= length &+ 4
        countTransmitted(length &+ 4, firstOctet: UInt8(truncatingIfNeeded: destination), destination: destination)
        if tracing { traceSent(length) }
      } else if !take(descriptor, &batch) {
        if batch.budget <= 0 || dma.changes != changes, !isStalled { timers?.transmitContinuation.schedule() }
        break
      }
      if tracing { traceDescriptor("tx", head, descriptor) }
      // The wire may have called the guest, which took the ring or its memory away.
      guard transmitGeneration == generation, dma.changes == changes else {
        head = head &+ 1 == entries ? 0 : head &+ 1
        timers?.transmitContinuation.schedule()
        break
      }
      writeBack(descriptor, ring, head, &causes)
      head = head &+ 1 == entries ? 0 : head &+ 1
      batch.budget &-= 1
    }
    isTransmitting = false

    if batch.frames > 0 { countTransmittedBatch(frames: batch.frames, octets: batch.octets) }
    guard head != before, transmitGeneration == generation else { return }
    store(UInt32(truncatingIfNeeded: head), Register.transmitHead)
    let done = head > before ? head &- before : head &- before &+ entries
    let left = tail >= head ? tail &- head : tail &- head &+ entries
    count.transmitDescriptors &+= UInt64(truncatingIfNeeded: done)
    if left == 0 { causes.insert(.transmitQueueEmpty) }
    let low = Int(DescriptorControl(rawValue: load(Register.transmitDescriptorControl)).low) &* 8
    if low > left, low <= left &+ done { causes.insert(.transmitDescriptorsLow) }
    if isReportDelayed, causes.contains(.transmitWrittenBack) { endTransmitDelay() }
    if !causes.isEmpty { raise(causes) }
  }

  /// The length of a frame that a single descriptor describes and that needs at most the checksums of the context: EOP
  /// and IFCS, no VLE, no legacy checksum, no segmentation, neither short nor too long. 0 for every other descriptor.
  @inline(__always) private static func simpleLength(_ high: UInt64) -> Int {
    let length: Int
    if high & 0x6700_0000 == 0x0300_0000 {
      length = Int(truncatingIfNeeded: high & 0xFFFF)
    } else if high & 0x67F0_0000 == 0x2310_0000 {
      length = Int(truncatingIfNeeded: high & 0xF_FFFF)
    } else {
      return 0
    }
    return length >= 60 && length <= FrameScratch.largestFrame ? length : 0
  }

  /// Reports a descriptor done, if RS or RPS asks for it (section 3.3.3.2).
  @inline(__always) private func writeBack(
    _ descriptor: TransmitDescriptor, _ ring: MemoryWindow, _ index: Int, _ causes: inout InterruptCauses
  ) {
    // RS or RPS.
    guard descriptor.high & 0x1800_0000 != 0 else { return }
    ring.store(
      TransmitStatus.done.rawValue, index &* TransmitDescriptor.byteCount &+ TransmitDescriptor.statusOffset)
    // IDE.
    if descriptor.high & 0x8000_0000 == 0 || !armTransmitDelay() { causes.insert(.transmitWrittenBack) }
  }

  /// Gives a frame of the scratch memory to the wire, or to the receive side. False: the wire has no room.
  func send(_ frame: MemoryWindow, _ batch: inout TransmitBatch) -> Bool {
    if isLooping {
      receiveLooped(frame.bytes)
    } else {
      guard cable.send(frame.bytes) else {
        stall()
        return false
      }
    }
    let destination = frame.load(0, as: UInt64.self) & 0xFFFF_FFFF_FFFF
    batch.frames &+= 1
    batch.octets &+= frame.count &+ 4
    countTransmitted(frame.count &+ 4, firstOctet: UInt8(truncatingIfNeeded: destination), destination: destination)
    if tap.isOn { traceSent(frame.count) }
    return true
  }

  @inline(never) private func stall() {
    count.transmitStalls &+= 1
    // The wire may have said that it is ready from inside of `send`.
    if wasReadied {
      timers?.transmitContinuation.schedule()
    } else {
      isStalled = true
    }
    wasReadied = false
  }

  /// The wire, or something behind it, asked for the transmit side while it is at work: later.
  @inline(never) private func reenteredTransmit() {
    count.reentries &+= 1
    wasReadied = true
    timers?.transmitContinuation.schedule()
  }

  @inline(never) private func traceSent(_ length: Int) {
    tap.emit(.model, .frame(direction: "tx", length: length, summary: name))
  }

  @inline(never) private func traceDescriptor(_ ring: String, _ index: Int, _ descriptor: TransmitDescriptor) {
    let length = descriptor.isExtended ? (descriptor.isContext ? 0 : descriptor.dataLength) : descriptor.legacyLength
    tap.emit(
      .model,
      .descriptor(ring: ring, index: index, length: length, status: UInt32(truncatingIfNeeded: descriptor.high >> 32)))
  }
}
