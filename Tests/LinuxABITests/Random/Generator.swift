import EventLoop
import LinuxABI

/// Draws random sequences of calls: a few sockets, brought into some state by calls that make sense, and then anything.
///
/// What it takes for the state of a slot is only a guess, by which it chooses calls that are worth making. Each
/// sequence has a mood: which kinds of calls and sockets are frequent in it, so that many sequences together go deeper
/// than the average of all.
struct Generator {
  enum Kind: CaseIterable {
    case stream, datagram, ping, raw
  }

  static let slots = 8

  let random: SeededRandom
  /// Packets for other machines go nowhere: addresses outside of 127.0.0.0/8 may be used.
  let isAlone: Bool
  /// What is probably open.
  var kinds = [Kind?](repeating: nil, count: slots)
  var steps: [Step] = []
  private let mood: [Int]
  /// What this sequence opens.
  let openable: [Kind]

  init(seed: UInt64, isAlone: Bool) {
    random = SeededRandom(seed: seed)
    self.isAlone = isAlone
    let random = random
    mood = Self.calls.map { _ in [0, 1, 1, 4][Int(random.uniform(0...3))] }
    let moods: [[Kind]] = [
      [.stream], [.stream], [.datagram], [.stream, .datagram], [.ping, .raw, .datagram], Kind.allCases,
    ]
    openable = moods[Int(random.uniform(0...Int64(moods.count - 1)))]
  }

  mutating func sequence() -> [Step] {
    let length = number(10...40)
    while steps.count < length {
      if chance(0.12) || !kinds.contains(where: { $0 != nil }) { prepare() } else { step() }
    }
    return steps
  }

  /// The kinds of calls, of which a mood makes some more frequent than others.
  private static let calls: [@Sendable (inout Generator) -> Void] = [
    { $0.bind() }, { $0.connect() }, { $0.listen() }, { $0.accept() }, { $0.sendto() }, { $0.sendto() },
    { $0.recvfrom() }, { $0.recvfrom() }, { $0.sendmsg() }, { $0.recvmsg() }, { $0.write() }, { $0.read() },
    { $0.names() }, { $0.setOption() }, { $0.setOption() }, { $0.getOption() }, { $0.error() }, { $0.shutdown() },
    { $0.close() }, { $0.duplicate() }, { $0.fileControl() }, { $0.deviceControl() }, { $0.poll() }, { $0.poll() },
    { $0.open() }, { $0.reusePort() }, { $0.dissolve() },
  ]

  private mutating func step() {
    var place = number(0...max(mood.reduce(0, +) - 1, 0))
    for (call, weight) in zip(Self.calls, mood) {
      if place < weight { return call(&self) }
      place -= weight
    }
    poll()
  }

  // MARK: Drawing

  func number(_ range: ClosedRange<Int>) -> Int {
    Int(random.uniform(Int64(range.lowerBound)...Int64(range.upperBound)))
  }

  func chance(_ probability: Double) -> Bool { random.chance(probability) }

  func one<T>(of choices: [T]) -> T { choices[number(0...(choices.count - 1))] }

  /// A slot, mostly one with something in it.
  func slot(_ kind: Kind? = nil) -> Int {
    let fitting = kinds.indices.filter { kinds[$0] != nil && (kind == nil || kinds[$0] == kind) }
    return fitting.isEmpty || chance(0.03) ? number(0...(Self.slots - 1)) : one(of: fitting)
  }

  var freeSlot: Int { kinds.firstIndex { $0 == nil } ?? number(0...(Self.slots - 1)) }

  /// A descriptor argument.
  func descriptor(_ kind: Kind? = nil) -> Argument {
    chance(0.02) ? .number(one(of: [-1, 100_000, Int(Int32.max), Int(Int32.min), 1 << 32 | -1])) : .slot(slot(kind))
  }

  /// Mostly `argument`, and else a pointer to nothing.
  func pointer(_ argument: Argument) -> Argument {
    if chance(0.96) { return argument }
    return one(of: [
      .number(0), .number(8), .end(0), .end(1), .end(3), .end(4), .end(15), .number(Int.min), .number(-1),
    ])
  }

