import EventLoop
import Events

/// The interrupt lines of a machine. INTx lines are levels: a line is asserted as long as at least one function that is
/// wired to it asserts its pin.
public final class InterruptController {
  private let loop: any EventLoop
  private let tap: EventTap
  private var lines: [InterruptLine] = []

  public init(on loop: any EventLoop, tap: EventTap) {
    self.loop = loop
    self.tap = tap
  }

  /// The line with the given number (0...255), made on first use.
  public func line(_ number: Int) -> InterruptLine {
    precondition((0...255).contains(number))
    if let line = lines.first(where: { $0.number == number }) { return line }
    let line = InterruptLine(number: number, on: loop, tap: tap)
    lines.append(line)
    return line
  }

  /// All lines together.
  public var counters: InterruptCounters {
    lines.reduce(into: InterruptCounters()) { sum, line in
      let part = line.counters
      sum.raised += part.raised
      sum.delivered += part.delivered
      sum.spurious += part.spurious
      sum.storms += part.storms
    }
  }
}

/// One interrupt line: level-triggered, shared by any number of functions and handlers.
///
/// Handlers run on the loop, never inside the register access that raised the line: all handlers of the line, each time
/// the line is found asserted. If it is still asserted after they have returned they run again, but other work of the
/// loop comes first. A line that stays asserted through ``stormLimit`` runs in a row is masked, as Linux does with an
/// interrupt that nobody handles.
public final class InterruptLine {
  /// Runs without a moment of rest after which the line is taken for stuck.
  public static let stormLimit = 100_000

  public let number: Int
  private let tap: EventTap
  private var work: DeferredWork?
  private var asserting = 0
  private var runsSinceLow = 0
  private var connections: [InterruptConnection] = []
  private var count = InterruptCounters()
  private var masked = false

  init(number: Int, on loop: any EventLoop, tap: EventTap) {
    self.number = number
    self.tap = tap
    work = DeferredWork(on: loop) { [weak self] in self?.deliver() }
  }

  /// True while a function asserts the line.
  public var isAsserted: Bool { asserting > 0 }

  public var counters: InterruptCounters { count }

  /// While true nothing is delivered; a line that is asserted when the mask goes is delivered then.
  public var isMasked: Bool {
    get { masked }
    set {
      masked = newValue
      runsSinceLow = 0
      wake()
    }
  }

  /// Adds a handler. It must not keep its owner alive.
  public func connect(_ handler: @escaping () -> Void) -> InterruptConnection {
    let connection = InterruptConnection(handler)
    connections.append(connection)
    wake()
    return connection
  }

  /// Takes a handler away; it does not run again, even if the line is being delivered.
  public func disconnect(_ connection: InterruptConnection) {
    connection.handler = nil
    connections.removeAll { $0 === connection }
  }

  /// One more function asserts the line. Balanced by ``release()``.
  package func raise() {
    asserting += 1
    guard asserting == 1 else { return }
    count.raised += 1
    if tap.isOn { tap.emit(.machine, .interrupt(line: "IRQ \(number)", asserted: true, causes: 0)) }
    wake()
  }

  /// One function less asserts the line.
  package func release() {
    precondition(asserting > 0)
    asserting -= 1
    guard asserting == 0 else { return }
    runsSinceLow = 0
    if tap.isOn { tap.emit(.machine, .interrupt(line: "IRQ \(number)", asserted: false, causes: 0)) }
  }

  private func wake() {
    if asserting > 0, !masked, !connections.isEmpty { work?.schedule() }
  }

  private func deliver() {
    guard asserting > 0, !masked, !connections.isEmpty else {
      count.spurious += 1
      return
    }
    guard runsSinceLow < Self.stormLimit else {
      masked = true
      count.storms += 1
      if tap.isOn { tap.emit(.machine, .note("IRQ \(number): nobody cared; the line is masked")) }
      return
    }
    runsSinceLow += 1
    count.delivered += 1
    for connection in connections { connection.handler?() }
    wake()
  }
}

/// A handler on a line; ``InterruptLine/disconnect(_:)`` takes it away.
public final class InterruptConnection {
  var handler: (() -> Void)?
  init(_ handler: @escaping () -> Void) { self.handler = handler }
}

public struct InterruptCounters: Sendable, Equatable {
  /// Changes of a line from low to high.
  public var raised: UInt64 = 0
  /// Times the handlers of a line ran.
  public var delivered: UInt64 = 0
  /// Times a line was low again, masked or without handler when its turn came.
  public var spurious: UInt64 = 0
  /// Times a line was masked because it never went low.
  public var storms: UInt64 = 0
  public init() {}
}
