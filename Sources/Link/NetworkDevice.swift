import Memory
import Packets

/// A network interface as the protocol stack sees it: the joint between a driver and a stack.
///
/// Sending: ask for a buffer (DMA memory of the driver), write the frame into it once, submit it with what the device
/// shall still do to it, and at the end of a batch ring the doorbell. Receiving: the driver calls its
/// ``NetworkDeviceClient`` with frames that lie in DMA memory, valid only during the call.
public protocol NetworkDevice: AnyObject {
  /// The interface's name, for example `enp0s3`.
  var name: String { get }
  var hardwareAddress: MACAddress { get }
  /// Largest network-layer datagram of one frame, in bytes (1500 for plain Ethernet).
  var mtu: Int { get }
  /// What the device can do to frames by itself.
  var features: DeviceFeatures { get }
  var isLinkUp: Bool { get }
  /// Who gets received frames. Held without ownership.
  var client: (any NetworkDeviceClient)? { get set }

  /// A buffer for a frame of at most `capacity` bytes, from Ethernet header to the end of the payload. Nil: the ring or
  /// the pool is full; the client gets ``NetworkDeviceClient/transmitReady()`` when that has changed.
  func reserve(capacity: Int) -> TransmitBuffer?

  /// Gives a reserved buffer back unused.
  func release(_ buffer: TransmitBuffer)

  /// Queues the first `length` bytes of a reserved buffer as one frame (or as one large segment to be cut up).
  func submit(_ buffer: TransmitBuffer, length: Int, offload: TransmitOffload)

  /// Tells the device about everything submitted since the last call: one register write for the batch.
  func doorbell()

  /// Says as which station the device receives, and what besides. Holds until the next call, stops of the device
  /// included. A device that does not filter has nothing to do: its client looks at every frame anyway.
  func apply(_ filter: ReceiveFilter)

  /// Says whether the frames of `group` are wanted, at first those of none. The device may let those of others through
  /// too. Holds as the filter does.
  func setReception(of group: MACAddress, isWanted: Bool)

  /// Makes frames of `mtu` bytes possible, with all that takes (a driver may have to stop and start its device). False:
  /// the device cannot do it, and everything is as before; a device that cannot go back either has no link from then
  /// on.
  func changeMTU(to mtu: Int) -> Bool

  /// What the driver tells and lets be set besides; nil if nothing.
  var diagnostics: (any DeviceDiagnostics)? { get }
}

extension NetworkDevice {
  public func apply(_ filter: ReceiveFilter) {}
  public func setReception(of group: MACAddress, isWanted: Bool) {}
  public func changeMTU(to mtu: Int) -> Bool { mtu <= self.mtu }
  public var diagnostics: (any DeviceDiagnostics)? { nil }
}

/// Which frames a device lets through, besides broadcasts and groups that were asked for one by one.
public struct ReceiveFilter: Equatable, Sendable {
  /// The address that it receives under: not a group, not zero.
  public var station: MACAddress
  /// Every frame.
  public var isPromiscuous = false
  /// Every group's frames.
  public var acceptsAllMulticast = false

  public init(station: MACAddress) { self.station = station }
}

/// The stack's side of a ``NetworkDevice``.
public protocol NetworkDeviceClient: AnyObject {
  /// A frame arrived, from destination address to the end of the payload, without FCS.
  func received(_ frame: RawSpan, _ metadata: ReceiveMetadata)
  /// The current batch of received frames is over: send the acknowledgements and wake-ups it caused.
  func receiveBatchEnded()
  /// Buffers are free again after ``NetworkDevice/reserve(capacity:)`` returned nil.
  func transmitReady()
  func linkChanged(isUp: Bool)
}

/// A frame buffer on its way out.
@frozen public struct TransmitBuffer: BitwiseCopyable {
  /// The memory to write the frame into.
  public let window: MemoryWindow
  /// The driver's own number of the buffer.
  public let token: Int

  @inlinable public init(window: MemoryWindow, token: Int) {
    self.window = window
    self.token = token
  }
}

/// What a device can do to frames by itself.
@frozen public struct DeviceFeatures: OptionSet, Sendable {
  public let rawValue: Int
  @inlinable public init(rawValue: Int) { self.rawValue = rawValue }

  /// Fills in TCP and UDP checksums, where the field holds the pseudo header's sum.
  public static var transmitChecksum: DeviceFeatures { @inlinable get { DeviceFeatures(rawValue: 1) } }
  /// Cuts large TCP segments into frames of the MSS (IPv4).
  public static var segmentationIPv4: DeviceFeatures { @inlinable get { DeviceFeatures(rawValue: 2) } }
  public static var segmentationIPv6: DeviceFeatures { @inlinable get { DeviceFeatures(rawValue: 4) } }
  /// Verifies IP and transport checksums of received frames.
  public static var receiveChecksum: DeviceFeatures { @inlinable get { DeviceFeatures(rawValue: 8) } }
  /// Frames need no checksum at all (the loopback interface).
  public static var trusted: DeviceFeatures { @inlinable get { DeviceFeatures(rawValue: 16) } }
}

/// What the device shall do to a frame that is submitted.
@frozen public struct TransmitOffload: BitwiseCopyable, Sendable, Equatable {
  /// Fill in the transport checksum: the field at `transportOffset + checksumOffset` holds the folded, not inverted
  /// sum of the pseudo header (without the length if `segmentSize` is set, as the 8254x wants it).
  public var insertsTransportChecksum: Bool
  /// True for TCP, false for UDP.
  public var isTCP: Bool
  public var isIPv6: Bool
  /// Offset of the IP header from the start of the frame, and its length; bytes.
  public var networkOffset: UInt8
  public var networkHeaderLength: UInt8
  /// Length of the transport header with its options, in bytes (used for segmentation).
  public var transportHeaderLength: UInt8
  /// Payload bytes of each frame, if the device shall segment; 0 if not. The total length in the IP header is then 0,
  /// and its checksum is the device's too.
  public var segmentSize: UInt16

  @inlinable public init(
    insertsTransportChecksum: Bool = false, isTCP: Bool = false, isIPv6: Bool = false, networkOffset: UInt8 = 14,
    networkHeaderLength: UInt8 = 20, transportHeaderLength: UInt8 = 0, segmentSize: UInt16 = 0
  ) {
    self.insertsTransportChecksum = insertsTransportChecksum
    self.isTCP = isTCP
    self.isIPv6 = isIPv6
    self.networkOffset = networkOffset
    self.networkHeaderLength = networkHeaderLength
    self.transportHeaderLength = transportHeaderLength
    self.segmentSize = segmentSize
  }

  /// The frame is complete as it lies in the buffer.
  public static var none: TransmitOffload { @inlinable get { TransmitOffload() } }
}

/// What the device found out about a received frame.
@frozen public struct ReceiveMetadata: BitwiseCopyable, Sendable, Equatable {
  @frozen public enum Checksum: UInt8, BitwiseCopyable, Sendable {
    /// The device did not look: software must.
    case notChecked
    case good
    case bad
  }
  public var networkChecksum: Checksum
  public var transportChecksum: Checksum

  @inlinable public init(networkChecksum: Checksum = .notChecked, transportChecksum: Checksum = .notChecked) {
    self.networkChecksum = networkChecksum
    self.transportChecksum = transportChecksum
  }
}
