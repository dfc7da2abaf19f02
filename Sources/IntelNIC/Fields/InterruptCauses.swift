/// The bits of ICR, ICS, IMS and IMC (manual sections 13.4.17 to 13.4.21).
@frozen public struct InterruptCauses: OptionSet, Sendable, BitwiseCopyable, Hashable {
  public let rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// TXDW: a descriptor with RS was written back
  public static var transmitWrittenBack: Self { @inlinable get { Self(rawValue: 1 << 0) } }
  /// TXQE: the transmit ring is empty
  public static var transmitQueueEmpty: Self { @inlinable get { Self(rawValue: 1 << 1) } }
  /// LSC: link status change
  public static var linkStatusChange: Self { @inlinable get { Self(rawValue: 1 << 2) } }
  /// RXSEQ: receive sequence error (TBI only)
  public static var receiveSequenceError: Self { @inlinable get { Self(rawValue: 1 << 3) } }
  /// RXDMT0: free receive descriptors reached the minimum threshold
  public static var receiveMinimumThreshold: Self { @inlinable get { Self(rawValue: 1 << 4) } }
  /// RXO: receiver overrun
  public static var receiverOverrun: Self { @inlinable get { Self(rawValue: 1 << 6) } }
  /// RXT0: receiver timer interrupt
  public static var receiverTimer: Self { @inlinable get { Self(rawValue: 1 << 7) } }
  /// MDAC: MDI access complete
  public static var mdiAccessComplete: Self { @inlinable get { Self(rawValue: 1 << 9) } }
  /// RXCFG: /C/ ordered sets received (TBI only)
  public static var receivingConfiguration: Self { @inlinable get { Self(rawValue: 1 << 10) } }
  /// PHYINT
  public static var phy: Self { @inlinable get { Self(rawValue: 1 << 12) } }
  /// TXD_LOW: transmit descriptors below the threshold of TXDCTL.LWTHRESH
  public static var transmitDescriptorsLow: Self { @inlinable get { Self(rawValue: 1 << 15) } }
  /// SRPD: small receive packet detected
  public static var smallReceivePacket: Self { @inlinable get { Self(rawValue: 1 << 16) } }

  /// GPI_SDP6, GPI_SDP7: software definable pins
  public static var pin6: Self { @inlinable get { Self(rawValue: 1 << 13) } }
  public static var pin7: Self { @inlinable get { Self(rawValue: 1 << 14) } }

  /// Every bit that the registers hold: bits 0...16. The device never raises the reserved ones among them (5, 8 and
  /// 11), but ICS sets and IMS enables them like any other; Linux's `ethtool -t` tries 5 and 8.
  public static var all: Self { @inlinable get { Self(rawValue: 0x0001_FFFF) } }
}
