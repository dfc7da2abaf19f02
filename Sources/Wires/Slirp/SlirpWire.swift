import CSlirp
import EventLoop
import Events
import Glibc
import Link
import Packets

/// A cable into the user network of libslirp: DHCP, DNS, TFTP and a router to the real network of the host, all without
/// privileges. The host itself answers at ``SlirpSettings/host``.
///
/// ``send(_:)`` always accepts (a frame that is not well formed is counted and gone, see ``SlirpRefusals``). Towards
/// the port nothing is lost in normal running: what the port refuses waits in a bounded queue, and while that is long
/// the sockets are not read, so that the far sender is slowed down by its own TCP. Frames go to the port from the loop,
/// never from inside ``send(_:)``.
///
/// Costs nothing while idle: the loop watches exactly the sockets that libslirp has, and its timers run only while it
/// has something to time.
public final class SlirpWire: Wire {
  public let settings: SlirpSettings
  private let network: SlirpNetwork

  /// - Throws: ``SlirpError`` if a setting is out of range or a port cannot be forwarded.
  public init(on loop: EpollLoop, settings: SlirpSettings = SlirpSettings()) throws(SlirpError) {
    try settings.validate()
    self.settings = settings
    let library = try SlirpLibrary()
    network = SlirpNetwork(on: loop, settings: settings, library: library)
    let callbacks = SlirpNetwork.makeCallbacks()
    network.callbacks = callbacks
    network.slirp = settings.withConfiguration { library.new($0, callbacks, network.context) }
    guard network.slirp != nil else {
      callbacks.deallocate()
      throw SlirpError.notCreated
    }
    for forward in settings.forwards { try add(forward) }
  }

  deinit { network.close() }

  public var port: (any WirePort)? {
    get { network.port }
    set { network.port = newValue }
  }
  public var hasCarrier: Bool { network.isOpen }
  public var counters: SlirpCounters { network.counters }
  /// Frames that wait: for the port, or for libslirp.
  public var framesInFlight: Int { network.framesInFlight }
  /// Gets an event for each frame that is not well formed or lost.
  public var tap: EventTap? {
    get { network.tap }
    set { network.tap = newValue }
  }

  /// The version of the library in use.
  ///
  /// - Throws: ``SlirpError/libraryMissing(reason:)``.
  public static func libraryVersion() throws(SlirpError) -> String {
    try SlirpLibrary().versionString().map { String(cString: $0) } ?? "unknown"
  }

  public func send(_ frame: RawSpan) -> Bool { network.send(frame) }
  public func portIsReady() { network.portIsReady() }

  /// Ends the network with all its connections; the carrier is gone.
  public func close() {
    guard hasCarrier else { return }
    network.close()
    port?.carrierChanged()
  }

  /// Lets a port of the host lead to the guest from now on.
  public func add(_ forward: PortForward) throws(SlirpError) {
    guard let slirp = network.slirp else { throw .forwardFailed(forward, code: ENOTCONN) }
    let guest = forward.guestAddress ?? settings.defaultGuest(for: forward)
    guard guest.isIPv4 == forward.hostAddress.isIPv4 || !forward.hostAddress.isIPv4, forward.guestPort != 0 else {
      throw .forwardFailed(forward, code: EINVAL)
    }
    errno = 0
    let result = withSocketAddress(forward.hostAddress, forward.hostPort) { host, hostLength in
      withSocketAddress(guest, forward.guestPort) { guest, guestLength in
        network.library.addHostForward(slirp, host, hostLength, guest, guestLength, forward.flags)
      }
    }
    guard result >= 0 else { throw .forwardFailed(forward, code: errno) }
    network.notify()
  }

  /// Takes a forward back; connections that came through it live on. False if there was none.
  @discardableResult
  public func remove(_ forward: PortForward) -> Bool {
    guard let slirp = network.slirp else { return false }
    let result = withSocketAddress(forward.hostAddress, forward.hostPort) { host, length in
      network.library.removeHostForward(slirp, host, length, forward.flags)
    }
    network.notify()
    return result == 0
  }

  /// libslirp's table of connections, as text for people.
  public var connectionTable: String {
    guard let slirp = network.slirp, let text = network.library.connectionInfo(slirp) else { return "" }
    defer { free(text) }
    return String(cString: text)
  }
}

extension PortForward {
  fileprivate var flags: Int32 {
    (transport == .udp ? Int32(SLIRP_HOSTFWD_UDP) : 0) | (hostAddress.isIPv4 ? 0 : Int32(SLIRP_HOSTFWD_V6ONLY))
  }
}
