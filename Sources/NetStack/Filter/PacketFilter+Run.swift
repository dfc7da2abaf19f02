import Packets

extension PacketFilter {
  /// Where loads beyond the packet go: SKF_NET_OFF to the IPv4 header. (What is below, SKF_LL_OFF, is gone here.)
  private static let networkStart: Int32 = -0x10_0000

  /// Runs the program over a packet.
  ///
  /// - Parameters:
  ///   - packet: what the socket sees: from the transport header on, or from the IPv4 header for raw sockets.
  ///   - datagram: the same from the IPv4 header on.
  /// - Returns: how many of the packet's octets are let through; 0: the packet is dropped.
  func run(_ packet: RawSpan, datagram: RawSpan, interface: Int) -> Int {
    var (a, x, place) = (UInt32(0), UInt32(0), 0)
    var memory = [UInt32](repeating: 0, count: Self.memoryWords)
    while place < instructions.count {
      let step = instructions[place]
      place += 1
      guard let operation = Operation(step.code) else { return 0 }
      switch operation {
      case .loadAbsolute(let width):
        if step.k >= Ancillary.start {
          a = Self.ancillary(step.k, a, x, packet, datagram, interface)
        } else {
          guard let value = Self.load(width, Int32(bitPattern: step.k), packet, datagram) else { return 0 }
          a = value
        }
      case .loadIndirect(let width):
        guard let value = Self.load(width, Int32(bitPattern: x &+ step.k), packet, datagram) else { return 0 }
        a = value
      case .loadLength: a = UInt32(packet.byteCount)
      case .loadImmediate: a = step.k
      case .loadMemory: a = memory[Int(step.k)]
      case .loadXLength: x = UInt32(packet.byteCount)
      case .loadXImmediate: x = step.k
      case .loadXMemory: x = memory[Int(step.k)]
      case .loadXHeaderLength:
        guard let value = Self.load(.byte, Int32(bitPattern: step.k), packet, datagram) else { return 0 }
        x = (value & 15) << 2
      case .store: memory[Int(step.k)] = a
      case .storeX: memory[Int(step.k)] = x
      case .add(let usesX): a &+= usesX ? x : step.k
      case .subtract(let usesX): a &-= usesX ? x : step.k
      case .multiply(let usesX): a &*= usesX ? x : step.k
      case .divide(let usesX):
        guard !usesX || x != 0 else { return 0 }
        a /= usesX ? x : step.k
      case .modulo(let usesX):
        guard !usesX || x != 0 else { return 0 }
        a %= usesX ? x : step.k
      case .and(let usesX): a &= usesX ? x : step.k
      case .or(let usesX): a |= usesX ? x : step.k
      case .exclusiveOr(let usesX): a ^= usesX ? x : step.k
      case .shiftLeft(let usesX): a = a &<< (usesX ? x : step.k)
      case .shiftRight(let usesX): a = a &>> (usesX ? x : step.k)
      case .negate: a = 0 &- a
      case .jump: place += Int(step.k)
      case .compare(let comparison, let usesX):
        let isTrue = Self.holds(comparison, a, usesX ? x : step.k)
        place += Int(isTrue ? step.ifTrue : step.ifFalse)
      case .finish(let usesA): return Int(usesA ? a : step.k)
      case .toX: x = a
      case .toA: a = x
      }
    }
    return 0
  }

  private static func holds(_ comparison: Operation.Comparison, _ a: UInt32, _ b: UInt32) -> Bool {
    switch comparison {
    case .equal: a == b
    case .greater: a > b
    case .greaterOrEqual: a >= b
    case .anyBit: a & b != 0
    }
  }

  /// Nil beyond the packet, which ends the program.
  private static func load(
    _ width: Operation.Width, _ offset: Int32, _ packet: RawSpan, _ datagram: RawSpan
  ) -> UInt32? {
    let isNetwork = offset < 0
    guard !isNetwork || offset >= networkStart else { return nil }
    let bytes = isNetwork ? datagram : packet
    let at = isNetwork ? Int(offset - networkStart) : Int(offset)
    guard at + width.rawValue <= bytes.byteCount else { return nil }
    return switch width {
    case .word: bytes.loadBigEndian(at, as: UInt32.self)
    case .half: UInt32(bytes.loadBigEndian(at, as: UInt16.self))
    case .byte: UInt32(bytes.octet(at))
    }
  }

  private static func ancillary(
    _ k: UInt32, _ a: UInt32, _ x: UInt32, _ packet: RawSpan, _ datagram: RawSpan, _ interface: Int
  ) -> UInt32 {
    switch Ancillary(rawValue: k &- Ancillary.start) {
    case .protocolType: 0x0800
    case .interface: UInt32(truncatingIfNeeded: interface)
    // ARPHRD_LOOPBACK, ARPHRD_ETHER
    case .hardwareType: interface == 1 ? 772 : 1
    case .exclusiveOrX: a ^ x
    case .payloadOffset: UInt32(packet.byteCount)
    default: 0
    }
  }
}
