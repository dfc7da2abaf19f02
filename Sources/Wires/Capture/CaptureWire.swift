import EventLoop
import Link
import PacketCapture
import Packets

/// A cable with a tap on it: every frame that passes, in either direction, is also written to a capture.
///
/// Directions are the port's: what it receives is inbound. Times are the loop's, since 1970. A frame is written when it
/// is offered, so that it stands before whatever its delivery causes; one that is refused and offered again stands
/// there once, with the time of the first attempt. A write that fails ends the capture, not the traffic; the error is
/// kept in ``failure``.
///
/// ``flush()`` or ``close()`` bring what is buffered to the file; nothing is written behind the owner's back later.
public final class CaptureWire: Wire, WirePort {
  public weak var port: (any WirePort)?
  /// The wire that is listened to. Owned.
  public let inner: any Wire
  /// The first error of the capture; frames are not written after it.
  public fileprivate(set) var failure: CaptureError?
  private let loop: any EventLoop
  private let record: (RawSpan, UInt64, FrameDirection) throws(CaptureError) -> Void
  private let writer: PcapngWriter?
  private var count = CaptureWireCounters()
  private var isOpen = true
  /// The frames that were written and then refused, one for each direction.
  private var refusedOutbound: Fingerprint?
  private var refusedInbound: Fingerprint?

  /// Hands each frame to `record`, with its time in nanoseconds since 1970.
  public init(
    _ inner: any Wire, on loop: any EventLoop,
    record: @escaping (RawSpan, UInt64, FrameDirection) throws(CaptureError) -> Void
  ) {
    self.inner = inner
    self.loop = loop
    self.record = record
    writer = nil
    inner.port = self
  }

  /// Writes to `writer`, as frames of its interface number `interface`.
  public init(_ inner: any Wire, on loop: any EventLoop, writer: PcapngWriter, interface: Int) {
    self.inner = inner
    self.loop = loop
    self.writer = writer
    record = { (frame, time, direction) throws(CaptureError) in
      try writer.write(frame, time: time, interface: interface, direction: direction)
    }
    inner.port = self
  }

  /// Writes to a new pcapng file at `path`, with one interface called `name`.
  public convenience init(
    _ inner: any Wire, on loop: any EventLoop, path: String, name: String
  ) throws(CaptureError) {
    let writer = try PcapngWriter(CaptureSink(path: path), application: "wirebench")
    let interface = try writer.addInterface(name: name)
    self.init(inner, on: loop, writer: writer, interface: interface)
  }

  public var counters: CaptureWireCounters { count }
  public var hasCarrier: Bool { inner.hasCarrier }

  public func send(_ frame: RawSpan) -> Bool {
    write(frame, .outbound, refused: &refusedOutbound)
    if inner.send(frame) { return true }
    refusedOutbound = Fingerprint(frame)
    return false
  }

  public func receive(_ frame: RawSpan) -> Bool {
    guard let port else { return true }
    write(frame, .inbound, refused: &refusedInbound)
    if port.receive(frame) { return true }
    refusedInbound = Fingerprint(frame)
    return false
  }

  public func portIsReady() { inner.portIsReady() }
  public func wireIsReady() { port?.wireIsReady() }
  public func carrierChanged() { port?.carrierChanged() }

  /// Brings everything written so far to the file.
  public func flush() throws(CaptureError) {
    if let failure { throw failure }
    try writer?.flush()
  }

  /// Ends the capture; the wire goes on. Closing twice does nothing.
  public func close() throws(CaptureError) {
    guard isOpen else { return }
    isOpen = false
    try writer?.close()
    if let failure { throw failure }
  }
}

extension CaptureWire {
  private func write(_ frame: RawSpan, _ direction: FrameDirection, refused: inout Fingerprint?) {
    if let earlier = refused {
      refused = nil
      if earlier == Fingerprint(frame) { return }
    }
    guard isOpen, failure == nil else {
      count.notCaptured &+= 1
      return
    }
    do throws(CaptureError) {
      try record(frame, UInt64(clamping: loop.epochNanoseconds &+ loop.now.nanoseconds), direction)
      count.frames &+= 1
      count.bytes &+= UInt64(frame.byteCount)
    } catch {
      failure = error
      count.notCaptured &+= 1
    }
  }
}

/// Enough of a frame to know it again when it is offered a second time (a sender that was reset offers another one).
private struct Fingerprint: Equatable {
  let length: Int
  let hash: UInt64

  init(_ frame: RawSpan) {
    length = frame.byteCount
    // FNV-1a, 64 bit.
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for i in 0..<length { hash = (hash ^ UInt64(frame.octet(i))) &* 0x100_0000_01B3 }
    self.hash = hash
  }
}

public struct CaptureWireCounters: Sendable, Equatable {
  /// Frames in the capture, and their bytes.
  public var frames: UInt64 = 0
  public var bytes: UInt64 = 0
  /// Frames that passed after the capture had failed or was closed.
  public var notCaptured: UInt64 = 0
  public init() {}
}
