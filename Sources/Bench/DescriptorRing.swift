import IntelNIC
import Machine

/// A descriptor ring of a NIC as another process reads it: where its registers say that it is, and what lies there.
///
/// Registers and memory are the guest's: what they say is checked, and what does not fit is told (``problem``). The
/// memory is read a moment after the registers, so descriptors near the head may be newer than it.
public struct DescriptorRing: Sendable, Codable, Equatable {
  public enum Direction: String, Sendable, Codable { case receive, transmit }

  public struct Descriptor: Sendable, Codable, Equatable {
    public let index: Int
    /// receive, legacy, data, context, or reserved (an extended type that the manual does not define).
    public let kind: String
    /// The buffer; nil for a context.
    public let address: UInt64?
    /// Bytes in the buffer; of a context, bytes to segment.
    public let length: Int
    /// Abbreviations of the bits that are set: command, options, status, errors.
    public let flags: [String]
    /// Whether the device has it: it lies from the head up to the tail.
    public let isDevices: Bool
  }

  public let direction: Direction
  /// Address on the bus.
  public let base: UInt64
  public let byteCount: Int
  public let head: Int
  public let tail: Int
  /// Descriptors of the ring, and of them those that the device has.
  public let count: Int
  public let devicesCount: Int
  /// Why there are no descriptors to show.
  public private(set) var problem: String?
  public private(set) var descriptors: [Descriptor] = []

  /// Descriptors before and behind the head that are shown.
  public static let reach = 8

  /// The ring that the register file `registers` describes. `showsAll`: every descriptor, not only those around the
  /// head.
  public init(_ direction: Direction, _ registers: [UInt8], in image: MachineImage, showsAll: Bool) {
    func register(_ offset: Int) -> UInt32 {
      guard offset >= 0, offset <= registers.count - 4 else { return 0 }
      return (0..<4).reduce(0) { $0 | UInt32(registers[offset + $1]) << UInt32(8 * $1) }
    }
    let isReceive = direction == .receive
    self.direction = direction
    let low = register(isReceive ? Register.receiveBaseLow : Register.transmitBaseLow)
    let high = register(isReceive ? Register.receiveBaseHigh : Register.transmitBaseHigh)
    base = UInt64(high) << 32 | UInt64(low & 0xFFFF_FFF0)
    byteCount = Int(register(isReceive ? Register.receiveLength : Register.transmitLength) & 0xF_FF80)
    head = Int(register(isReceive ? Register.receiveHead : Register.transmitHead) & 0xFFFF)
    tail = Int(register(isReceive ? Register.receiveTail : Register.transmitTail) & 0xFFFF)
    count = byteCount / TransmitDescriptor.byteCount
    let isSound = head < count && tail < count
    devicesCount = isSound ? (tail - head + count) % count : 0
    if count == 0 {
      problem = "not set up: its length is 0"
    } else if !isSound {
      problem = "head or tail lies outside the ring"
    } else {
      do throws(MachineImageError) {
        try read(image, showsAll: showsAll)
      } catch {
        problem = error.description
      }
    }
  }

  private mutating func read(_ image: MachineImage, showsAll: Bool) throws(MachineImageError) {
    let size = TransmitDescriptor.byteCount
    let bytes = try image.readMemory(at: base, count: byteCount)
    let isWhole = showsAll || count <= 2 * Self.reach
    let shown = isWhole ? Array(0..<count) : (-Self.reach..<Self.reach).map { (head + $0 + count) % count }
    descriptors = shown.map { index in
      func word(_ offset: Int) -> UInt64 {
        (0..<8).reduce(0) { $0 | UInt64(bytes[index * size + offset + $1]) << UInt64(8 * $1) }
      }
      let isDevices = (index - head + count) % count < devicesCount
      return direction == .receive
        ? Self.receive(index, word(0), word(8), isDevices) : Self.transmit(index, word(0), word(8), isDevices)
    }
  }

  private static func receive(_ index: Int, _ low: UInt64, _ high: UInt64, _ isDevices: Bool) -> Descriptor {
    var descriptor = ReceiveDescriptor(address: low)
    descriptor.fields = high
    let status = ["DD", "EOP", "IXSM", "VP", "UDPCS", "TCPCS", "IPCS", "PIF"]
    let errors = ["CE", "SE", "SEQ", "bit 3", "CXE", "TCPE", "IPE", "RXE"]
    return Descriptor(
      index: index, kind: "receive", address: low, length: descriptor.length,
      flags: names(descriptor.status.rawValue, status) + names(descriptor.errors.rawValue, errors), isDevices: isDevices
    )
  }

  private static func transmit(_ index: Int, _ low: UInt64, _ high: UInt64, _ isDevices: Bool) -> Descriptor {
    let descriptor = TransmitDescriptor(low: low, high: high)
    let status = names(descriptor.status.rawValue, ["DD", "EC", "LC", "TU"])
    let command = descriptor.command.rawValue
    if descriptor.isContext {
      let context = TransmitContext(descriptor)
      let flags = names(command, ["TCP", "IP", "TSE", "RS", "bit 4", "DEXT", "bit 6", "IDE"])
      let fields = ["HDRLEN=\(context.headerLength)", "MSS=\(context.maximumSegmentSize)"]
      return Descriptor(
        index: index, kind: "context", address: nil, length: context.payloadLength, flags: flags + fields + status,
        isDevices: isDevices)
    }
    if descriptor.isData {
      let flags = names(command, ["EOP", "IFCS", "TSE", "RS", "RPS", "DEXT", "VLE", "IDE"])
      let options = names(descriptor.options.rawValue & 3, ["IXSM", "TXSM"])
      return Descriptor(
        index: index, kind: "data", address: low, length: descriptor.dataLength, flags: flags + options + status,
        isDevices: isDevices)
    }
    return Descriptor(
      index: index, kind: descriptor.isExtended ? "reserved" : "legacy", address: low, length: descriptor.legacyLength,
      flags: names(command, ["EOP", "IFCS", "IC", "RS", "RPS", "DEXT", "VLE", "IDE"]) + status, isDevices: isDevices)
  }

  private static func names(_ bits: UInt8, _ names: [String]) -> [String] {
    names.enumerated().filter { bits >> UInt8($0.offset) & 1 != 0 }.map(\.element)
  }

  /// A line for the ring and one for each descriptor: `>` marks the head, `*` what the device has.
  public var text: String {
    let place = "\(direction.rawValue) ring at 0x\(String(base, radix: 16)), \(byteCount) bytes, \(count) descriptors"
    var lines = ["\(place): head \(head), tail \(tail), the device has \(devicesCount)"]
    if let problem { lines.append("  " + problem) }
    for descriptor in descriptors {
      let marks = (descriptor.index == head ? ">" : " ") + (descriptor.isDevices ? "*" : " ")
      let number = String(descriptor.index)
      let address = descriptor.address.map { "0x" + Self.digits($0) } ?? String(repeating: " ", count: 18)
      lines.append(
        "  \(marks) [\(String(repeating: " ", count: max(0, 5 - number.count)))\(number)] "
          + "\(descriptor.kind)\(String(repeating: " ", count: 9 - descriptor.kind.count))\(address) "
          + "length \(descriptor.length)"
          + (descriptor.flags.isEmpty ? "" : "  " + descriptor.flags.joined(separator: " ")))
    }
    return lines.joined(separator: "\n")
  }

  private static func digits(_ value: UInt64) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: 16 - text.count) + text
  }
}
