/// RCTL, Receive Control (manual section 13.4.22).
@frozen public struct ReceiveControl: BitFields {
  public var rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// EN
  @inlinable public var enabled: Bool {
    get { self[bit: 1] }
    set { self[bit: 1] = newValue }
  }
  /// SBP: store bad packets
  @inlinable public var storeBad: Bool {
    get { self[bit: 2] }
    set { self[bit: 2] = newValue }
  }
  /// UPE
  @inlinable public var unicastPromiscuous: Bool {
    get { self[bit: 3] }
    set { self[bit: 3] = newValue }
  }
  /// MPE
  @inlinable public var multicastPromiscuous: Bool {
    get { self[bit: 4] }
    set { self[bit: 4] = newValue }
  }
  /// LPE: frames longer than 1522 bytes are taken (to 16384)
  @inlinable public var longPackets: Bool {
    get { self[bit: 5] }
    set { self[bit: 5] = newValue }
  }
  /// LBM: 3 = loopback through PHY or external transceiver, 1 = MAC loopback
  @inlinable public var loopback: UInt32 {
    get { self[bits: 6..<8] }
    set { self[bits: 6..<8] = newValue }
  }
  /// RDMTS: RXDMT0 when 1/2, 1/4, 1/8 of the ring is left
  @inlinable public var minimumThreshold: UInt32 {
    get { self[bits: 8..<10] }
    set { self[bits: 8..<10] = newValue }
  }
  /// MO: which 12 address bits select the bit of MTA
  @inlinable public var multicastOffset: UInt32 {
    get { self[bits: 12..<14] }
    set { self[bits: 12..<14] = newValue }
  }
  /// BAM: broadcast accept
  @inlinable public var acceptBroadcast: Bool {
    get { self[bit: 15] }
    set { self[bit: 15] = newValue }
  }
  /// BSIZE: 0...3 = 2048, 1024, 512, 256 bytes; 16 times as much with ``sizeExtension``
  @inlinable public var bufferSizeCode: UInt32 {
    get { self[bits: 16..<18] }
    set { self[bits: 16..<18] = newValue }
  }
  /// VFE
  @inlinable public var vlanFilter: Bool {
    get { self[bit: 18] }
    set { self[bit: 18] = newValue }
  }
  /// CFIEN: compare the CFI bit of the tag with ``canonicalForm``
  @inlinable public var compareCanonicalForm: Bool {
    get { self[bit: 19] }
    set { self[bit: 19] = newValue }
  }
  /// CFI
  @inlinable public var canonicalForm: Bool {
    get { self[bit: 20] }
    set { self[bit: 20] = newValue }
  }
  /// DPF: discard pause frames
  @inlinable public var discardPause: Bool {
    get { self[bit: 22] }
    set { self[bit: 22] = newValue }
  }
  /// PMCF: pass MAC control frames
  @inlinable public var passControlFrames: Bool {
    get { self[bit: 23] }
    set { self[bit: 23] = newValue }
  }
  /// BSEX
  @inlinable public var sizeExtension: Bool {
    get { self[bit: 25] }
    set { self[bit: 25] = newValue }
  }
  /// SECRC: strip the FCS
  @inlinable public var stripCRC: Bool {
    get { self[bit: 26] }
    set { self[bit: 26] = newValue }
  }

  /// Bytes of every receive buffer: 256 to 16384. With BSEX, BSIZE 0 is reserved and taken as 2048.
  @inlinable public var bufferByteCount: Int {
    let plain = 2048 &>> Int(bufferSizeCode)
    return sizeExtension && bufferSizeCode != 0 ? plain &<< 4 : plain
  }
}

/// RDTR, Receive Interrupt Packet Delay Timer (manual section 13.4.30); TIDV, RADV and TADV have the same delay field.
@frozen public struct InterruptDelay: BitFields {
  public var rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Delay in units of 1.024 us; 0 = none
  @inlinable public var delay: UInt32 {
    get { self[bits: 0..<16] }
    set { self[bits: 0..<16] = newValue }
  }
  /// FPD: flush a partial descriptor block now (RDTR; clears itself)
  @inlinable public var flush: Bool {
    get { self[bit: 31] }
    set { self[bit: 31] = newValue }
  }

  /// Nanoseconds of one unit of the delay timers, and of ITR.
  public static let unitNanoseconds = 1_024
  public static let throttleUnitNanoseconds = 256
}

/// RXCSUM, Receive Checksum Control (manual section 13.4.47).
@frozen public struct ReceiveChecksumControl: BitFields {
  public var rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// PCSS: where the packet checksum of the descriptor starts; bytes from the start of the frame
  @inlinable public var start: UInt32 {
    get { self[bits: 0..<8] }
    set { self[bits: 0..<8] = newValue }
  }
  /// IPOFLD
  @inlinable public var ipOffload: Bool {
    get { self[bit: 8] }
    set { self[bit: 8] = newValue }
  }
  /// TUOFLD
  @inlinable public var transportOffload: Bool {
    get { self[bit: 9] }
    set { self[bit: 9] = newValue }
  }
  /// IPV6OFL
  @inlinable public var ipv6Offload: Bool {
    get { self[bit: 10] }
    set { self[bit: 10] = newValue }
  }
}

/// RAH, Receive Address High (manual section 13.5.3).
@frozen public struct ReceiveAddressHigh: BitFields {
  public var rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Bytes 4 and 5 of the address, low byte first
  @inlinable public var address: UInt32 {
    get { self[bits: 0..<16] }
    set { self[bits: 0..<16] = newValue }
  }
  /// AS: 0 = compare with the destination, 1 = with the source
  @inlinable public var selection: UInt32 {
    get { self[bits: 16..<18] }
    set { self[bits: 16..<18] = newValue }
  }
  /// AV: the entry is valid
  @inlinable public var valid: Bool {
    get { self[bit: 31] }
    set { self[bit: 31] = newValue }
  }
}

/// RXDCTL and TXDCTL, Descriptor Control (manual sections 13.4.46 and 13.4.43).
@frozen public struct DescriptorControl: BitFields {
  public var rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// PTHRESH
  @inlinable public var prefetch: UInt32 {
    get { self[bits: 0..<6] }
    set { self[bits: 0..<6] = newValue }
  }
  /// HTHRESH
  @inlinable public var host: UInt32 {
    get { self[bits: 8..<14] }
    set { self[bits: 8..<14] = newValue }
  }
  /// WTHRESH
  @inlinable public var writeBack: UInt32 {
    get { self[bits: 16..<22] }
    set { self[bits: 16..<22] = newValue }
  }
  /// GRAN: thresholds count descriptors, not cache lines
  @inlinable public var granularity: Bool {
    get { self[bit: 24] }
    set { self[bit: 24] = newValue }
  }
  /// LWTHRESH (TXDCTL): TXD_LOW below 8 times this many descriptors
  @inlinable public var low: UInt32 {
    get { self[bits: 25..<32] }
    set { self[bits: 25..<32] = newValue }
  }
}
