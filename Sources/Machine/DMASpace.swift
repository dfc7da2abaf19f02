import Memory

/// The memory that a device can reach: windows of RAM at bus addresses. Every access is checked; one that leaves the
/// windows, wraps around 2^64, writes read-only memory or is made without bus mastering is refused and counted.
public final class DMASpace {
  public enum Access: Sendable { case read, write }

  @usableFromInline struct Region {
    @usableFromInline let start: UInt64
    @usableFromInline let window: MemoryWindow
    @usableFromInline let writable: Bool
    @inlinable init(start: UInt64, window: MemoryWindow, writable: Bool) {
      self.start = start
      self.window = window
      self.writable = writable
    }
  }

  /// Sorted by start; no overlaps.
  private var regions: [Region] = []
  /// The region of the last successful look-up. This and the next are read for every buffer of every frame, at once and
  /// by value: the run-time exclusivity check would cost more than the look-up.
  @exclusivity(unchecked) @usableFromInline var recent: Region?
  /// Mirrors the function's Bus Master Enable bit.
  @exclusivity(unchecked) @usableFromInline var masterEnabled = false
  @exclusivity(unchecked) @usableFromInline var changeCount = 1
  private var count = DMACounters()
  /// Memory that is reached by messages; in no order.
  var remotes: [RemoteRegion] = []
  /// What the device has of it at present.
  var copies: RemoteCopies?
  /// Called when the device got the first copy of remote memory after a ``dropCopies()``: someone has to end that.
  public var onCopies: (() -> Void)?

  public init() {}

  /// A number that is another one whenever memory was mapped or taken away, or bus mastering came or went. As long as
  /// it stays what it was, a window that ``resolve(_:_:_:)`` gave is good, and so is a ``reach(_:)``.
  public var changes: Int { @inline(__always) @inlinable get { unsafe changeCount } }

  /// All the memory around `address` that the device may write, for a device that looks up many buffers; nil if there
  /// is none.
  public func reach(_ address: UInt64) -> DMAReach? {
    guard unsafe masterEnabled, let region = regions.last(where: { $0.start <= address }), region.writable,
      address - region.start < UInt64(region.window.count)
    else { return nil }
    return DMAReach(start: region.start, window: region.window)
  }

  /// Accesses refused so far.
  public var refusals: UInt64 {
    count.withoutMastering + count.outsideMemory + count.readOnly + count.remoteFailures
  }

  /// Refused accesses by reason.
  public var counters: DMACounters { count }

  /// Set by the configuration space whenever the function's Bus Master Enable bit changes.
  public var isMasterEnabled: Bool {
    get { unsafe masterEnabled }
    set {
      unsafe masterEnabled = newValue
      unsafe changeCount &+= 1
    }
  }

  /// Makes `window` reachable at `start`. Throws if it is empty, wraps, or overlaps a region that is there.
  public func map(_ window: MemoryWindow, at start: UInt64, writable: Bool = true) throws(MachineError) {
    guard window.count > 0, !start.addingReportingOverflow(UInt64(window.count) - 1).overflow else {
      throw .dmaMapping(start: start, byteCount: window.count, reason: "it is empty or wraps around 2^64")
    }
    guard !overlaps(start, start + UInt64(window.count - 1)) else {
      throw .dmaMapping(start: start, byteCount: window.count, reason: "it overlaps another mapping")
    }
    let index = regions.firstIndex { $0.start > start } ?? regions.count
    regions.insert(Region(start: start, window: window, writable: writable), at: index)
    unsafe recent = nil
    unsafe changeCount &+= 1
  }

  func overlaps(_ start: UInt64, _ last: UInt64) -> Bool {
    remotes.contains { $0.start <= last && start <= $0.last }
      || regions.contains { $0.start <= last && start <= $0.start + UInt64($0.window.count - 1) }
  }

  /// Takes away every region that lies inside `start ..< start + byteCount`; returns how many there were.
  @discardableResult
  public func unmap(start: UInt64, byteCount: UInt64) -> Int {
    let before = regions.count + remotes.count
    remotes.removeAll {
      $0.start >= start && $0.start - start < byteCount && $0.last - $0.start < byteCount - ($0.start - start)
    }
    regions.removeAll {
      $0.start >= start && $0.start - start < byteCount && byteCount - ($0.start - start) >= UInt64($0.window.count)
    }
    unsafe recent = nil
    unsafe changeCount &+= 1
    return before - regions.count - remotes.count
  }

  /// The memory behind `address ..< address + count`, or nil (counted) if the device may not touch all of it.
  @inline(__always) @inlinable
  public func resolve(_ address: UInt64, _ count: Int, _ access: Access) -> MemoryWindow? {
    if unsafe masterEnabled, let region = unsafe recent {
      let offset = address &- region.start
      let size = UInt64(truncatingIfNeeded: region.window.count)
      if offset < size, UInt64(truncatingIfNeeded: count) <= size &- offset, access == .read || region.writable {
        return region.window.slice(Int(truncatingIfNeeded: offset), count)
      }
    }
    return resolveSlowly(address, count, access)
  }

  @usableFromInline func resolveSlowly(_ address: UInt64, _ count: Int, _ access: Access) -> MemoryWindow? {
    guard unsafe masterEnabled else {
      self.count.withoutMastering += 1
      return nil
    }
    var low = 0
    var high = regions.count
    while low < high {
      let middle = (low + high) / 2
      if regions[middle].start <= address { low = middle + 1 } else { high = middle }
    }
    guard low > 0, count >= 0 else { return resolveRemotely(address, count, access) }
    let region = regions[low - 1]
    let offset = address - region.start
    let size = UInt64(region.window.count)
    guard offset < size, UInt64(count) <= size - offset else { return resolveRemotely(address, count, access) }
    guard access == .read || region.writable else {
      self.count.readOnly += 1
      return nil
    }
    unsafe recent = region
    return region.window.slice(Int(offset), count)
  }

  // MARK: For memory that is not shared

  func noteChange() { unsafe changeCount &+= 1 }
  func countOutsideMemory() { count.outsideMemory += 1 }
  func countReadOnly() { count.readOnly += 1 }
  func countRemoteFailure() { count.remoteFailures += 1 }
}

/// Memory that a device may read and write, as it was at one number of ``DMASpace/changes``.
@frozen public struct DMAReach: BitwiseCopyable {
  @usableFromInline let start: UInt64
  @usableFromInline let window: MemoryWindow

  @inlinable public init(start: UInt64, window: MemoryWindow) {
    self.start = start
    self.window = window
  }

  /// The memory behind `address ..< address + count`; nil if not all of it is here, which is no refusal yet.
  @inline(__always) @inlinable public func window(_ address: UInt64, _ count: Int) -> MemoryWindow? {
    let offset = address &- start
    let size = UInt64(truncatingIfNeeded: window.count)
    guard UInt64(truncatingIfNeeded: count) <= size, offset <= size &- UInt64(truncatingIfNeeded: count) else {
      return nil
    }
    return window.slice(Int(truncatingIfNeeded: offset), count)
  }
}

/// DMA accesses that were refused, by reason.
public struct DMACounters: Sendable, Equatable {
  /// While the function's Bus Master Enable bit, or that of a bridge above it, was 0.
  public var withoutMastering: UInt64 = 0
  /// Not all inside one mapped region.
  public var outsideMemory: UInt64 = 0
  /// Writes to a read-only region.
  public var readOnly: UInt64 = 0
  /// Memory that is not shared and could not be fetched or written back, or was too much at once.
  public var remoteFailures: UInt64 = 0
  public init() {}
}
