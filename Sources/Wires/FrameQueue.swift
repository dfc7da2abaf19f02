import Memory

/// Frames in order of arrival, in one ring of bytes that is reused: storing a frame allocates nothing once the ring has
/// reached its working size.
///
/// Bounded twice: by frames and by bytes of storage. Each frame lies contiguously, behind a word with its length, so
/// that it can be handed on as one span.
final class FrameQueue {
  /// Most frames that wait at a time.
  let frameLimit: Int
  /// Most bytes of storage, each frame counted with its length word and rounded up to eight.
  let byteLimit: Int
  /// Frames that wait.
  private(set) var count = 0
  /// Bytes of the waiting frames themselves.
  private(set) var byteCount = 0

  private var storage: UnsafeMutableRawPointer
  private var capacity: Int
  private var head = 0
  private var tail = 0
  private var used = 0
  /// Storage that was outgrown while the first frame was being delivered from it.
  private var outgrown: [UnsafeMutableRawPointer] = []

  private static let word = 8
  /// In place of a length: the rest of the storage up to its end is unused.
  private static let skip = -1

  init(frameLimit: Int, byteLimit: Int, initialCapacity: Int = 1 << 14) {
    precondition(frameLimit > 0 && byteLimit >= 64)
    self.frameLimit = frameLimit
    self.byteLimit = byteLimit & ~(Self.word - 1)
    capacity = min(max(initialCapacity, 64), byteLimit) & ~(Self.word - 1)
    storage = .allocate(byteCount: capacity, alignment: Self.word)
  }

  deinit {
    storage.deallocate()
    for old in outgrown { old.deallocate() }
  }

  var isEmpty: Bool { count == 0 }

  /// Copies `frame` to the end. False if a limit forbids it.
  func append(_ frame: RawSpan) -> Bool {
    let length = frame.byteCount
    let need = Self.word + (length + Self.word - 1) & ~(Self.word - 1)
    guard count < frameLimit, makeRoom(for: need) else { return false }
    storage.storeBytes(of: length, toByteOffset: tail, as: Int.self)
    frame.withUnsafeBytes { bytes in
      if let start = bytes.baseAddress { (storage + tail + Self.word).copyMemory(from: start, byteCount: length) }
    }
    tail += need
    used += need
    count += 1
    byteCount += length
    return true
  }

  /// The oldest frame; valid until ``removeFirst()``, even if frames are appended meanwhile.
  var first: MemoryWindow? {
    guard count > 0 else { return nil }
    return MemoryWindow(storage + head + Self.word, count: storage.load(fromByteOffset: head, as: Int.self))
  }

  func removeFirst() {
    precondition(count > 0)
    let length = storage.load(fromByteOffset: head, as: Int.self)
    let taken = Self.word + (length + Self.word - 1) & ~(Self.word - 1)
    head += taken
    used -= taken
    count -= 1
    byteCount -= length
    if !outgrown.isEmpty {
      for old in outgrown { old.deallocate() }
      outgrown.removeAll(keepingCapacity: true)
    }
    if count == 0 {
      head = 0
      tail = 0
      used = 0
    } else {
      skipUnusedEnd()
    }
  }

  func removeAll() {
    while count > 0 { removeFirst() }
  }

  /// Moves `head` to the start of the storage if no frame lies before its end.
  private func skipUnusedEnd() {
    if head == capacity {
      head = 0
    } else if storage.load(fromByteOffset: head, as: Int.self) == Self.skip {
      used -= capacity - head
      head = 0
    }
  }

  /// Brings `tail` to a place with `need` contiguous free bytes.
  private func makeRoom(for need: Int) -> Bool {
    if tail == capacity && head > 0 { tail = 0 }
    if used == 0 || tail > head {
      if need <= capacity - tail { return true }
      if need <= head {
        storage.storeBytes(of: Self.skip, toByteOffset: tail, as: Int.self)
        used += capacity - tail
        tail = 0
        return true
      }
    } else if need <= head - tail {
      return true
    }
    return grow(by: need)
  }

  /// Moves everything into storage of at least twice the size, in one piece from its start.
  private func grow(by need: Int) -> Bool {
    let larger = min(max(capacity * 2, used + need), byteLimit)
    guard larger > capacity, larger >= used + need else { return false }
    let new = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: Self.word)
    var from = head
    var to = 0
    for _ in 0..<count {
      if from == capacity || storage.load(fromByteOffset: from, as: Int.self) == Self.skip { from = 0 }
      let length = storage.load(fromByteOffset: from, as: Int.self)
      let taken = Self.word + (length + Self.word - 1) & ~(Self.word - 1)
      (new + to).copyMemory(from: storage + from, byteCount: taken)
      from += taken
      to += taken
    }
    // The first frame may be on its way to a port right now.
    if count > 0 { outgrown.append(storage) } else { storage.deallocate() }
    storage = new
    capacity = larger
    head = 0
    tail = to
    used = to
    return true
  }
}
