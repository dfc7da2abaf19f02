import EventLoop
import Events
import Link
import LinuxABI
import Machine
import NICDrivers
import NetStack
import Packets

/// One computer: a NIC, its driver, protocol stack and system-call layer. The NIC is a model on a ``Board`` of this
/// process, whose cable is plugged in here, or a function in another process, whose cable is there.
public final class Station {
  /// What a station is made of.
  public struct Options: Sendable {
    public var board = Board.Options()
    public var mtu = 1500
    /// From an IPv4 and a TCP header with the least segment that the stack sends, 48 bytes (Linux's TCP_MIN_SND_MSS),
    /// on.
    public static let mtuRange = 88...E1000Configuration.mtuRange.upperBound
    public var driver = E1000Configuration()
    public var stack = StackConfiguration()

    public init() {}
  }

  public let name: String
  public let loop: any EventLoop
  public let tap: EventTap
  /// The NIC's side, if it is in this process.
  public let board: Board?
  public let driver: E1000Driver
  public let stack: NetworkStack
  public let interface: NetworkInterface
  public let system: SystemCalls

  /// A station with a board of its own. The driver is started by ``start(on:)``.
  public convenience init(
    name: String, on loop: any EventLoop, tap: EventTap, options: Options = Options()
  ) throws(BenchError) {
    let board = try Board(name, on: loop, tap: tap, options: options.board)
    try self.init(name: name, on: loop, tap: tap, options: options, board: board, function: board.function)
  }

  /// A station whose NIC is in another process. The driver is started by ``start()``.
  public convenience init(
    name: String, on loop: any EventLoop, tap: EventTap, options: Options = Options(),
    driving function: any FunctionHandle
  ) throws(BenchError) {
    try self.init(name: name, on: loop, tap: tap, options: options, board: nil, function: function)
  }

  private init(
    name: String, on loop: any EventLoop, tap: EventTap, options: Options, board: Board?, function: any FunctionHandle
  ) throws(BenchError) {
    self.name = name
    self.loop = loop
    self.tap = tap
    self.board = board
    do throws(DriverError) {
      driver = try DriverTable.standard.probe(function, on: loop, tap: tap, configuration: options.driver)
      try driver.setMTU(options.mtu)
    } catch {
      throw .driver(error)
    }
    stack = NetworkStack(on: loop, tap: tap, configuration: options.stack)
    interface = stack.attach(driver)
    system = SystemCalls(stack: stack)
  }

  /// Plugs the NIC of the board into `wire` and starts the driver.
  public func start(on wire: any Wire) throws(BenchError) {
    board?.model.plug(into: wire)
    try start()
  }

  /// Starts the driver.
  public func start() throws(BenchError) {
    do throws(DriverError) { try driver.start() } catch { throw .driver(error) }
  }

  /// Suspends until the link is up: auto-negotiation takes its time.
  ///
  /// - Throws: ``BenchError/noLink(_:)`` if the wire has no carrier, or none comes within `limit`.
  public func waitForLink(_ limit: TimeSpan = .seconds(5)) async throws(BenchError) {
    let waiter = Waiter(on: loop)
    let before = stack.onLinkChange
    stack.onLinkChange = { interface, isUp in
      before?(interface, isUp)
      if isUp { waiter.wake() }
    }
    defer { stack.onLinkChange = before }
    let deadline = loop.now + limit
    while !driver.isLinkUp {
      guard await waiter.wait(until: deadline) == .woken else { throw .noLink(driver.name) }
    }
  }

  /// Gives the interface a fixed address, and a default route if there is a gateway.
  public func configure(_ address: IPv4Subnet, gateway: IPv4Address? = nil) throws(BenchError) {
    do throws(NetworkError) {
      interface.add(address)
      if let gateway { try stack.routes.addDefault(gateway: gateway, interface: interface) }
    } catch .networkUnreachable {
      throw .badOption(
        name: "--gateway \(gateway ?? .any)",
        reason: "it is not on the link of \(address); give one in \(address.network)/\(address.prefixLength)")
    } catch {
      throw .badOption(name: "--address \(address)", reason: String(describing: error))
    }
  }

  /// Closes all sockets, stops the driver and pulls the cable.
  public func stop() async {
    await system.closeAll()
    driver.stop()
    board?.model.plug(into: nil)
  }
}
