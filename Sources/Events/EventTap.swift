import EventLoop

/// The stream of a bench's events. Layers hold the tap of their bench and ask ``isOn`` before they build an event: one
/// load and one branch while nobody listens.
///
///     if tap.isOn { tap.emit(.model, .interrupt(line: name, asserted: true, causes: cause)) }
public final class EventTap {
  /// True while at least one sink listens. Read for every frame and only ever as a whole: without a run-time
  /// exclusivity check.
  @exclusivity(unchecked) @usableFromInline var listening = false
  private let loop: any EventLoop
  private var sinks: [(EventRecord) -> Void] = []

  public init(on loop: any EventLoop) { self.loop = loop }

  @inlinable public var isOn: Bool { @inline(__always) get { unsafe listening } }

  /// Adds a listener; it is called on the loop, in order of adding.
  public func attach(_ sink: @escaping (EventRecord) -> Void) {
    sinks.append(sink)
    unsafe listening = true
  }

  /// Sends an event of `layer` to all listeners.
  public func emit(_ layer: EventLayer, _ event: Event) {
    guard unsafe listening else { return }
    let record = EventRecord(time: loop.now, layer: layer, event: event)
    for sink in sinks { sink(record) }
  }
}
