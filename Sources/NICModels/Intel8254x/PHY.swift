import IntelNIC

/// The internal PHY: its registers and what they say about the link (manual section 11.3, IEEE 802.3 clauses 22, 28
/// and 40). Its link partner at the other end of the cable can do everything.
struct PHY {
  private var registers = [UInt16](repeating: 0, count: 32)
  /// Something is at the other end of the cable.
  var hasCarrier = false
  /// Auto-negotiation (or training, with a forced speed) has ended.
  private(set) var isSettled = false
  /// The link was down since register 1 was read last.
  private var wasDown = true
  /// The link as ``noteEvents()`` saw it last.
  private var noted = (isUp: false, speed: 0 as UInt32, isFullDuplex: false)

  /// What the partner advertises: 10 and 100 Mbit/s, both duplexes, pause.
  private static let partner: UInt16 = 0x45E1

  init() { reset() }

  /// Power-up values (section 11.3).
  mutating func reset() {
    for index in registers.indices { registers[index] = 0 }
    self[PHYRegister.control] = 0x1140
    self[PHYRegister.identifier1] = PHYRegister.identifier1Value
    self[PHYRegister.identifier2] = PHYRegister.identifier2Value
    self[PHYRegister.advertisement] = 0x0DE1
    self[PHYRegister.nextPage] = 0x2001
    self[PHYRegister.gigabitControl] = 0x0E00
    self[PHYRegister.extendedStatus] = 0x3000
    self[PHYRegister.specificControl] = 0x0068
    self[PHYRegister.extendedSpecificControl] = 0x0D60
    noted.isUp = false
    takeDown()
  }

  private subscript(register: UInt8) -> UInt16 {
    get { registers[Int(register)] }
    set { registers[Int(register)] = newValue }
  }

  private var control: PHYControl { PHYControl(rawValue: self[PHYRegister.control]) }
  var isLoopback: Bool { control.contains(.loopback) && !control.contains(.powerDown) }
  /// True if the PHY would come to a link by itself: powered, with a partner, and with something in common.
  var canSettle: Bool {
    hasCarrier && !control.contains(.powerDown) && !control.contains(.isolate)
      && (!control.contains(.negotiate) || commonAbility != nil)
  }
  var isLinkUp: Bool { isLoopback || isSettled && canSettle }

  mutating func takeDown() {
    isSettled = false
    wasDown = true
  }

  mutating func settle() { isSettled = true }

  /// Notes in register 19 how the link changed since the last call; true if register 18 asks for an interrupt.
  mutating func noteEvents() -> Bool {
    let isUp = isLinkUp
    guard isUp != noted.isUp else { return false }
    noted.isUp = isUp
    var events: PHYInterrupts = .linkStatus
    if isUp {
      if control.contains(.negotiate), !isLoopback { events.insert(.negotiationComplete) }
      if speed != noted.speed { events.insert(.speed) }
      if isFullDuplex != noted.isFullDuplex { events.insert(.duplex) }
      noted.speed = speed
      noted.isFullDuplex = isFullDuplex
    }
    self[PHYRegister.interruptStatus] |= events.rawValue
    return self[PHYRegister.interruptStatus] & self[PHYRegister.interruptEnable] != 0
  }

  /// The best of what both ends can: speed as in STATUS.SPEED, and duplex (IEEE 802.3 28B.3).
  private var commonAbility: (speed: UInt32, fullDuplex: Bool)? {
    let gigabit = self[PHYRegister.gigabitControl]
    let own = self[PHYRegister.advertisement]
    if gigabit & 0x0200 != 0 { return (2, true) }
    if gigabit & 0x0100 != 0 { return (2, false) }
    if own & 0x0100 != 0 { return (1, true) }
    if own & 0x0080 != 0 { return (1, false) }
    if own & 0x0040 != 0 { return (0, true) }
    if own & 0x0020 != 0 { return (0, false) }
    return nil
  }

  private var mode: (speed: UInt32, fullDuplex: Bool) {
    if control.contains(.negotiate), let ability = commonAbility { return ability }
    let speed: UInt32 = control.contains(.speedHigh) ? 2 : control.contains(.speedLow) ? 1 : 0
    return (speed, control.contains(.fullDuplex))
  }
  /// 0 = 10, 1 = 100, 2 = 1000 Mbit/s.
  var speed: UInt32 { mode.speed }
  var isFullDuplex: Bool { mode.fullDuplex }

  /// The register's value; reading register 1 ends its latch.
  mutating func read(_ register: UInt8) -> UInt16 {
    let negotiated = isLinkUp && control.contains(.negotiate)
    switch register {
    case PHYRegister.status:
      var status = PHYStatus.abilities
      if negotiated { status.insert(.negotiationComplete) }
      if isLinkUp, !wasDown { status.insert(.linkUp) }
      wasDown = !isLinkUp
      return status.rawValue
    case PHYRegister.partnerAbility: return negotiated ? Self.partner : 0
    case PHYRegister.expansion: return negotiated ? 0x000F : 0x0004
    case PHYRegister.partnerNextPage: return negotiated ? 0x2001 : 0
    case PHYRegister.gigabitStatus: return negotiated ? (speed == 2 ? 0x7C00 : 0x0C00) : 0
    case PHYRegister.specificStatus:
      guard isLinkUp else { return 0 }
      var status: PHYSpecificStatus = [.linkUp, .resolved]
      if isFullDuplex { status.insert(.fullDuplex) }
      if speed == 1 { status.insert(.speed100) }
      if speed == 2 { status.insert(.speed1000) }
      return status.rawValue
    case PHYRegister.interruptStatus:
      let value = self[register]
      self[register] = 0
      return value
    default: return self[register & 31]
    }
  }

  /// What a write asks of the link.
  enum Effect {
    case none
    /// The link goes down and comes up anew.
    case renegotiate
    /// Only how the link is seen changed (loopback, power).
    case update
  }

  mutating func write(_ register: UInt8, _ value: UInt16) -> Effect {
    switch register {
    case PHYRegister.control:
      let old = control
      let new = PHYControl(rawValue: value)
      if new.contains(.reset) {
        reset()
        // Speed, duplex and negotiation of the same write hold.
        self[PHYRegister.control] = new.subtracting([.reset, .restartNegotiation]).rawValue
        return .renegotiate
      }
      self[PHYRegister.control] = new.subtracting(.restartNegotiation).rawValue & 0xFFC0
      let modes: PHYControl = [.negotiate, .speedHigh, .speedLow, .fullDuplex, .powerDown, .isolate]
      if new.contains(.restartNegotiation) && new.contains(.negotiate)
        || old.intersection(modes) != new.intersection(modes)
      {
        return .renegotiate
      }
      return .update
    case PHYRegister.status, PHYRegister.identifier1, PHYRegister.identifier2, PHYRegister.partnerAbility,
      PHYRegister.expansion, PHYRegister.partnerNextPage, PHYRegister.gigabitStatus, PHYRegister.extendedStatus,
      PHYRegister.specificStatus, PHYRegister.interruptStatus, PHYRegister.receiveErrorCounter:
      return .none
    default:
      self[register & 31] = value
      return .none
    }
  }
}
