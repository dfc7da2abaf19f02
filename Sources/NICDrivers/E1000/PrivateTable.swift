import Memory

/// A table of numbers in memory of the driver's own, which no device reaches. Unlike an array in a class it is read and
/// written without checks for exclusive access and unique reference; the bounds are checked all the same.
struct PrivateTable {
  private let window: MemoryWindow
  let count: Int

  /// A table of `count` numbers, all `value`; ``free()`` gives its memory back.
  init(count: Int, repeating value: Int32) {
    self.count = count
    let byteCount = count * 4
    let memory = UnsafeMutableRawPointer.allocate(byteCount: max(byteCount, 1), alignment: 64)
    window = unsafe MemoryWindow(memory, count: byteCount)
    for index in 0..<count { self[index] = Int(value) }
  }

  @inline(__always) subscript(_ index: Int) -> Int {
    get { Int(window.load(index &* 4, as: Int32.self)) }
    nonmutating set { window.store(Int32(truncatingIfNeeded: newValue), index &* 4) }
  }

  /// Gives the memory back; the table must not be used any more.
  func free() { unsafe window.baseAddress.deallocate() }
}
