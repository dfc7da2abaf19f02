import Memory

/// A cable as its end sees it: the joint between a NIC and what lies beyond (libslirp, a loop, a switch, a file, a
/// capture or impairment in between).
///
/// Frames are Ethernet II or 802.3 frames from destination address to the end of the payload, without preamble and FCS.
/// Nothing is copied on the way unless a wire must keep a frame; the span is valid only during the call.
///
/// Flow control is exact in both directions: an end that cannot take a frame says so and the giver keeps it, until the
/// taker says that it is ready. A frame is thrown away only by something that counts it.
public protocol Wire: AnyObject {
  /// The end on our side. Held without ownership; set by ``WirePort`` owners when they plug the cable in.
  var port: (any WirePort)? { get set }

  /// Takes a frame from the port. False: no room now; the port keeps the frame, and gets ``WirePort/wireIsReady()``
  /// later.
  func send(_ frame: RawSpan) -> Bool

  /// The port refused a frame earlier and has room again: deliver what waits.
  func portIsReady()

  /// True if there is a carrier (the link is up).
  var hasCarrier: Bool { get }
}

/// What is plugged into the end of a ``Wire``: a NIC model, or a middleware's inner end.
public protocol WirePort: AnyObject {
  /// Takes a frame from the wire. False: no room now; the wire keeps the frame, and gets ``Wire/portIsReady()`` later.
  func receive(_ frame: RawSpan) -> Bool

  /// The wire refused a frame earlier and has room again: send what waits.
  func wireIsReady()

  /// The carrier came or went.
  func carrierChanged()
}
