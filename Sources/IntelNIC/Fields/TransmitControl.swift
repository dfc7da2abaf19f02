/// TCTL, Transmit Control (manual section 13.4.33).
@frozen public struct TransmitControl: BitFields {
  public var rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// EN
  @inlinable public var enabled: Bool {
    get { self[bit: 1] }
    set { self[bit: 1] = newValue }
  }
  /// PSP: pad short packets to 64 bytes
  @inlinable public var padShort: Bool {
    get { self[bit: 3] }
    set { self[bit: 3] = newValue }
  }
  /// CT: collision threshold
  @inlinable public var collisionThreshold: UInt32 {
    get { self[bits: 4..<12] }
    set { self[bits: 4..<12] = newValue }
  }
  /// COLD: collision distance
  @inlinable public var collisionDistance: UInt32 {
    get { self[bits: 12..<22] }
    set { self[bits: 12..<22] = newValue }
  }
  /// SWXOFF: send a pause frame; clears itself
  @inlinable public var sendXOFF: Bool {
    get { self[bit: 22] }
    set { self[bit: 22] = newValue }
  }
  /// RTLC
  @inlinable public var retransmitLate: Bool {
    get { self[bit: 24] }
    set { self[bit: 24] = newValue }
  }
}

/// TIPG, Transmit Inter Packet Gap (manual section 13.4.34).
@frozen public struct TransmitInterPacketGap: BitFields {
  public var rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// IPGT; 8 for copper
  @inlinable public var gap: UInt32 {
    get { self[bits: 0..<10] }
    set { self[bits: 0..<10] = newValue }
  }
  /// IPGR1; 8
  @inlinable public var gapPart1: UInt32 {
    get { self[bits: 10..<20] }
    set { self[bits: 10..<20] = newValue }
  }
  /// IPGR2; 6
  @inlinable public var gapPart2: UInt32 {
    get { self[bits: 20..<30] }
    set { self[bits: 20..<30] = newValue }
  }
}
