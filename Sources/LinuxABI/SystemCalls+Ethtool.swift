import Link
import NetStack
import Packets

// SIOCETHTOOL: what is asked of an interface's driver and device. The answers are those of Linux's net/ethtool/ioctl.c
// (6.18) and, where it asks the driver, of the interface's ``DeviceDiagnostics``; a device without these is one whose
// driver does not say, as `lo` is.
extension SystemCalls {
  /// One command; returns what ioctl(2) returns, which is 0 but for SFEATURES.
  ///
  /// - Throws: EFAULT; EOPNOTSUPP for what neither the kernel nor this driver answers, and what else the command has.
  func ethtool(_ asked: InterfaceRequest, _ memory: UserMemory) throws(Errno) -> Int {
    let command = try memory.load(asked.pointer, as: UInt32.self)
    let question = EthtoolQuestion(
      command: command, interface: try interface(asked), pointer: asked.pointer, memory: memory)
    switch command {
    case EthtoolCommand.GSET, EthtoolCommand.SSET, EthtoolCommand.GLINKSETTINGS, EthtoolCommand.SLINKSETTINGS,
      EthtoolCommand.NWAY_RST, EthtoolCommand.GLINK, EthtoolCommand.GPAUSEPARAM, EthtoolCommand.SPAUSEPARAM:
      try question.link()
    case EthtoolCommand.GDRVINFO, EthtoolCommand.GREGS, EthtoolCommand.GMSGLVL, EthtoolCommand.SMSGLVL,
      EthtoolCommand.GEEPROM, EthtoolCommand.SEEPROM, EthtoolCommand.GPERMADDR:
      try question.device()
    case EthtoolCommand.GWOL, EthtoolCommand.SWOL, EthtoolCommand.GCOALESCE, EthtoolCommand.SCOALESCE,
      EthtoolCommand.GRINGPARAM, EthtoolCommand.SRINGPARAM:
      try question.parameters()
    case EthtoolCommand.GSTRINGS, EthtoolCommand.GSSET_INFO, EthtoolCommand.GSTATS, EthtoolCommand.TEST:
      try question.sets()
    case EthtoolCommand.SFEATURES: return try question.setFeatures()
    case EthtoolCommand.GFEATURES, EthtoolCommand.GRXCSUM...EthtoolCommand.SSG, EthtoolCommand.GTSO,
      EthtoolCommand.STSO, EthtoolCommand.GGSO, EthtoolCommand.SGSO, EthtoolCommand.GGRO, EthtoolCommand.SGRO,
      EthtoolCommand.GFLAGS, EthtoolCommand.SFLAGS:
      try question.features()
    case EthtoolCommand.FLASHDEV: _ = try question.bytes(136)
    case EthtoolCommand.GET_TS_INFO:
      // Software stamps both ways, and no clock of its own: SOF_TIMESTAMPING_TX_SOFTWARE, RX_SOFTWARE, SOFTWARE; -1.
      try question.answer([0x1A, .max] + [UInt32](repeating: 0, count: 8))
    // What is read before the driver is found not to have it.
    case EthtoolCommand.GMODULEINFO: throw try question.refusal(after: 44)
    case EthtoolCommand.GRXRINGS: throw try question.refusal(after: 192)
    case EthtoolCommand.GPHYSTATS: throw try question.refusal(after: 8)
    case EthtoolCommand.PERQUEUE: throw try question.refusal(after: 520)
    default: throw .EOPNOTSUPP
    }
    return 0
  }
}

/// A command of SIOCETHTOOL for an interface, with the memory that it stands in.
struct EthtoolQuestion {
  let command: UInt32
  let interface: NetworkInterface
  let pointer: UInt
  let memory: UserMemory

  /// What the driver tells. EOPNOTSUPP: nothing.
  func diagnostics() throws(Errno) -> any DeviceDiagnostics {
    guard let diagnostics = interface.device.diagnostics else { throw .EOPNOTSUPP }
    return diagnostics
  }

  /// The first `count` bytes of the command's structure.
  func bytes(_ count: Int) throws(Errno) -> [UInt8] { Array(try memory.bytes(pointer, count)) }

  /// The first `count` words of it, the command's number among them.
  func words(_ count: Int) throws(Errno) -> [UInt32] {
    let bytes = try memory.bytes(pointer, 4 * count)
    return (0..<count).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self) }
  }

  /// The word behind the command's number.
  func value() throws(Errno) -> UInt32 { try words(2)[1] }

  /// Stores the command's number, `words` and `rest`.
  func answer(_ words: [UInt32], _ rest: [UInt8] = []) throws(Errno) {
    try memory.copy(Self.bytes(of: [command] + words) + rest, to: pointer)
  }

  /// EOPNOTSUPP, after `count` bytes were read.
  func refusal(after count: Int) throws(Errno) -> Errno {
    _ = try memory.bytes(pointer, count)
    return .EOPNOTSUPP
  }

  static func bytes(of words: [UInt32]) -> [UInt8] { words.flatMap { SystemCalls.bytes(of: $0) } }

  /// A field of `count` bytes that holds `text`, which ends with a zero.
  static func field(_ text: String, _ count: Int) -> [UInt8] {
    let text = text.utf8.prefix(count - 1)
    return text + [UInt8](repeating: 0, count: count - text.count)
  }

  /// Runs `body`, with what a driver refuses in Linux's numbers.
  func attempt<T>(_ body: () throws(DeviceSettingError) -> T) throws(Errno) -> T {
    do throws(DeviceSettingError) { return try body() } catch {
      switch error {
      case .unsupported: throw .EOPNOTSUPP
      case .invalid: throw .EINVAL
      case .noMemory: throw .ENOMEM
      case .failed: throw .EIO
      }
    }
  }
}
