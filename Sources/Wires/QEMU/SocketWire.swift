import EventLoop
import Events
import Link

/// A wire that ends in a socket of the operating system, with a QEMU's `-netdev stream` or `-netdev dgram` at the other
/// end.
public protocol SocketWire: Wire {
  var address: WireAddress { get }
  var counters: SocketWireCounters { get }
  /// Why the last attempt to reach the peer failed, as errno; nil if none did.
  var lastError: Int32? { get }
  /// Gets an event for each frame that is lost or refused.
  var tap: EventTap? { get set }
  /// Ends the wire for good: closes its sockets and removes the paths it made.
  func close()
}

extension SocketWire {
  public var lastError: Int32? { nil }
}

/// What went through a ``SocketWire``, and what did not.
public struct SocketWireCounters: Sendable, Equatable {
  /// Frames handed to the kernel or put in its way, and their bytes.
  public var sent: UInt64 = 0
  public var sentBytes: UInt64 = 0
  /// Frames that the port took, and their bytes.
  public var received: UInt64 = 0
  public var receivedBytes: UInt64 = 0
  /// Times the peer took too little: a frame stayed with the port.
  public var refusedSends: UInt64 = 0
  /// Times the port had no room: the peer had to wait.
  public var refusedByPort: UInt64 = 0
  /// Peers that connected (stream), and that went away or were sent away.
  public var connections: UInt64 = 0
  public var disconnections: UInt64 = 0
  /// Peers that were turned away because one is there already.
  public var refusedPeers: UInt64 = 0
  /// Length words of zero or beyond the limit; each ended its connection.
  public var hostileLengths: UInt64 = 0
  /// Frames from the peer that are shorter than an Ethernet header.
  public var runts: UInt64 = 0
  /// Datagrams from the peer beyond the limit.
  public var oversize: UInt64 = 0
  /// Frames from the port beyond the limit.
  public var tooLong: UInt64 = 0
  /// Connections that ended in the middle of a frame.
  public var truncated: UInt64 = 0
  /// Frames of the port's that no peer was there for, or that had not reached the kernel when the peer went.
  public var lostWithoutCarrier: UInt64 = 0
  /// Errors of system calls that ended a connection or cost a frame.
  public var systemErrors: UInt64 = 0

  public init() {}
}

/// Why a socket wire could not be opened.
public enum SocketWireError: Error, Equatable, CustomStringConvertible {
  case system(WireAddress, operation: String, code: Int32)
  /// Another process, or another wire, listens there.
  case inUse(WireAddress)
  /// The path is that of some other file.
  case notASocket(WireAddress)

  public var description: String {
    switch self {
    case .system(let address, let operation, let code):
      "wire \(address): \(operation) failed: \(describeError(code))"
    case .inUse(let address): "wire \(address): the address is in use; stop the other process, or choose another one"
    case .notASocket(let address):
      "wire \(address): a file is there that is not a socket; it was not touched. Choose another path"
    }
  }
}

/// Bounds of a ``SocketWire``.
public struct SocketWireSettings: Sendable, Equatable {
  /// Longest frame in bytes, either way: QEMU's own buffer (NET_BUFSIZE).
  public var frameLimit = 69_632
  /// Bytes that wait for a peer that does not read, before frames stay with the port; at least two frames' worth.
  public var sendLimit = 1 << 19
  /// From one attempt to connect to the next.
  public var retryInterval = TimeSpan.milliseconds(250)

  public init() {}
}

extension WireAddress {
  /// Opens the wire. A connecting one comes back at once and has a carrier as soon as the peer is there.
  public func open(
    on loop: EpollLoop, settings: SocketWireSettings = SocketWireSettings()
  ) throws(SocketWireError) -> any SocketWire {
    switch self {
    case .connect, .listen: try StreamWire(self, on: loop, settings: settings)
    case .datagram: try DatagramWire(self, on: loop, settings: settings)
    }
  }
}
