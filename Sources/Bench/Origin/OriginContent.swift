import Crypto

/// The bytes that the embedded origin serves: a function of length and seed alone, so that any part of a body can be
/// made and checked without keeping it.
public struct OriginContent: Sendable {
  /// Body length in bytes.
  public let byteCount: Int
  private let block: [UInt8]

  /// Length of the pseudo-random block that content repeats, with each repetition stamped by its number.
  private static let blockSize = 65536

  public init(byteCount: Int, seed: UInt64 = 0) {
    self.byteCount = byteCount
    var state = seed &+ 0x9E37_79B9_7F4A_7C15
    block = [UInt8](unsafeUninitializedCapacity: Self.blockSize) { buffer, count in
      for i in stride(from: 0, to: Self.blockSize, by: 8) {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        withUnsafeBytes(of: state.littleEndian) { word in
          for j in 0..<8 { buffer[i + j] = word[j] }
        }
      }
      count = Self.blockSize
    }
  }

  /// Writes content from `offset` on into `buffer`: as much as fits, at most up to the end of a block or of the
  /// content. Returns how many bytes.
  public func fill(_ buffer: UnsafeMutableRawBufferPointer, from offset: Int) -> Int {
    let blockNumber = offset / Self.blockSize
    let start = offset % Self.blockSize
    let end = min(Self.blockSize, start + min(buffer.count, byteCount - offset))
    block.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start..<end])) }
    // The stamp makes every block differ, so that a lost, repeated or moved block cannot go unnoticed.
    for i in 0..<8 where (start..<end).contains(i) {
      buffer[i - start] ^= UInt8(truncatingIfNeeded: UInt64(blockNumber) >> UInt64(8 * i))
    }
    return end - start
  }

  /// The bytes from `offset` on, at most one block of them.
  public func chunk(from offset: Int, limit: Int) -> [UInt8] {
    let room = min(limit, Self.blockSize - offset % Self.blockSize)
    return [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
      count = fill(UnsafeMutableRawBufferPointer(buffer), from: offset)
    }
  }

  /// SHA-256 of the whole content, as lower-case hexadecimal digits.
  public var digest: String {
    var hash = SHA256()
    var offset = 0
    while offset < byteCount {
      let bytes = chunk(from: offset, limit: byteCount - offset)
      hash.update(data: bytes)
      offset += bytes.count
    }
    return hexadecimal(hash.finalize())
  }
}

/// `bytes` as lower-case hexadecimal digits.
func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
  bytes.reduce(into: "") { text, byte in
    text += byte < 16 ? "0" + String(byte, radix: 16) : String(byte, radix: 16)
  }
}
