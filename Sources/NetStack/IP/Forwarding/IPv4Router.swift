import EventLoop
import Events
import Link
import Packets

/// Forwards IPv4 datagrams between the interfaces of a stack (RFC 1812): nothing is forwarded before
/// ``NetworkStack/startForwarding()``.
///
///     let router = stack.startForwarding()
///     router.translate(behind: outside)     // optional: NAPT
///
/// What is checked: header, checksum and options as for a host; the source must be one to which the way leads back out
/// of the same interface (RFC 3704 2.2); TTL; MTU. Never forwarded: what came as a link-layer group frame (5.3.4),
/// broadcast, multicast, loopback, link-local (RFC 3927 2.6.2) and reserved addresses. Deviations: record-route and
/// timestamp options pass unchanged, source routes are refused, no redirects are sent, there is no queue but the
/// device's own.
public final class IPv4Router {
  unowned let stack: NetworkStack
  /// Network address translation, if there is any.
  public private(set) var translation: NAPT?
  private unowned let ip: IPv4Layer
  private var counts = IPv4RouterCounters()
  /// The ways to destinations of late; thrown away as a whole when they are too many.
  private var paths: [UInt32: Path] = [:]
  /// The last source that was accepted on each interface, by index, and the routes' generation then.
  private var acceptedSources: [(source: UInt32, generation: UInt64)] = []
  private let fragmenter = IPv4Fragmenter()

  private static let pathLimit = 512

  init(stack: NetworkStack) {
    self.stack = stack
    ip = stack.ip
  }

  public var counters: IPv4RouterCounters { counts }

  /// Hides everything behind the primary address of `outside` from now on: datagrams that leave there are translated,
  /// and what comes in there is forwarded only if it belongs to what went out.
  @discardableResult
  public func translate(behind outside: NetworkInterface, _ configuration: NAPTConfiguration = .init()) -> NAPT {
    let translation = NAPT(stack: stack, outside: outside, configuration: configuration)
    self.translation = translation
    return translation
  }

  // MARK: Decisions

  /// True if the datagram was not for this host, and has been forwarded or refused.
  func takes(_ header: borrowing IPv4Header, _ interface: NetworkInterface) -> Bool {
    let destination = header.destination
    if destination.rawValue == interface.primaryAddress {
      guard let translation, translation.outside === interface else { return false }
      return takesReturning(header, interface, translation)
    }
    let path: Path
    if let known = paths[destination.rawValue], known.isValid {
      path = known
    } else {
      guard !stack.isLocal(destination), IPv4Router.isForwardable(destination), !stack.isBroadcast(destination),
        !interface.acceptsUnconfigured, !interface.isLoopback
      else { return false }
      guard let found = makePath(to: destination) else {
        guard accepts(header, interface) else { return true }
        counts.noRoute &+= 1
        ip.count { $0.outNoRoutes &+= 1 }
        refuse(header, stack.routes.lookUp(destination).isUnreachable ? .hostUnreachable : .networkUnreachable)
        return true
      }
      path = found
    }
    guard accepts(header, interface) else { return true }
    if let translation {
      guard interface !== translation.outside else {
        counts.unsolicited &+= 1
        interface.reportDrop(.ip, "not for us: \(destination)", length: header.totalLength)
        return true
      }
      if path.interface === translation.outside {
        leave(header, interface, path, translation)
        return true
      }
    }
    send(header, interface, on: path, rewrite: nil)
    return true
  }

  /// A datagram for the outer address: somebody's inside, or our own.
  private func takesReturning(
    _ header: borrowing IPv4Header, _ interface: NetworkInterface, _ translation: NAPT
  ) -> Bool {
    // Fragments are put together first, as those for this host are, and come back here.
    guard !header.isFragment, let rewrite = translation.returning(header) else { return false }
    guard accepts(header, interface) else { return true }
    let inside = IPv4Address(rawValue: rewrite.address)
    let known = paths[inside.rawValue]
    guard let path = known?.isValid == true ? known : makePath(to: inside), path.interface !== interface else {
      counts.noRoute &+= 1
      ip.count { $0.outNoRoutes &+= 1 }
      return true
    }
    send(header, interface, on: path, rewrite: rewrite)
    return true
  }

  private func leave(
    _ header: borrowing IPv4Header, _ interface: NetworkInterface, _ path: Path, _ translation: NAPT
  ) {
    // Only the first fragment has ports: the whole datagram is translated (RFC 3022 6.3, RFC 5508 REQ-11).
    if header.isFragment { return ip.reassemble(header, interface) }
    switch translation.leaving(header) {
    case .rewrite(let rewrite): send(header, interface, on: path, rewrite: rewrite)
    case .drop: interface.reportDrop(.ip, "not translated", length: header.totalLength)
    case .refuse(let error): refuse(header, error)
    }
  }

  private func makePath(to destination: IPv4Address) -> Path? {
    guard let route = stack.routes.lookUp(destination).route, !route.interface.isLoopback else {
      return nil
    }
    let path = Path(
      stack: stack, interface: route.interface, source: route.interface.addresses.first?.address ?? .any,
      destination: destination, nextHop: route.nextHop ?? destination, station: nil, mtu: route.interface.mtu,
      isBroadcast: false)
    if paths.count >= IPv4Router.pathLimit { paths.removeAll(keepingCapacity: true) }
    paths[destination.rawValue] = path
    return path
  }

