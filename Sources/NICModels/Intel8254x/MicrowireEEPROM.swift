import IntelNIC

/// A serial EEPROM of the 93C46 (64 words) or 93C66 (256 words) kind behind the pins of EECD: commands of a start bit,
/// two bits of opcode and an address, shifted in on rising clock edges; data most significant bit first (section
/// 5.3.1).
struct MicrowireEEPROM {
  private(set) var words: [UInt16]
  let addressBits: Int
  /// Level of the data output; high while idle (pulled up, and "ready" after a write).
  private(set) var dataOut = true
  private(set) var writeEnabled = false
  private var selected = false
  private var clock = false
  /// Bits of the command so far, and how many; 0 until the start bit.
  private var command: UInt32 = 0
  private var commandBits = 0
  /// What follows a complete command.
  private var phase = Phase.command
  private var shift: UInt16 = 0
  private var shiftBits = 0

  private enum Phase: Equatable {
    case command
    case reading(Int)
    case writing(Int)
    case writingAll
    case finished
  }

  init(words: [UInt16], addressBits: Int) {
    precondition(words.count == 1 << addressBits)
    self.words = words
    self.addressBits = addressBits
  }

  /// The word at `address`, nil beyond the end.
  func word(_ address: Int) -> UInt16? { words.indices.contains(address) ? words[address] : nil }

  mutating func deselect() {
    selected = false
    dataOut = true
    command = 0
    commandBits = 0
    phase = .command
  }

  /// New levels of the pins. Returns false if a command was refused: unknown, or a write without write enable.
  mutating func drive(select: Bool, clock newClock: Bool, dataIn: Bool) -> Bool {
    defer { clock = newClock }
    guard select else {
      deselect()
      return true
    }
    guard selected else {
      selected = true
      return true
    }
    guard newClock, !clock else { return true }
    switch phase {
    case .command: return shiftCommand(dataIn)
    case .reading(let address): shiftOut(from: address)
    case .writing(let address): return shiftIn(dataIn, to: address..<address + 1)
    case .writingAll: return shiftIn(dataIn, to: 0..<words.count)
    case .finished: break
    }
    return true
  }

  private mutating func shiftCommand(_ bit: Bool) -> Bool {
    guard commandBits > 0 || bit else { return true }
    command = command << 1 | (bit ? 1 : 0)
    commandBits += 1
    guard commandBits == 3 + addressBits else { return true }
    let address = Int(command) & (words.count - 1)
    switch command >> UInt32(addressBits) {
    case Microwire.read:
      phase = .reading(address)
      shiftBits = 0
      // A zero precedes the data.
      dataOut = false
    case Microwire.write:
      phase = .writing(address)
      shiftBits = 0
    case Microwire.erase:
      return commit(0xFFFF, to: address..<address + 1)
    default:
      switch address >> (addressBits - 2) {
      case 0b11: writeEnabled = true
      case 0b00: writeEnabled = false
      case 0b10: return commit(0xFFFF, to: 0..<words.count)
      default:
        phase = .writingAll
        shiftBits = 0
        return true
      }
      phase = .finished
    }
    return true
  }

  private mutating func shiftOut(from address: Int) {
    if shiftBits == 0 {
      shift = words[address]
      shiftBits = 16
    }
    dataOut = shift & 0x8000 != 0
    shift <<= 1
    shiftBits -= 1
    // Clocking on reads the next word.
    if shiftBits == 0 { phase = .reading((address + 1) & (words.count - 1)) }
  }

  private mutating func shiftIn(_ bit: Bool, to range: Range<Int>) -> Bool {
    shift = shift << 1 | (bit ? 1 : 0)
    shiftBits += 1
    return shiftBits == 16 ? commit(shift, to: range) : true
  }

  private mutating func commit(_ value: UInt16, to range: Range<Int>) -> Bool {
    phase = .finished
    dataOut = true
    guard writeEnabled else { return false }
    for index in range { words[index] = value }
    return true
  }
}
