import Link

/// Joins two cables end to end: what comes out of one goes into the other, in the same call and without a copy. A frame
/// that the other cable refuses stays with the cable that brought it.
///
///     let splice = Splice(fabric.ports[0], slirp)     // an uplink for a switch
///
/// The cables work as long as the splice lives.
public final class Splice {
  private let one: SpliceEnd
  private let other: SpliceEnd

  public init(_ a: any Wire, _ b: any Wire) {
    one = SpliceEnd(own: a, far: b)
    other = SpliceEnd(own: b, far: a)
    a.port = one
    b.port = other
  }

  deinit {
    if one.own.port === one { one.own.port = nil }
    if other.own.port === other { other.own.port = nil }
  }
}

/// The port of one of the two cables.
private final class SpliceEnd: WirePort {
  let own: any Wire
  private let far: any Wire

  init(own: any Wire, far: any Wire) {
    self.own = own
    self.far = far
  }

  func receive(_ frame: RawSpan) -> Bool { far.send(frame) }
  func wireIsReady() { far.portIsReady() }
  /// The end of a splice has no link of its own: what is sent into a dead cable is that cable's to count.
  func carrierChanged() {}
}
