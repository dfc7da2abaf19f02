import EventLoop
import Packets

/// With whom a port may be shared: SO_REUSEADDR, SO_REUSEPORT and SO_BINDTODEVICE.
struct PortReuse: Equatable {
  var address: Bool
  var port: Bool
  /// ``NetworkInterface/index`` of the only interface; 0: all.
  var interface = 0
}

/// One user of a port as the rules of `bind` see it: a bound socket, a listener, a connection, a TIME-WAIT.
struct PortUse: Equatable {
  var address: IPAddress
  var reuse: PortReuse
  var isListening = false
  /// The port was chosen by `connect`: another `connect` may choose it too.
  var isConnectBound = false
  /// It brings a program for those who share the port with it, and shares no port by SO_REUSEPORT that others have
  /// already (Linux: `sk_reuseport_cb` is set).
  var joinsNobody = false

  /// True if a socket that wants to be `self` must not join `other` (Linux `inet_bind_conflict`; all sockets of a stack
  /// have one owner).
  ///
  /// - Parameter isEphemeral: port 0 was asked for: a port is not shared, whatever the options say.
  func conflicts(with other: PortUse, isEphemeral: Bool) -> Bool {
    guard reuse.interface == 0 || other.reuse.interface == 0 || reuse.interface == other.reuse.interface,
      address.isUnspecified || other.address.isUnspecified || address == other.address
    else { return false }
    if isEphemeral { return true }
    if reuse.address && other.reuse.address && !other.isListening { return false }
    return !(reuse.port && other.reuse.port && !joinsNobody)
  }
}

/// A local address and port held by an application between `bind` and `close` (or the end of the connection made from
/// it).
public final class TCPBinding {
  /// The address may be unspecified: all of the host's.
  public let local: Endpoint
  /// What others must respect; a connection narrows the address to its own.
  fileprivate(set) var use: PortUse
  /// A listener or connection stands on the port.
  public private(set) var isInUse = false
  /// The port was asked for by number: it outlives connections and listeners (Linux SOCK_BINDPORT_LOCK).
  public var isKept = false
  private weak var layer: TCPLayer?

  init(layer: TCPLayer, local: Endpoint, reuse: PortReuse) {
    self.layer = layer
    self.local = local
    use = PortUse(address: local.address, reuse: reuse)
  }

  /// SO_REUSEADDR, SO_REUSEPORT and SO_BINDTODEVICE set after the bind: they count for those who bind later.
  public func share(address: Bool, port: Bool, interface: Int = 0) {
    use.reuse = PortReuse(address: address, port: port, interface: interface)
  }

  /// Gives the port back. A listener or connection that was made from this binding does so itself when it ends.
  public func release() { layer?.ports.remove(self) }

  /// The application is done with the port: it is free as soon as nothing stands on it.
  public func letGo() {
    isKept = false
    if !isInUse { release() }
  }

  /// A connection from `source` stands on the port.
  func connectionBegan(from source: IPAddress) {
    isInUse = true
    use.address = source
  }

  fileprivate func listenerBegan() {
    isInUse = true
    use.isListening = true
  }

  /// What stood on the port is over.
  func useEnded() {
    isInUse = false
    use.isListening = false
    use.address = local.address
    if !isKept { release() }
  }
}

/// Which ports are in use, and by whom: the rules of Linux's `inet_csk_get_port` and of the choice of ephemeral ports.
struct PortTable {
  /// The users of one port (Linux `inet_bind_bucket`).
  private struct Bucket {
    var bindings: [TCPBinding] = []
    /// Connections and TIME-WAITs: alike ones are counted.
    var uses: [(use: PortUse, count: Int)] = []
    /// The newest socket that was given the port shares it by SO_REUSEPORT, with this address: others of the kind need
    /// no look at the users, even if those have changed their minds (`fastreuseport`).
    var sharedAddress: IPAddress?

    var isEmpty: Bool { bindings.isEmpty && uses.isEmpty }

    mutating func count(_ use: PortUse) {
      if let place = uses.firstIndex(where: { $0.use == use }) {
        uses[place].count += 1
      } else {
        uses.append((use, 1))
      }
    }

