import Events
import IntelNIC
import Machine
import Memory
import Packets

/// The receive ring (manual sections 3.2.4 to 3.2.8).
extension Intel8254x {
  /// The usual frame, a whole one for the station or for everybody while nothing special is asked for, is known by a
  /// few comparisons with ``ReceiveSettings`` and goes to the place that ``ReceiveCursor`` keeps ready; every other
  /// takes the way through all filters and checks.
  public func receive(_ frame: RawSpan) -> Bool {
    let size = frame.byteCount
    guard size >= 60, size <= receiveSettings.longestPlain else { return receiveSlowly(frame) }
    let destination = frame.loadLittleEndian(0, as: UInt64.self) & 0xFFFF_FFFF_FFFF
    let type: UInt16 = frame.loadLittleEndian(12)
    guard destination == receiveSettings.station || destination == receiveSettings.broadcast,
      type != receiveSettings.tagType, type != receiveSettings.controlType, receiveCursor.free > 0,
      receiveCursor.changes == dma.changes, !tap.isOn
    else { return receiveSlowly(frame) }
    let descriptor = receiveCursor.ring.slice(
      receiveCursor.head &* ReceiveDescriptor.byteCount, ReceiveDescriptor.byteCount)
    let address = descriptor.load(0, as: UInt64.self)
    guard address != 0, let buffer = receiveCursor.reach.window(address, size) else { return receiveSlowly(frame) }
    let sum = buffer.copySumming(frame)
    let fields = ReceiveVerdict.fields(frame, receiveSettings.checksum, sum: sum)
    let status: ReceiveStatus = [.done, .endOfPacket]
    descriptor.store(
      fields | UInt64(truncatingIfNeeded: size) | UInt64(status.rawValue) << 32, ReceiveDescriptor.lengthOffset)
    count.receiveDescriptors &+= 1
    count.framesReceived &+= 1
    add(1, to: Statistic.totalReceived)
    add64(size &+ 4, to: Statistic.totalOctetsReceived)
    countReceived(size &+ 4, destination: destination)
    let head = receiveCursor.advance()
    store(UInt32(truncatingIfNeeded: head), Register.receiveHead)
    raise(
      receiveCursor.free == receiveCursor.threshold ? [.receiverTimer, .receiveMinimumThreshold] : .receiverTimer)
    return true
  }

  @inline(never) private func receiveSlowly(_ frame: RawSpan) -> Bool {
    // In loopback the cable is not listened to.
    guard !isLooping else {
      count.framesFiltered &+= 1
      return true
    }
    return accept(frame)
  }

  /// A frame of our own transmit side comes back.
  func receiveLooped(_ frame: RawSpan) { _ = accept(frame) }

  /// Filters a frame and stores it. False: it is to be offered again once there are descriptors.
  @inline(never) private func accept(_ frame: RawSpan) -> Bool {
    let control = ReceiveControl(rawValue: load(Register.receiveControl))
    let size = frame.byteCount
    if load(Register.wakeUpControl) & 2 != 0 || isSleeping, size >= 14 { considerWakeUp(frame) }
    guard control.enabled, isLooping || isLinkUp, !isSleeping else { return ignore() }
    guard size >= 14 else {
      add(1, to: Statistic.fragmentsReceived)
      return countIgnored(size)
    }
    let destination = frame.loadLittleEndian(0, as: UInt64.self) & 0xFFFF_FFFF_FFFF
    let matched = match(destination, source: frame.loadLittleEndian(6, as: UInt64.self) & 0xFFFF_FFFF_FFFF, control)
    // 1522 bytes with FCS, or 16384 with LPE; longer frames are bad ones.
    let isLong = size > (control.longPackets ? FrameScratch.largestFrame &- 4 : 1518)
    if isLong, !control.storeBad || size > FrameScratch.largestFrame {
      if matched != .none { countOversize() }
      return countIgnored(size)
    }
    let type: UInt16 = frame.loadBigEndian(12)
    if UInt32(type) == load(Register.flowControlType), size >= 18, type != 0, !acceptControl(frame, control) {
      return countIgnored(size)
    }
    guard matched != .none else { return countIgnored(size) }
    if UInt32(type) == load(Register.vlanEtherType), size >= 18,
      !passesVLANFilter(frame.loadBigEndian(14), control)
    {
      return countIgnored(size)
    }
    let arrival = ReceiveBuffer.Arrival(isInexact: matched == .inexact, isLong: isLong)
    // Frames that wait for descriptors come first.
    guard receiveBuffer.isEmpty, store(frame, arrival, waited: false) else {
      return wait(frame, arrival, wireLength: max(size, 60) &+ 4)
    }
    return true
  }

