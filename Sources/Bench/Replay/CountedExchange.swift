/// Questions of the station and their answers, apart from TCP: UDP datagrams to one peer from one port, DHCP messages
/// of one transaction, ARP requests for one address. An answer waits until the station has asked as often as in the
/// capture.
final class CountedExchange {
  /// What names the exchange on the wire: a port, a DHCP transaction, an address.
  let identifier: UInt32
  /// The identifier of the DNS query, if it is one.
  let query: UInt16?
  private(set) var captured = 0
  private(set) var live: CountedHalf?
  var isExcused = false

  init(_ identifier: UInt32, query: UInt16? = nil) {
    self.identifier = identifier
    self.query = query
  }

  func countCaptured() { captured += 1 }
  func bind(_ half: CountedHalf) { live = half }

  var obstacle: Obstacle? {
    if isExcused { return nil }
    guard let live else { return .silence }
    return live.count < captured ? .silence : nil
  }
}

/// The station's part of a ``CountedExchange`` now.
final class CountedHalf {
  let identifier: UInt32
  let query: UInt16?
  private(set) var count = 0

  init(_ identifier: UInt32, query: UInt16? = nil) {
    self.identifier = identifier
    self.query = query
  }

  func countOne() { count += 1 }
}
