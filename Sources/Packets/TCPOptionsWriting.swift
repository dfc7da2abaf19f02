extension TCPOptions {
  /// How many bytes ``write(into:at:)`` writes, without counting SACK blocks that have no room: a multiple of four,
  /// at most 40.
  public var encodedLength: Int { baseLength + sackLength }

  private var baseLength: Int {
    var length = 0
    if maximumSegmentSize != nil { length += 4 }
    if hasTimestamps { length += 12 } else if isSACKPermitted { length += 4 }
    if windowScale != nil { length += 4 }
    if let fastOpenCookie { length += (Int(fastOpenCookie.count) + 5) & ~3 }
    return Swift.min(length, 40)
  }

  /// Number of SACK blocks for which the other options leave room.
  public var fittingSACKBlocks: Int { Swift.max(0, Swift.min(sackBlockCount, (36 - baseLength) / 8)) }

  private var sackLength: Int { fittingSACKBlocks == 0 ? 0 : 4 + 8 * fittingSACKBlocks }

  /// Writes the options in the order and with the padding of Linux (MSS, SACK permitted, timestamps, window scale,
  /// SACK, fast open cookie); returns the offset behind them. A cookie that finds no room is left out. The memory must
  /// have room for ``encodedLength`` bytes.
  @discardableResult @_lifetime(memory: copy memory)
  public func write(into memory: inout MutableRawSpan, at offset: Int) -> Int {
    let end = offset + encodedLength
    var at = offset
    func put(_ word: UInt32, _ memory: inout MutableRawSpan) {
      memory.storeBigEndian(word, at)
      at += 4
    }
    if let maximumSegmentSize { put(0x0204_0000 | UInt32(maximumSegmentSize), &memory) }
    if hasTimestamps {
      put(isSACKPermitted ? 0x0402_080A : 0x0101_080A, &memory)
      put(timestampValue, &memory)
      put(timestampEcho, &memory)
    } else if isSACKPermitted {
      put(0x0101_0402, &memory)
    }
    if let windowScale { put(0x0103_0300 | UInt32(windowScale), &memory) }
    let blocks = fittingSACKBlocks
    if blocks > 0 { put(0x0101_0500 | UInt32(2 + 8 * blocks), &memory) }
    for index in 0..<blocks {
      put(sackBlock(index).left, &memory)
      put(sackBlock(index).right, &memory)
    }
    if let cookie = fastOpenCookie, end - at >= Int(cookie.count) + 2 {
      memory.storeBytes(of: 34, toByteOffset: at, as: UInt8.self)
      memory.storeBytes(of: cookie.count + 2, toByteOffset: at + 1, as: UInt8.self)
      for index in 0..<Int(cookie.count) {
        memory.storeBytes(of: cookie[index], toByteOffset: at + 2 + index, as: UInt8.self)
      }
      at += Int(cookie.count) + 2
    }
    while at < end {
      memory.storeBytes(of: 1, toByteOffset: at, as: UInt8.self)
      at += 1
    }
    return end
  }
}
