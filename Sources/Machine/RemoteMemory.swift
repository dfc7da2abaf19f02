import Memory

/// Memory that a device reaches by messages only, because its owner does not share it.
///
/// While a message is waited for, the owner may have to be answered first: accesses of registers and configuration
/// space may reach the device from inside of its ``DMASpace/resolve(_:_:_:)``. They cannot reach remote memory
/// themselves.
public protocol RemoteMemory: AnyObject {
  /// Fills `target` from bus address `address` on. False: it cannot be read.
  func read(_ address: UInt64, into target: MemoryWindow) -> Bool
  /// Stores all of `source` from bus address `address` on. False: it cannot be written.
  func write(_ address: UInt64, from source: MemoryWindow) -> Bool
}

struct RemoteRegion {
  let start: UInt64
  let last: UInt64
  let memory: any RemoteMemory
  let writable: Bool
}

/// Copies of remote memory that a device works on for a while: fetched when the device first looks at a place, and
/// written back where the device changed them.
///
/// Only bytes that changed are written, and up to ``gap`` unchanged ones between them: the owner of the memory works on
/// the same ring, but not on what lies between two descriptors of 16 bytes that the device has.
final class RemoteCopies {
  /// Bytes and number of the copies at one time.
  static let mostBytes = 32 << 20
  static let mostCopies = 8192
  static let gap = 15

  private struct Copy {
    let address: UInt64
    /// What the device sees, and what was there when it was fetched or last written back.
    let window: MemoryWindow
    let fetched: MemoryWindow
    let memory: any RemoteMemory
    /// The device may have changed it, and may do so again: stays true.
    var isWritten: Bool

    func overlaps(_ start: UInt64, _ count: Int) -> Bool {
      start &- address < UInt64(window.count) || address &- start < UInt64(count)
    }
  }

  private var copies: [Copy] = []
  private var byteCount = 0

  deinit { drop() }

  var isEmpty: Bool { copies.isEmpty }

  /// The copy of `address ..< address + count`, which lies in `region`; nil if it cannot be had.
  func window(_ address: UInt64, _ count: Int, in region: RemoteRegion, writes: Bool) -> MemoryWindow? {
    for index in copies.indices.reversed() {
      let offset = address &- copies[index].address
      let size = UInt64(copies[index].window.count)
      guard offset <= size, UInt64(count) <= size - offset, copies[index].memory === region.memory else { continue }
      if writes { copies[index].isWritten = true }
      return copies[index].window.slice(Int(offset), count)
    }
    guard copies.count < Self.mostCopies, count <= Self.mostBytes - byteCount else { return nil }
    // What the device changed in a copy that overlaps the new one is to be in the new one.
    for index in copies.indices.reversed()
    where copies[index].isWritten && copies[index].overlaps(address, count) {
      guard writeBack(copies[index]) else { return nil }
    }
    let both = unsafe MemoryWindow(.allocate(byteCount: max(1, 2 * count), alignment: 16), count: 2 * count)
    let window = both.slice(0, count)
    guard region.memory.read(address, into: window) else {
      unsafe both.baseAddress.deallocate()
      return nil
    }
    let fetched = both.slice(count, count)
    fetched.copy(from: window, at: 0, count: count, to: 0)
    copies.append(
      Copy(address: address, window: window, fetched: fetched, memory: region.memory, isWritten: writes))
    byteCount += count
    return window
  }

  /// Writes back what the device changed, the copies fetched last first: buffers before the ring that tells of them.
  /// False if something could not be written.
  func flush() -> Bool {
    for index in copies.indices.reversed() where copies[index].isWritten {
      guard writeBack(copies[index]) else { return false }
    }
    return true
  }

  private func writeBack(_ copy: Copy) -> Bool {
    let end = copy.window.count
    var place = 0
    while let start = firstChange(copy, from: place) {
      var last = start
      while last + 1 < end, let next = firstChange(copy, from: last + 1), next - last <= Self.gap + 1 { last = next }
      let count = last + 1 - start
      guard copy.memory.write(copy.address &+ UInt64(start), from: copy.window.slice(start, count)) else {
        return false
      }
      copy.fetched.copy(from: copy.window, at: start, count: count, to: start)
      place = last + 1
    }
    return true
  }

  private func firstChange(_ copy: Copy, from start: Int) -> Int? {
    let end = copy.window.count
    var place = start
    while place < end {
      if place + 8 <= end, copy.window.load(place, as: UInt64.self) == copy.fetched.load(place) {
        place += 8
      } else if copy.window.load(place, as: UInt8.self) == copy.fetched.load(place) {
        place += 1
      } else {
        return place
      }
    }
    return nil
  }

  /// Forgets all copies, and what was changed in them and not written back.
  func drop() {
    for copy in copies { unsafe copy.window.baseAddress.deallocate() }
    copies = []
    byteCount = 0
  }
}

extension DMASpace {
  /// Makes `byteCount` bytes of `memory` reachable at `start`. What the device resolves there are copies, good until
  /// ``dropCopies()``: whoever maps such memory calls ``flush()`` and ``dropCopies()`` when the device has done its
  /// work, and ``flush()`` before an interrupt tells of it.
  public func map(
    _ memory: any RemoteMemory, at start: UInt64, byteCount: UInt64, writable: Bool = true
  ) throws(MachineError) {
    let size = Int(clamping: byteCount)
    guard byteCount > 0, !start.addingReportingOverflow(byteCount - 1).overflow else {
      throw .dmaMapping(start: start, byteCount: size, reason: "it is empty or wraps around 2^64")
    }
    let last = start + (byteCount - 1)
    guard !overlaps(start, last) else {
      throw .dmaMapping(start: start, byteCount: size, reason: "it overlaps another mapping")
    }
    remotes.append(RemoteRegion(start: start, last: last, memory: memory, writable: writable))
    noteChange()
  }

  /// True if there is remote memory.
  public var hasRemoteMemory: Bool { !remotes.isEmpty }

  /// True while the device has copies of remote memory.
  public var hasCopies: Bool { copies.map { !$0.isEmpty } ?? false }

  /// Writes back what the device changed of remote memory.
  public func flush() {
    guard let copies, !copies.isEmpty else { return }
    if !copies.flush() { countRemoteFailure() }
  }

  /// Forgets the copies of remote memory. Not while the device is at work: it may look at them.
  public func dropCopies() {
    guard let copies, !copies.isEmpty else { return }
    copies.drop()
    noteChange()
  }

  /// The copy of memory that no window shows.
  func resolveRemotely(_ address: UInt64, _ count: Int, _ access: Access) -> MemoryWindow? {
    let region = remotes.first { $0.start <= address && address <= $0.last }
    guard let region, count >= 0, count == 0 || UInt64(count) - 1 <= region.last - address else {
      countOutsideMemory()
      return nil
    }
    guard access == .read || region.writable else {
      countReadOnly()
      return nil
    }
    let copies = copies ?? RemoteCopies()
    self.copies = copies
    let isFirst = copies.isEmpty
    let window = copies.window(address, count, in: region, writes: access == .write)
    if window == nil { countRemoteFailure() }
    if isFirst, !copies.isEmpty { onCopies?() }
    return window
  }
}
