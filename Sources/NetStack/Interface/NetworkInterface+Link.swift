import Events
import Link
import Packets

/// What a user sets of an interface: state, flags, MTU, station address, groups.
extension NetworkInterface {
  // MARK: State

  /// All flags.
  public var flags: InterfaceFlags {
    var flags = settings
    flags.insert(isLoopback ? .loopback : .broadcast)
    if enabled { flags.insert(.up) }
    if isUp { flags.insert(.running) }
    return flags
  }

  /// Sets what can be set of the flags, and takes the interface up or down.
  public func setFlags(_ new: InterfaceFlags) {
    let changed = settings.symmetricDifference(new)
    settings = new.intersection(.settable)
    if changed.contains(.noARP) { neighbours.flush(andPermanent: true) }
    applyFilter()
    setEnabled(new.contains(.up))
  }

  /// Takes the interface up or down. Down, it has no routes; up, it has those of its addresses. The addresses stay this
  /// host's own.
  public func setEnabled(_ enabled: Bool) {
    guard enabled != isEnabled else { return }
    self.enabled = enabled
    if enabled {
      for address in addresses { connect(address) }
      if isLoopback, let own = IPv4Subnet(.loopback, prefixLength: 8) {
        // It is there, as a rule.
        try? insert(InterfaceAddress(own, label: name))
      }
    } else {
      stack.routes.remove { $0.interface === self && !$0.isUnreachable }
      neighbours.flush(andPermanent: true)
    }
    stateChanged(isUp: isUp)
  }

  func stateChanged(isUp: Bool) {
    stack.routes.invalidate()
    if !isUp { neighbours.flush() }
    if tap.isOn {
      tap.emit(
        .ethernet, .stateChange(object: "link \(name)", from: isUp ? "down" : "up", to: isUp ? "up" : "down"))
    }
    if isUp && !isLoopback { for address in addresses { arp.announce(address.address) } }
    tcp.linkChanged(self, isUp: isUp)
    stack.linkChanged(self, isUp: isUp)
  }

  // MARK: MTU

  /// Limits datagrams to `mtu` bytes, 68 (RFC 791) to the device's own limit.
  public func setMTU(_ mtu: Int) {
    self.mtu = min(max(mtu, 68), device.mtu)
    linkMTU = self.mtu
    stack.routes.invalidate()
  }

  /// The same for a user who wants exactly this: the device is changed if it must. `lo` takes any MTU; below 68 it
  /// loses its addresses.
  ///
  /// - Throws: ``NetworkError/invalidArgument`` for an MTU that the device cannot have.
  public func changeMTU(to value: Int) throws(NetworkError) {
    guard value != linkMTU else { return }
    if isLoopback {
      guard value >= 0 else { throw .invalidArgument }
    } else {
      guard (68...65_535).contains(value), value <= device.mtu || device.changeMTU(to: value) else {
        throw .invalidArgument
      }
    }
    setMTU(value)
    linkMTU = value
    if !supportsIPv4 { removeAllAddresses() }
  }

  // MARK: Stations

  /// Receives and sends under another station address from now on, and asks for all neighbours anew.
  ///
  /// - Throws: ``NetworkError/addressNotAvailable`` for a group, or zero.
  public func setHardwareAddress(_ new: MACAddress) throws(NetworkError) {
    if new != hardwareAddress {
      guard !new.isGroup, new != .zero else { throw .addressNotAvailable }
      hardwareAddress = new
      applyFilter()
    }
    neighbours.flush(andPermanent: true)
    stack.routes.invalidate()
    if isUp && !isLoopback { for address in addresses { arp.announce(address.address) } }
  }

  /// Whom frames to a group of hosts go to; nil: `address` is not a group's, and its station is to be asked for.
  func groupStation(of address: IPv4Address) -> MACAddress? {
    if isLoopback { return hardwareAddress }
    if address.isMulticast { return MACAddress(multicast: address) }
    return stack.isBroadcast(address) ? hardwareBroadcast : nil
  }

  public func setHardwareBroadcast(_ new: MACAddress) {
    hardwareBroadcast = new
    stack.routes.invalidate()
  }

  /// Lets a group's frames through besides what the protocols ask for; nothing happens if it does already. As in Linux
  /// any other address is noted too, and of no consequence: what is for another station goes no further.
  ///
  /// - Throws: ``NetworkError/noBuffers`` if there are too many.
  public func addHardwareGroup(_ group: MACAddress) throws(NetworkError) {
    guard !hardwareGroups.contains(group) else { return }
    guard hardwareGroups.count < Self.hardwareGroupLimit else { throw .noBuffers }
    hardwareGroups.insert(group)
    startUsing(group)
  }

  /// False if it was not added.
  public func removeHardwareGroup(_ group: MACAddress) -> Bool {
    guard hardwareGroups.remove(group) != nil else { return false }
    stopUsing(group)
    return true
  }

  private static let hardwareGroupLimit = 4096

  // MARK: Multicast

  /// Accepts datagrams to `group`, as often as it is asked until it is left as often. The group's reports (IGMP) are
  /// not sent: a switch that snoops floods groups that it has not heard of.
  func join(_ group: IPv4Address) {
    let count = groups[group, default: 0]
    groups[group] = count + 1
    if count == 0 { startUsing(MACAddress(multicast: group)) }
  }

  func leave(_ group: IPv4Address) {
    guard let count = groups[group] else { return }
    groups[group] = count > 1 ? count - 1 : nil
    if count == 1 { stopUsing(MACAddress(multicast: group)) }
  }

  func isMember(of group: IPv4Address) -> Bool { group == .allHosts || groups[group] != nil }

  /// Notes one use of a group's frames: 32 groups of IPv4 share one of the hardware's, which a user may ask for
  /// besides.
  func startUsing(_ group: MACAddress) {
    guard group.isGroup else { return }
    let count = groupUses[group, default: 0]
    groupUses[group] = count + 1
    if count == 0 { device.setReception(of: group, isWanted: true) }
  }

  private func stopUsing(_ group: MACAddress) {
    guard let count = groupUses[group] else { return }
    groupUses[group] = count > 1 ? count - 1 : nil
    if count == 1 { device.setReception(of: group, isWanted: false) }
  }
}

extension IPv4Address {
  /// Everybody on the link who speaks IPv4 (RFC 1112 4).
  static let allHosts = IPv4Address(224, 0, 0, 1)
}