  /// Puts a frame into the ring: as it is, or without its tag, padded as a sender would have, with its FCS. False:
  /// there are not enough descriptors. True also if there never will be enough, or memory is out of reach: the frame is
  /// lost.
  @inline(never) func store(_ frame: RawSpan, _ arrival: ReceiveBuffer.Arrival, waited: Bool) -> Bool {
    let control = ReceiveControl(rawValue: load(Register.receiveControl))
    let size = frame.byteCount
    var status: ReceiveStatus = arrival.isInexact ? [.done, .inexactFilter] : .done
    var tag: UInt16 = 0
    let strips =
      size >= 18 && UInt32(frame.loadBigEndian(12, as: UInt16.self)) == load(Register.vlanEtherType)
      && DeviceControl(rawValue: load(Register.deviceControl)).vlanMode
    if strips {
      status.insert(.vlan)
      tag = frame.loadBigEndian(14)
    }
    let stored = max(strips ? size &- 4 : size, 60)
    let total = control.stripCRC ? stored : stored &+ 4
    let ring: ReceiveRing
    switch room(for: total) {
    case .here(let found): ring = found
    case .later: return false
    case .never:
      count.framesMissed &+= 1
      if waited { receiveBuffer.removeFirst() }
      return true
    }
    if waited { receiveBuffer.removeFirst() }
    let wireLength = waited ? nil : max(size, 60) &+ 4
    let destination = frame.loadLittleEndian(0, as: UInt64.self) & 0xFFFF_FFFF_FFFF
    if control.stripCRC, stored == size {
      deliver(frame, frame: size, countedAs: wireLength, destination, status, tag, ring, isLong: arrival.isLong)
    } else {
      prepare(frame, strips: strips, stored: stored, withFCS: !control.stripCRC)
      deliver(
        scratch.receive.bytes(0, total), frame: stored, countedAs: wireLength, destination, status, tag, ring,
        isLong: arrival.isLong)
    }
    renewReceiveCursor(ring)
    return true
  }

  @inline(never) private func ignore() -> Bool {
    count.framesFiltered &+= 1
    return true
  }

  /// A frame that was on the wire, but is not for us.
  @inline(never) private func countIgnored(_ size: Int) -> Bool {
    add(1, to: Statistic.totalReceived)
    add64(max(size, 60) &+ 4, to: Statistic.totalOctetsReceived)
    return ignore()
  }

  /// A frame that passed the filters: `wireLength` bytes with FCS.
  @inline(__always) func countAccepted(_ wireLength: Int, destination: UInt64, isLong: Bool) {
    add(1, to: Statistic.totalReceived)
    add64(wireLength, to: Statistic.totalOctetsReceived)
    if isLong { countOversize() } else { countReceived(wireLength, destination: destination & 0xFFFF_FFFF_FFFF) }
  }

  @inline(never) private func countOversize() {
    add(1, to: Statistic.oversizeReceived)
    add(1, to: Statistic.receiveLengthErrors)
  }

  /// The ring as it stands when a frame is stored.
  struct ReceiveRing {
    let window: MemoryWindow
    let entries: Int
    let head: Int
    let tail: Int
    let bufferSize: Int
    @inline(__always) var free: Int { tail >= head ? tail &- head : tail &- head &+ entries }
  }

