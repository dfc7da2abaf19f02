import LinuxABI

// Groups of calls that bring sockets into a state worth having.
extension Generator {
  mutating func open(_ kind: Kind, in slot: Int) {
    let flags = chance(0.9) ? Self.nonBlocking : one(of: [0, 0o2004000])
    switch kind {
    case .stream: add(.socket, .number(2), .number(1 | flags), .number(one(of: [0, 6])), slot: slot)
    case .datagram: add(.socket, .number(2), .number(2 | flags), .number(one(of: [0, 17])), slot: slot)
    case .ping: add(.socket, .number(2), .number(2 | flags), .number(1), slot: slot)
    case .raw:
      // Protocols that nobody speaks, so that other programs are not heard.
      let protocols = [240, 241, 241, 255]
      add(.socket, .number(2), .number(3 | flags), .number(one(of: isAlone ? protocols + [1] : protocols)), slot: slot)
    }
    kinds[slot] = kind
  }

  mutating func bind(_ slot: Int, to address: [UInt8] = home) {
    add(.bind, .slot(slot), .address(DrawnAddress(port: .zero, address: address)), .number(16))
  }

  mutating func connect(_ slot: Int, to other: Int) {
    add(.connect, .slot(slot), .address(DrawnAddress(port: .of(slot: other))), .number(16))
  }

  mutating func set(_ slot: Int, _ level: Int32, _ name: Int32, _ value: Int32) {
    add(
      .setsockopt, .slot(slot), .number(Int(level)), .number(Int(name)),
      .bytes(withUnsafeBytes(of: value) { Array($0) }), .number(4))
  }

  mutating func listener() -> Int {
    let slot = freeSlot
    open(.stream, in: slot)
    bind(slot, to: chance(0.8) ? Self.home : [0, 0, 0, 0])
    add(.listen, .slot(slot), .number(one(of: [8, 8, 8, 1, 0])))
    return slot
  }

  /// Something that most sequences need before anything else is of interest.
  mutating func prepare() {
    switch one(of: openable) {
    case .stream:
      switch number(0...5) {
      case 0: open(.stream, in: freeSlot)
      case 1: _ = listener()
      case 2:
        let slot = freeSlot
        open(.stream, in: slot)
        bind(slot)
      case 3:
        // Waiting to be accepted.
        let l = listener()
        let slot = freeSlot
        open(.stream, in: slot)
        connect(slot, to: l)
      default: connection()
      }
    case .datagram:
      let slot = freeSlot
      open(.datagram, in: slot)
      if chance(0.7) { bind(slot, to: one(of: [Self.home, Self.home, [0, 0, 0, 0], [127, 0, 0, 2]])) }
      if chance(0.5) { connect(slot, to: self.slot(.datagram)) }
      if chance(0.2) { set(slot, 0, OptionName.IP_RECVERR, 1) }
    case .ping:
      let slot = freeSlot
      open(.ping, in: slot)
      if chance(0.4) { bind(slot) }
      if chance(0.5) { connect(slot, to: slot) }
    case .raw:
      let slot = freeSlot
      open(.raw, in: slot)
      if chance(0.3) { bind(slot) }
      if chance(0.4) { connect(slot, to: slot) }
    }
  }

  private mutating func connection() {
    let l = listener()
    let a = freeSlot
    open(.stream, in: a)
    connect(a, to: l)
    let b = freeSlot
    add(.accept4, .slot(l), .number(0), .number(0), .number(Self.nonBlocking), slot: b)
    kinds[b] = .stream
    if chance(0.7) {
      add(.close, .slot(l))
      kinds[l] = nil
    }
    switch number(0...9) {
    case 0: add(.write, .slot(a), .bytes([97, 98, 99, 100]), .number(4))
    case 1: add(.sendto, .slot(a), .bytes([97, 98, 99]), .number(3), .number(1), .number(0), .number(0))
    case 2: add(.shutdown, .slot(a), .number(number(0...2)))
    case 3:
      add(.shutdown, .slot(a), .number(1))
      add(.shutdown, .slot(b), .number(1))
    case 4:
      add(.close, .slot(a))
      kinds[a] = nil
    case 5:
      let abort = [Int32(1), 0].withUnsafeBytes { Array($0) }
      add(.setsockopt, .slot(a), .number(1), .number(Int(OptionName.SO_LINGER)), .bytes(abort), .number(8))
      add(.close, .slot(a))
      kinds[a] = nil
    default: break
    }
  }

  mutating func reusePort() {
    set(slot(), 1, one(of: [OptionName.SO_REUSEADDR, OptionName.SO_REUSEPORT]), one(of: [1, 1, 1, 0]))
  }

  mutating func error() {
    add(
      .getsockopt, descriptor(), .number(1), .number(Int(OptionName.SO_ERROR)), pointer(.room(4)),
      pointer(.integer(one(of: [4, 4, 4, 4, 0, 2, 8, -1]))))
  }
}
