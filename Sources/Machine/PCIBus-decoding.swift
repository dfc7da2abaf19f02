/// A stretch of bus memory that a base address register answers to.
struct DecodedRegion {
  let start: UInt64
  let byteCount: UInt64
  let slot: BusSlot
  let bar: Int
}

extension PCIBus {
  typealias Hit = (slot: BusSlot, bar: Int, offset: Int)

  /// Works out again, after a change of an enable, address or bridge, what every function answers to, whether it may do
  /// DMA, and whether it drives its interrupt line.
  func decodeChanged() {
    recent = nil
    refresh(root, io: 0...0xFFFF, memory: 0...UInt64.max, prefetchable: nil, mastering: true)
  }

  private typealias Window = ClosedRange<UInt64>

  /// Recursion follows the bridges as they are plugged, so it ends.
  private func refresh(
    _ segment: PCISegment, io: Window?, memory: Window?, prefetchable: Window?, mastering: Bool
  ) {
    for slot in segment.slots {
      let configuration = slot.configuration
      let master = mastering && configuration.command.contains(.busMaster)
      slot.dma.isMasterEnabled = master
      slot.updateLine()
      table.follow(configuration, at: slot.address.routingID, slot.entries)
      for bar in configuration.bars {
        let start = configuration.address(of: bar)
        let (last, wraps) = start.addingReportingOverflow(bar.byteCount - 1)
        func lies(in window: Window?) -> Bool { window.map { $0.contains(start) && $0.contains(last) } ?? false }
        let reachable = !wraps && (bar.isIO ? lies(in: io) : lies(in: memory) || lies(in: prefetchable))
        let answers = reachable && configuration.isDecoding(bar)
        slot.decoded[bar.index] = answers ? Int(truncatingIfNeeded: bar.byteCount) : 0
      }
      guard let bridge = slot.function as? PCIBridge, let behind = bridge.secondary else { continue }
      refresh(
        behind, io: overlap(io, bridge.ioWindow),
        memory: overlap(memory, bridge.memoryWindow),
        prefetchable: overlap(segment === root ? memory : prefetchable, bridge.prefetchableWindow), mastering: master)
    }
  }

  private func overlap(_ a: Window?, _ b: Window?) -> Window? {
    guard let a, let b, a.overlaps(b) else { return nil }
    return a.clamped(to: b)
  }

  /// The base address register that answers to all of `address ..< address + size` of memory space.
  func decodeMemory(_ address: UInt64, _ size: Int) -> Hit? {
    guard size == 1 || size == 2 || size == 4 || size == 8 else { return nil }
    if let recent {
      let offset = address &- recent.start
      if offset < recent.byteCount, UInt64(size) <= recent.byteCount - offset {
        return (recent.slot, recent.bar, Int(truncatingIfNeeded: offset))
      }
    }
    guard let region = find(address, size, io: false) else { return nil }
    recent = region
    return (region.slot, region.bar, Int(truncatingIfNeeded: address - region.start))
  }

  /// The base address register that answers to all of `port ..< port + size` of I/O space.
  func decodeIO(_ port: UInt16, _ size: Int) -> Hit? {
    guard size == 1 || size == 2 || size == 4, let region = find(UInt64(port), size, io: true) else { return nil }
    return (region.slot, region.bar, Int(port) - Int(region.start))
  }

  private func find(_ address: UInt64, _ size: Int, io: Bool) -> DecodedRegion? {
    for segment in segments {
      for slot in segment.slots {
        for bar in slot.configuration.bars where bar.isIO == io {
          let byteCount = UInt64(truncatingIfNeeded: slot.decoded[bar.index])
          guard byteCount > 0 else { continue }
          let start = slot.configuration.address(of: bar)
          let offset = address &- start
          if offset < byteCount, UInt64(size) <= byteCount - offset {
            return DecodedRegion(start: start, byteCount: byteCount, slot: slot, bar: bar.index)
          }
        }
      }
    }
    return nil
  }
}