  /// Whether the ring can take a frame.
  enum Room {
    case here(ReceiveRing)
    /// There are not enough free descriptors.
    case later
    /// No number of descriptors would do, or the ring is not one.
    case never
  }

  /// The ring, if it has room for `total` bytes.
  @inline(__always) private func room(for total: Int) -> Room {
    let byteCount = Int(load(Register.receiveLength))
    let entries = byteCount &>> 4
    let head = Int(load(Register.receiveHead))
    let tail = Int(load(Register.receiveTail))
    let size = receiveSettings.bufferSize
    let free = tail >= head ? tail &- head : tail &- head &+ entries
    guard head < entries, tail < entries, free > 0, total <= size || free &* size >= total else {
      return mayComeLater(entries: entries, head: head, tail: tail, size: size, total: total) ? .later : .never
    }
    guard let window = dma.resolve(registers.load(Register.receiveBaseLow, as: UInt64.self), byteCount, .write) else {
      refuse(.dmaRefused)
      return .never
    }
    return .here(ReceiveRing(window: window, entries: entries, head: head, tail: tail, bufferSize: size))
  }

  @inline(never) private func mayComeLater(entries: Int, head: Int, tail: Int, size: Int, total: Int) -> Bool {
    // A ring whose length is not set yet is no error.
    guard entries > 0 else { return true }
    guard head < entries, tail < entries else {
      refuse(.pointerOutsideRing)
      return false
    }
    guard (entries &- 1) &* size >= total else {
      refuse(.receiveRingTooSmall)
      return false
    }
    return true
  }

  /// Copies a frame into the scratch memory: without its tag, padded as a sender would have, with its FCS.
  private func prepare(_ frame: RawSpan, strips: Bool, stored: Int, withFCS: Bool) {
    let target = scratch.receive
    var length = frame.byteCount
    if strips {
      target.copy(from: frame.extracting(0..<12))
      target.copy(from: frame.extracting(16..<length), to: 12)
      length &-= 4
    } else {
      target.copy(from: frame)
    }
    if length < stored { target.fill(0, at: length, count: stored &- length) }
    if withFCS { target.store(frameCheck.checksum(of: target.bytes(0, stored)), stored) }
  }

  /// Stores `bytes` in as many buffers as it takes; the first `frame` of them are the frame without FCS. A frame that
  /// the statistics do not know yet is counted as one of `wireLength` bytes.
  @inline(__always) private func deliver(
    _ bytes: RawSpan, frame: Int, countedAs wireLength: Int?, _ destination: UInt64, _ status: ReceiveStatus,
    _ tag: UInt16, _ ring: ReceiveRing, isLong: Bool
  ) {
    let total = bytes.byteCount
    let place = ring.head &* ReceiveDescriptor.byteCount
    let address = ring.window.load(place, as: UInt64.self)
    var head = ring.head
    // The usual case: everything fits into the first buffer.
    if total == frame, total <= ring.bufferSize, address != 0, let buffer = dma.resolve(address, total, .write) {
      var done = ReceiveDescriptor(
        address: address, length: UInt16(truncatingIfNeeded: total), checksum: 0, status: status.union(.endOfPacket),
        errors: isLong ? .data : [], special: tag)
      done.fields |= ReceiveVerdict.fields(bytes, receiveSettings.checksum, sum: buffer.copySumming(bytes))
      ring.window.store(done.fields, place &+ ReceiveDescriptor.lengthOffset)
      if tap.isOn { traceReceived(head, done) }
      head = head &+ 1 == ring.entries ? 0 : head &+ 1
      count.receiveDescriptors &+= 1
    } else {
      let (isWhole, end) = scatter(bytes, frame: frame, status, tag, ring, isLong: isLong)
      head = end
      guard isWhole else {
        count.framesMissed &+= 1
        if wireLength != nil { add(1, to: Statistic.missedPackets) }
        finishReceive(ring, head, [])
        return
      }
    }
    count.framesReceived &+= 1
    if let wireLength { countAccepted(wireLength, destination: destination, isLong: isLong) }
    let small = load(Register.receiveSmallPacketDetect)
    finishReceive(ring, head, small != 0 && total <= Int(small) ? .smallReceivePacket : [])
  }