  /// False for addresses that no router sends anything to.
  private static func isForwardable(_ address: IPv4Address) -> Bool {
    let value = address.rawValue
    return value >> 24 != 0 && value >> 24 != 127 && value >> 29 != 7 && value >> 16 != 0xA9FE
  }

  /// Source, options, time to live; the sender is told what RFC 1812 wants it to be told.
  private func accepts(_ header: borrowing IPv4Header, _ interface: NetworkInterface) -> Bool {
    let source = header.source
    guard isAccepted(source, interface) || accept(source, header.destination, interface) else {
      counts.martians &+= 1
      ip.count {
        $0.inHdrErrors &+= 1
        $0.inMartianSources &+= 1
      }
      interface.reportDrop(.ip, "martian source \(source)", length: header.totalLength)
      return false
    }
    if header.headerLength > IPv4Field.minimumLength {
      guard ip.acceptOptions(header, interface, isGroup: false) else { return false }
    }
    guard header.timeToLive > 1 else {
      counts.timeExceeded &+= 1
      ip.count { $0.inHdrErrors &+= 1 }
      refuse(header, .timeExceeded)
      return false
    }
    return true
  }

  private func isAccepted(_ source: IPv4Address, _ interface: NetworkInterface) -> Bool {
    guard interface.index < acceptedSources.count else { return false }
    let known = acceptedSources[interface.index]
    return known.source == source.rawValue && known.generation == stack.routes.generation && known.source != 0
  }

  /// A source that the way back to leads elsewhere is forged, or the network is not what it seems.
  private func accept(_ source: IPv4Address, _ destination: IPv4Address, _ interface: NetworkInterface) -> Bool {
    guard IPv4Router.isForwardable(source), ip.acceptSource(source, destination, interface, isGroup: false),
      stack.routes.lookUp(source).route?.interface === interface
    else { return false }
    while acceptedSources.count <= interface.index { acceptedSources.append((0, 0)) }
    acceptedSources[interface.index] = (source.rawValue, stack.routes.generation)
    return true
  }

  private func refuse(_ header: borrowing IPv4Header, _ error: ICMPError) {
    stack.icmp.sendError(
      error, about: IPv4Arrival(header, isLinkGroup: false, isGroup: false, isChecksumVerified: false))
  }

  // MARK: Out

  private func send(
    _ header: borrowing IPv4Header, _ interface: NetworkInterface, on path: Path, rewrite: AddressRewrite?
  ) {
    let length = header.totalLength
    guard length <= path.mtu else { return sendLong(header, on: path, rewrite: rewrite) }
    guard let buffer = path.reserveWhole(length: length) else { return countBusy(interface, length) }
    buffer.window.copy(from: header.datagram)
    DatagramEdit.forward(buffer.window, length: length, rewrite: rewrite)
    path.submitWhole(buffer, length: length, isForwarded: true)
    counts.forwarded &+= 1
    ip.count { $0.forwDatagrams &+= 1 }
  }

  /// RFC 1812 5.2.7.1 and 5.3.2: Don't Fragment means what it says; otherwise the datagram is cut up.
  private func sendLong(_ header: borrowing IPv4Header, on path: Path, rewrite: AddressRewrite?) {
    guard !header.dontFragment else {
      counts.fragmentationNeeded &+= 1
      ip.count { $0.fragFails &+= 1 }
      return refuse(header, .fragmentationNeeded(mtu: UInt16(truncatingIfNeeded: path.mtu)))
    }
    guard let pieces = fragmenter.send(header, on: path, rewrite: rewrite) else {
      ip.count { $0.fragFails &+= 1 }
      return countBusy(path.interface, header.totalLength)
    }
    counts.forwarded &+= 1
    counts.fragmented &+= 1
    ip.count {
      $0.forwDatagrams &+= 1
      $0.fragOKs &+= 1
      $0.fragCreates &+= UInt64(pieces)
    }
  }

  private func countBusy(_ interface: NetworkInterface, _ length: Int) {
    counts.noBuffer &+= 1
    ip.count { $0.outDiscards &+= 1 }
    interface.reportDrop(.ip, "no buffer to forward", length: length)
  }
}

/// What a router did and why it did not.
public struct IPv4RouterCounters: Sendable, Equatable {
  public var forwarded: UInt64 = 0
  /// Forwarded in fragments (among `forwarded`).
  public var fragmented: UInt64 = 0
  public var timeExceeded: UInt64 = 0
  /// Too long for the next link, with Don't Fragment.
  public var fragmentationNeeded: UInt64 = 0
  public var noRoute: UInt64 = 0
  /// Sources that cannot be, or cannot be where they came from.
  public var martians: UInt64 = 0
  /// Came in from outside for an inside that is hidden.
  public var unsolicited: UInt64 = 0
  /// The device that it should have left by had no buffer.
  public var noBuffer: UInt64 = 0

  public init() {}
}

extension NetworkStack {
  /// Makes a router of the host: from now on datagrams for others are forwarded.
  @discardableResult
  public func startForwarding() -> IPv4Router {
    if let router = ip.router { return router }
    let router = IPv4Router(stack: self)
    ip.setRouter(router)
    return router
  }

  /// A host again; translations are forgotten.
  public func stopForwarding() { ip.setRouter(nil) }
}
