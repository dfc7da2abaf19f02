import EventLoop
import Packets

/// With whom a port may be shared: SO_REUSEADDR and SO_REUSEPORT.
struct PortReuse {
  var address: Bool
  var port: Bool
}

/// A local address and port held by an application between `bind` and `close` (or the end of the connection made from it).
public final class TCPBinding {
  /// The address may be unspecified: all of the host's.
  public let local: Endpoint
  private(set) var reuse: PortReuse
  fileprivate(set) var isListening = false
  private weak var layer: TCPLayer?

  init(layer: TCPLayer, local: Endpoint, reuse: PortReuse) {
    self.layer = layer
    self.local = local
    self.reuse = reuse
  }

  /// SO_REUSEADDR and SO_REUSEPORT set after the bind: they count for those who bind later.
  public func share(address: Bool, port: Bool) { reuse = PortReuse(address: address, port: port) }

  /// Gives the port back. A listener or connection that was made from this binding does so itself when it ends.
  public func release() {
    isListening = false
    layer?.ports.remove(self)
  }
}

/// Which ports are in use, and by whom: Linux's rules of `bind` and of the choice of ephemeral ports.
struct PortTable {
  private var bindings: [UInt16: [TCPBinding]] = [:]
  /// Connections and TIME-WAITs on a port.
  private var users: [UInt16: Int] = [:]

  mutating func addUser(_ port: UInt16) { users[port, default: 0] += 1 }

  mutating func removeUser(_ port: UInt16) {
    guard let count = users[port] else { return }
    users[port] = count > 1 ? count - 1 : nil
  }

  mutating func add(_ binding: TCPBinding) { bindings[binding.local.port, default: []].append(binding) }

  mutating func remove(_ binding: TCPBinding) {
    guard var holders = bindings[binding.local.port] else { return }
    holders.removeAll { $0 === binding }
    bindings[binding.local.port] = holders.isEmpty ? nil : holders
  }

  private static func overlap(_ a: IPAddress, _ b: IPAddress) -> Bool {
    a.isUnspecified || b.isUnspecified || a == b
  }

  /// True if `local` may be bound: nobody holds an overlapping address with that port, or all have SO_REUSEADDR and none
  /// listens.
  func isFree(_ local: Endpoint, reuse: PortReuse) -> Bool {
    for holder in bindings[local.port] ?? [] where Self.overlap(holder.local.address, local.address) {
      let isShared =
        reuse.port && holder.reuse.port || reuse.address && holder.reuse.address && !holder.isListening
      guard isShared else { return false }
    }
    return reuse.address || reuse.port || users[local.port] == nil
  }

  /// Marks the binding as listening; false if another one already listens there.
  func listen(_ binding: TCPBinding) -> Bool {
    let others = bindings[binding.local.port] ?? []
    guard
      !others.contains(where: {
        $0 !== binding && $0.isListening && !($0.reuse.port && binding.reuse.port)
          && Self.overlap($0.local.address, binding.local.address)
      })
    else { return false }
    binding.isListening = true
    return true
  }

  /// True if nobody has bound the port explicitly: connections may share it.
  func isUnbound(_ port: UInt16) -> Bool { bindings[port] == nil }

  /// A port of `range` that `isFree` accepts: from a random start, first of one parity, then of the other, as Linux keeps
  /// apart what `connect` (even) and `bind` (odd) take.
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
