/// The memory that one call sends from or receives into: the pieces that a program named (`struct iovec`), in order.
///
/// A program may name memory that it does not have. That is an error only when bytes are to be moved there, so
/// ``count`` says how many bytes were named, and the pieces hold what exists of them, up to the first byte that does
/// not.
public struct TransferMemory {
  /// Bytes that the program named.
  public let count: Int
  /// Those of them that exist.
  public let presentCount: Int
  private let first: UnsafeMutableRawBufferPointer
  private let others: [UnsafeMutableRawBufferPointer]

  /// The pieces, of which the last may be shorter than what was named.
  public init(_ pieces: [UnsafeMutableRawBufferPointer], count: Int) {
    self.count = count
    presentCount = pieces.reduce(0) { $0 + $1.count }
    first = pieces.first ?? UnsafeMutableRawBufferPointer(start: nil, count: 0)
    others = Array(pieces.dropFirst())
  }

  /// One piece, of which `count` bytes were named.
  public init(_ piece: UnsafeMutableRawBufferPointer, count: Int) {
    self.count = count
    presentCount = piece.count
    first = piece
    others = []
  }

  public init(_ buffer: UnsafeMutableRawBufferPointer) { self.init(buffer, count: buffer.count) }

  /// Memory that is only read.
  public init(_ bytes: UnsafeRawBufferPointer) { self.init(UnsafeMutableRawBufferPointer(mutating: bytes)) }

  /// All of it exists.
  public var isComplete: Bool { presentCount == count }

  /// What exists, if that is one piece.
  var contiguous: UnsafeMutableRawBufferPointer? { others.isEmpty ? first : nil }

  /// How many of `wanted` bytes from `offset` on can be moved. As in Linux not all that exists is: it copies in
  /// portions, and one that cannot be copied whole is not copied at all.
  func movable(_ wanted: Int, from offset: Int) -> Int {
    let room = presentCount - offset
    guard wanted > room else { return wanted }
    return max(0, room - room % Self.portion)
  }

  /// SKB_FRAG_PAGE_ORDER pages.
  private static let portion = 32_768

  /// Hands `body` the pieces of the `length` bytes from `offset` on, and whether it is the last, until it takes less
  /// than it is given. Returns how many bytes it took.
  func forEach(
    from offset: Int, _ length: Int, _ body: (UnsafeMutableRawBufferPointer, _ isLast: Bool) -> Int
  ) -> Int {
    var skip = offset
    var moved = 0
    for i in 0...others.count {
      let piece = i == 0 ? first : others[i - 1]
      guard skip < piece.count || piece.isEmpty else {
        skip -= piece.count
        continue
      }
      let part = min(piece.count - skip, length - moved)
      guard part > 0 else { continue }
      let taken = body(
        UnsafeMutableRawBufferPointer(rebasing: piece[skip..<(skip + part)]), moved + part == length)
      moved += taken
      skip = 0
      if taken < part || moved == length { break }
    }
    return moved
  }

  /// Copies `bytes` into the pieces.
  public func store(_ bytes: UnsafeRawBufferPointer) {
    var offset = 0
    _ = forEach(from: 0, bytes.count) { piece, _ in
      piece.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + piece.count)]))
      offset += piece.count
      return piece.count
    }
  }

  /// Calls `body` with the first `length` bytes in one piece, which are copied if they are in several.
  public func withBytes<T, Failure>(
    _ length: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> T
  ) throws(Failure) -> T {
    if let contiguous { return try body(UnsafeRawBufferPointer(rebasing: contiguous[..<length])) }
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: max(length, 1), alignment: 16)
    defer { scratch.deallocate() }
    var offset = 0
    _ = forEach(from: 0, length) { piece, _ in
      scratch.baseAddress?.advanced(by: offset).copyMemory(from: piece.baseAddress!, byteCount: piece.count)
      offset += piece.count
      return piece.count
    }
    return try body(UnsafeRawBufferPointer(rebasing: scratch[..<length]))
  }

  /// Calls `body` with room for `length` bytes in one piece, and stores as many as it says that it has put there.
  func withRoom<T, Failure>(
    _ length: Int, _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> (value: T, stored: Int)
  ) throws(Failure) -> T {
    if let contiguous, contiguous.count >= length {
      return try body(UnsafeMutableRawBufferPointer(rebasing: contiguous[..<length])).value
    }
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: max(length, 1), alignment: 16)
    defer { scratch.deallocate() }
    let (value, stored) = try body(UnsafeMutableRawBufferPointer(rebasing: scratch[..<length]))
    store(UnsafeRawBufferPointer(rebasing: scratch[..<min(stored, presentCount)]))
    return value
  }
}