  /// A buffer length.
  var size: Int { one(of: [0, 1, 1, 3, 4, 7, 8, 9, 10, 16, 20, 28, 64, 300, 300, 2000]) }

  /// Text to send.
  func text(_ kind: Kind?) -> [UInt8] {
    let count = chance(0.02) ? one(of: [9000, 65507, 65508, 65535, 65536]) : size
    let letter = UInt8(number(97...122))
    if kind == .ping, chance(0.8) {
      // An echo request.
      return [8, 0, 0, 0, 0, 0, 0, UInt8(number(1...9))] + Array(repeating: letter, count: count)
    }
    return (0..<count).map { 97 + (letter - 97 + UInt8($0 % 26)) % 26 }
  }

  static let home: [UInt8] = [127, 0, 0, 1]

  var ip: [UInt8] {
    if chance(0.7) { return Self.home }
    let near: [[UInt8]] = [[127, 0, 0, 2], [127, 0, 0, 2], [127, 9, 9, 9], [0, 0, 0, 0], [0, 0, 0, 0]]
    let far: [[UInt8]] = [
      [127, 255, 255, 255], [255, 255, 255, 255], [224, 0, 0, 1], [239, 1, 2, 3], [240, 0, 0, 1], [8, 8, 8, 8],
      [0, 0, 0, 1],
    ]
    return one(of: isAlone ? near + far : near)
  }

  /// An address to be bound to or sent to, and its length.
  func address(_ ports: [DrawnAddress.Port]) -> (Argument, Argument) {
    var address = DrawnAddress(port: one(of: ports), address: ip)
    if chance(0.06) { address.family = one(of: [0, 0, 0, 1, 10, 16, 17, 99, 0xFFFF]) }
    let length = chance(0.95) ? 16 : one(of: [0, 1, 2, 3, 4, 7, 8, 15, 17, 28, 128, 129, 1000, -1, Int.min])
    return (pointer(.address(address)), .number(length))
  }

  /// Where somebody may be.
  var destination: (Argument, Argument) {
    address([.of(slot: slot()), .of(slot: slot()), .of(slot: slot()), .of(slot: slot()), .zero, .own(number(0...3))])
  }

  /// For a stream without MSG_MORE: what it holds back here goes out with the next acknowledgement, in Linux it waits
  /// longer in some cases.
  func sendFlags(_ kind: Kind?) -> Int {
    let flags = sendFlags
    return kind == .stream || kind == nil ? flags & ~Int(MessageFlags.MSG_MORE) : flags
  }

  private var sendFlags: Int {
    if chance(0.6) { return 0 }
    let common: [Int32] = [
      MessageFlags.MSG_DONTWAIT, MessageFlags.MSG_NOSIGNAL, MessageFlags.MSG_OOB, MessageFlags.MSG_MORE,
      MessageFlags.MSG_DONTROUTE, MessageFlags.MSG_PROBE, MessageFlags.MSG_FASTOPEN, MessageFlags.MSG_ZEROCOPY,
    ]
    let rare: [Int32] = [
      0x80, 0x2, 0x8, 0x20, 0x100, 0x200, 0x400, 0x1000, 0x2000, 0x10000, 0x20000, 0x40000, 0x4000_0000, -1, Int32.min,
    ]
    return Int(chance(0.85) ? one(of: common) : one(of: rare) | one(of: common + [0]))
  }

  var receiveFlags: Int {
    if chance(0.5) { return 0 }
    let flags: [Int32] = [
      MessageFlags.MSG_DONTWAIT, MessageFlags.MSG_PEEK, MessageFlags.MSG_PEEK, MessageFlags.MSG_TRUNC,
      MessageFlags.MSG_WAITALL, MessageFlags.MSG_OOB, MessageFlags.MSG_ERRQUEUE, 0,
    ]
    if chance(0.1) { return Int(one(of: [0x4, 0x8, 0x10, 0x80, 0x200, 0x4000, 0x8000, 0x10000, 0x4000_0000, -1])) }
    return Int(one(of: flags) | one(of: flags))
  }
}