    func hasSharedPort(_ wanted: PortUse) -> Bool {
      wanted.reuse.port && wanted.address == sharedAddress && !wanted.joinsNobody
    }

    /// Notes what the newest user says about sharing (`inet_csk_update_fastreuse`).
    mutating func note(_ use: PortUse) {
      sharedAddress = use.reuse.port ? use.address : nil
    }

    func conflicts(_ wanted: PortUse, besides own: TCPBinding?, isEphemeral: Bool) -> Bool {
      bindings.contains { $0 !== own && wanted.conflicts(with: $0.use, isEphemeral: isEphemeral) }
        || uses.contains { wanted.conflicts(with: $0.use, isEphemeral: isEphemeral) }
    }
  }

  private var buckets: [UInt16: Bucket] = [:]

  // MARK: Connections and TIME-WAITs

  mutating func add(_ use: PortUse, _ port: UInt16) {
    buckets[port, default: Bucket()].count(use)
  }

  mutating func remove(_ use: PortUse, _ port: UInt16) {
    guard let place = buckets[port]?.uses.firstIndex(where: { $0.use == use }) else { return }
    if buckets[port]!.uses[place].count > 1 {
      buckets[port]!.uses[place].count -= 1
    } else {
      buckets[port]!.uses.remove(at: place)
      if buckets[port]!.isEmpty { buckets[port] = nil }
    }
  }

  // MARK: Sockets

  mutating func add(_ binding: TCPBinding) {
    let port = binding.local.port
    buckets[port, default: Bucket()].note(binding.use)
    buckets[port]!.bindings.append(binding)
  }

  mutating func remove(_ binding: TCPBinding) {
    let port = binding.local.port
    buckets[port]?.bindings.removeAll { $0 === binding }
    if buckets[port]?.isEmpty == true { buckets[port] = nil }
  }

  /// True if `wanted` may be bound to `port`, which was asked for by number.
  func isFree(_ wanted: PortUse, _ port: UInt16, besides own: TCPBinding? = nil) -> Bool {
    guard let bucket = buckets[port] else { return true }
    if bucket.hasSharedPort(wanted) { return true }
    return !bucket.conflicts(wanted, besides: own, isEphemeral: false)
  }

  /// True if `bind` to port 0 may choose `port`.
  func isFreeForAnyone(_ wanted: PortUse, _ port: UInt16) -> Bool {
    buckets[port].map { !$0.conflicts(wanted, besides: nil, isEphemeral: true) } ?? true
  }

  /// Marks the binding as listening; false if somebody has the port by now who does not share it with a listener.
  mutating func listen(_ binding: TCPBinding, joinsNobody: Bool, isForced: Bool) -> Bool {
    var wanted = binding.use
    wanted.isListening = true
    wanted.joinsNobody = joinsNobody
    guard isForced || isFree(wanted, binding.local.port, besides: binding) else { return false }
    buckets[binding.local.port]?.note(wanted)
    binding.listenerBegan()
    return true
  }

  /// True if `connect` may choose the port: only others that `connect` chose it for have it.
  func isUnbound(_ port: UInt16) -> Bool {
    guard let bucket = buckets[port] else { return true }
    return bucket.bindings.isEmpty && bucket.uses.allSatisfy { $0.use.isConnectBound }
  }

  /// A port of `range` that `isFree` accepts: from a random start, first of one parity, then of the other, as Linux
  /// keeps apart what `connect` (even) and `bind` (odd) take.
  func ephemeral(
    in range: ClosedRange<UInt16>, parity: UInt16, random: SeededRandom, where isFree: (UInt16) -> Bool
  ) -> UInt16? {
    let low = Int(range.lowerBound)
    let count = Int(range.upperBound) - low + 1
    let start = Int(random.next() % UInt64(count)) & ~1
    for pass in 0..<2 {
      let offset = (Int(parity) + pass) & 1
      var step = 0
      while step < count {
        let port = UInt16(low + (start + step + offset) % count)
        if isFree(port) { return port }
        step += 2
      }
    }
    return nil
  }
}