  /// Moves the head and reports.
  @inline(__always) private func finishReceive(_ ring: ReceiveRing, _ head: Int, _ extra: InterruptCauses) {
    store(UInt32(truncatingIfNeeded: head), Register.receiveHead)
    receiveCursor.forget()
    var causes = extra
    let after = ring.tail >= head ? ring.tail &- head : ring.tail &- head &+ ring.entries
    let threshold = ring.entries &>> receiveSettings.thresholdShift
    if after <= threshold, ring.free > threshold { causes.insert(.receiveMinimumThreshold) }
    if load(Register.receiveDelayTimer) == 0 { causes.insert(.receiverTimer) } else { delayReceiveInterrupt() }
    if !causes.isEmpty { raise(causes) }
  }

  /// Stores a frame that needs several buffers, has its FCS stored, or whose first descriptor is not good. Null buffers
  /// are passed over (section 3.2.3); a buffer out of reach ends the frame with an error. Returns whether the whole
  /// frame was stored, and the new head.
  @inline(never) private func scatter(
    _ bytes: RawSpan, frame: Int, _ status: ReceiveStatus, _ tag: UInt16, _ ring: ReceiveRing, isLong: Bool
  ) -> (isWhole: Bool, head: Int) {
    let checked = bytes.extracting(0..<frame)
    var sum = InternetChecksum()
    sum.add(checked)
    let verdict = ReceiveVerdict.fields(checked, receiveSettings.checksum, sum: sum)
    var place = 0
    var head = ring.head
    let total = bytes.byteCount
    while head != ring.tail {
      let index = head
      let address = ring.window.load(index &* 16, as: UInt64.self)
      let part = min(ring.bufferSize, total &- place)
      var done = ReceiveDescriptor(address: address, length: 0, checksum: 0, status: .done)
      var isOver = false
      if address == 0 {
        refuse(.nullReceiveBuffer)
      } else if let buffer = dma.resolve(address, part, .write) {
        buffer.copy(from: bytes.extracting(place..<(place &+ part)))
        place &+= part
        isOver = place == total
        done = ReceiveDescriptor(
          address: address, length: UInt16(truncatingIfNeeded: part), checksum: 0,
          status: isOver ? status.union(.endOfPacket) : .done, errors: isOver && isLong ? .data : [],
          special: isOver ? tag : 0)
        if isOver { done.fields |= verdict }
      } else {
        refuse(.dmaRefused)
        done = ReceiveDescriptor(
          address: address, length: 0, checksum: 0, status: [.done, .endOfPacket, .ignoreChecksum], errors: .data)
        isOver = true
      }
      ring.window.store(done.fields, index &* 16 &+ ReceiveDescriptor.lengthOffset)
      if tap.isOn { traceReceived(index, done) }
      head = index &+ 1 == ring.entries ? 0 : index &+ 1
      count.receiveDescriptors &+= 1
      if isOver { return (place == total, head) }
    }
    // Null buffers used the ring up: what was stored has no end, so the last descriptor gets an error.
    let last = head == 0 ? ring.entries &- 1 : head &- 1
    let ending: ReceiveStatus = [.done, .endOfPacket, .ignoreChecksum]
    ring.window.store(ending.rawValue, last &* 16 &+ ReceiveDescriptor.statusOffset)
    ring.window.store(ReceiveErrors.data.rawValue, last &* 16 &+ ReceiveDescriptor.errorsOffset)
    return (false, head)
  }

  @inline(never) private func traceReceived(_ index: Int, _ done: ReceiveDescriptor) {
    tap.emit(
      .model,
      .descriptor(ring: "rx", index: index, length: done.length, status: UInt32(truncatingIfNeeded: done.fields >> 32)))
    if done.status.contains(.endOfPacket) {
      tap.emit(.model, .frame(direction: "rx", length: done.length, summary: name))
    }
  }
}
