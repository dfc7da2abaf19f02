import EventLoop

/// What happened somewhere in a bench, as a typed value. Captures, traces, reports and the live view read this stream.
///
/// Names of registers and states are static strings of the layer that emits them; `summary` strings are made only when
/// a tap listens.
public enum Event: Sendable, Equatable {
  /// A register access by the driver: BAR, byte offset, the register's name and value, access size in bytes.
  case registerRead(bar: Int, offset: Int, name: String, value: UInt64, size: Int)
  case registerWrite(bar: Int, offset: Int, name: String, value: UInt64, size: Int)
  /// A configuration space access: bus address ("00:03.0"), register offset, value, access size in bytes.
  case configurationAccess(function: String, write: Bool, offset: Int, value: UInt32, size: Int)
  /// The device processed a descriptor of the named ring.
  case descriptor(ring: String, index: Int, length: Int, status: UInt32)
  /// An interrupt line changed its level.
  case interrupt(line: String, asserted: Bool, causes: UInt32)
  /// A frame passed a point ("tx", "rx") of an interface or wire.
  case frame(direction: String, length: Int, summary: String)
  /// A frame or datagram was thrown away, with the layer's reason.
  case dropped(reason: String, length: Int)
  /// A transport segment was sent or received.
  case segment(direction: String, connection: String, summary: String)
  /// A state machine moved: TCP connection, neighbour entry, DHCP client, link.
  case stateChange(object: String, from: String, to: String)
  /// A waiter was woken, and by what.
  case wake(object: String, reason: String)
  /// A Linux system call ended: its number, name, arguments as text, and its result (negative errno on failure).
  case systemCall(number: Int, name: String, arguments: String, result: Int)
  /// Something worth telling a person: a guest error that was counted, a fault that was injected.
  case note(String)
}

/// The layer an event comes from.
public enum EventLayer: String, Sendable, CaseIterable {
  case machine, model, driver, wire, ethernet, ip, udp, tcp, sockets, syscall, bench
}

/// An event with when and where it happened.
public struct EventRecord: Sendable, Equatable {
  public let time: Instant
  public let layer: EventLayer
  public let event: Event

  public init(time: Instant, layer: EventLayer, event: Event) {
    self.time = time
    self.layer = layer
    self.event = event
  }
}
