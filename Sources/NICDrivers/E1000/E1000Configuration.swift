import EventLoop

/// What a bench may choose about an ``E1000Driver``.
public struct E1000Configuration: Sendable, Equatable {
  /// Descriptors of the receive ring: 16 to 4096, a multiple of 8 (RDLEN counts 128-byte units).
  public var receiveDescriptors: Int = 256
  /// Descriptors of the transmit ring: 16 to 4096, a multiple of 8.
  public var transmitDescriptors: Int = 256
  /// Transmit buffers for single frames: 1 to 4096.
  public var transmitBuffers: Int = 256
  /// Transmit buffers of 64 KiB for frames that the device cuts up: 0 to 1024. Without any, or without
  /// ``segmentation``, the device does not offer segmentation.
  public var segmentationBuffers: Int = 32
  /// Let the device fill in and verify checksums.
  public var checksumOffload: Bool = true
  /// Let the device cut large TCP segments (needs ``checksumOffload``).
  public var segmentation: Bool = true
  /// Bytes of a receive buffer, 256 to 16384, a power of two; nil: the smallest from 2048 on that holds a whole frame.
  /// With a smaller one the device spreads a frame over several descriptors, and the driver puts it together.
  public var receiveBufferByteCount: Int? = nil
  /// Descriptors of one receive pass; when they are used up, other work of the loop gets its turn.
  public var receiveBudget: Int = 64
  /// At most one interrupt in this time (ITR, units of 256 ns, up to 16.7 ms); zero: none held back.
  public var interruptInterval: TimeSpan = .zero
  /// Reads of a register after which a wait for the device is given up.
  public var pollLimit: Int = 20_000
  /// Interrupts in a row without any work behind them, after which the interrupt is left alone for a while.
  public var idleInterruptLimit: Int = 10_000

  public init() {}

  /// Smallest and largest MTU: IPv4's minimum, and what fits the 16,128-byte frames that the packet buffer takes.
  public static let mtuRange = 68...16_110

  func validate() throws(DriverError) {
    func ring(_ name: String, _ count: Int) throws(DriverError) {
      guard (16...4096).contains(count), count % 8 == 0 else {
        throw .badConfiguration("\(name) ring of \(count) descriptors: it must have 16 to 4096, a multiple of 8")
      }
    }
    try ring("receive", receiveDescriptors)
    try ring("transmit", transmitDescriptors)
    guard (1...4096).contains(transmitBuffers) else {
      throw .badConfiguration("\(transmitBuffers) transmit buffers: there must be 1 to 4096")
    }
    guard (0...1024).contains(segmentationBuffers) else {
      throw .badConfiguration("\(segmentationBuffers) segmentation buffers: there must be 0 to 1024")
    }
    if let size = receiveBufferByteCount, !(256...16_384).contains(size) || size & (size - 1) != 0 {
      throw .badConfiguration("receive buffers of \(size) bytes: it must be a power of two from 256 to 16384")
    }
    guard receiveBudget > 0, pollLimit > 0, idleInterruptLimit > 0 else {
      throw .badConfiguration("budget and limits must be positive")
    }
  }

  /// True if the device is to cut up large segments.
  var offersSegmentation: Bool { checksumOffload && segmentation && segmentationBuffers > 0 }

  /// Value of ITR.INTERVAL for ``interruptInterval``.
  var throttling: UInt32 {
    UInt32(clamping: min(max(interruptInterval.nanoseconds, 0) / 256, 0xFFFF))
  }
}

/// The sizes that follow from an MTU.
struct FrameSizes: Equatable {
  /// Largest network-layer datagram, in bytes.
  let mtu: Int
  /// Longest frame without FCS: MTU, Ethernet header, one VLAN tag.
  let frame: Int
  /// Bytes of a receive buffer.
  let receiveBuffer: Int
  /// Bytes of a transmit buffer for one frame.
  let transmitBuffer: Int

  init(mtu: Int, configuration: E1000Configuration) {
    self.mtu = mtu
    frame = mtu + 18
    var whole = 2048
    while whole < mtu + 22 { whole *= 2 }
    receiveBuffer = configuration.receiveBufferByteCount ?? whole
    // One data descriptor covers it, whatever the MTU.
    transmitBuffer = min(whole, 16_256)
  }

  /// True if the device must take frames longer than 1522 bytes, FCS included.
  var isLong: Bool { frame + 4 > 1522 }
  /// True if the device may spread a frame over several descriptors.
  var spansDescriptors: Bool { frame + 4 > receiveBuffer }
}
