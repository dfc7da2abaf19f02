import Glibc
import Memory

/// A running bench's machine as another process reads it: a snapshot of configuration spaces and register files, and
/// guest memory on demand. Reading disturbs nothing: no register is touched, no memory shared.
///
/// The file is not trusted: whatever it says is checked before use, everything is copied (so that it can change or
/// shrink at any time), and what does not fit is refused with a ``MachineImageError``. The layout is described at the
/// module's `MachineLayout`.
public final class MachineImage {
  /// Configuration spaces and register files together may not be longer than this.
  public static let maximumSnapshotByteCount = 64 << 20
  /// The most that one call of ``readMemory(at:count:)`` gives.
  public static let maximumReadByteCount = 16 << 20

  /// The file that was read.
  public let path: String
  /// The table, in order.
  public let regions: [MachineRegion]
  private let file: ImageFile
  /// Copies of configuration spaces and register files, by index of ``regions``.
  private let copies: [Int: [UInt8]]

  /// Reads the machine of a process (`target` is its number) or of a file (anything else).
  public convenience init(reading target: String) throws(MachineImageError) {
    if !target.isEmpty, target.utf8.allSatisfy({ (48...57).contains($0) }) {
      guard let process = Int32(target) else { throw .noSuchProcess(target) }
      try self.init(process: process)
    } else {
      try self.init(path: target)
    }
  }

  /// Reads the machine of the process with the given number, the first if it has several.
  public convenience init(process: Int32) throws(MachineImageError) {
    guard let path = try Self.paths(process: process).first else { throw .noMachine(process: process) }
    try self.init(path: path)
  }

  /// Reads the machine in the file at `path`.
  public init(path: String) throws(MachineImageError) {
    self.path = path
    file = try ImageFile(path: path)
    regions = try file.readTable()
    var copies: [Int: [UInt8]] = [:]
    var total: UInt64 = 0
    for (index, region) in regions.enumerated() where region.kind == .configuration || region.kind == .registers {
      total += region.byteCount
      guard total <= UInt64(Self.maximumSnapshotByteCount) else { throw .tooLarge(path: path) }
      copies[index] = try file.read(region.offset, Int(region.byteCount))
    }
    self.copies = copies
  }

  /// The files under `/proc/PID/fd` that hold a machine, in order of their descriptors.
  public static func paths(process: Int32) throws(MachineImageError) -> [String] {
    let directory = "/proc/\(process)/fd"
    guard let stream = unsafe opendir(directory) else {
      let code = errno
      if code == ENOENT { throw .noSuchProcess(String(process)) }
      throw .unreadable(path: directory, code: code)
    }
    defer { unsafe closedir(stream) }
    var found: [Int] = []
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      guard let descriptor = Int(name), target(of: "\(directory)/\(name)") == linkTarget else { continue }
      found.append(descriptor)
    }
    return found.sorted().map { "\(directory)/\($0)" }
  }

  private static let linkTarget = "/memfd:\(Machine.sharedMemoryName) (deleted)"

  private static func target(of link: String) -> String {
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 256) { buffer, count in
      count = unsafe buffer.withMemoryRebound(to: CChar.self) {
        max(0, unsafe readlink(link, $0.baseAddress!, $0.count))
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The functions, as their configuration spaces describe them, in order of address.
  public var devices: [PCIDevice] {
    var devices: [PCIDevice] = []
    for (index, region) in regions.enumerated() where region.kind == .configuration {
      guard let bytes = copies[index] else { continue }
      var sizes: [Int: UInt64] = [:]
      for bar in registers(following: index) { sizes[bar.bar ?? 0] = bar.apertureByteCount }
      devices.append(PCIDevice(at: region.function, sizes: sizes) { Self.load(bytes, $0, $1) })
    }
    return devices.sorted { $0.address < $1.address }
  }

  /// The bytes of the configuration space of the function at `address`: 256 or 4096.
  public func configuration(of address: PCIAddress) -> [UInt8]? {
    regions.firstIndex { $0.kind == .configuration && $0.function == address }.flatMap { copies[$0] }
  }

  /// The bytes of the register file behind a base address register, each register at its own offset.
  public func registers(of address: PCIAddress, bar: Int) -> [UInt8]? {
    regions.firstIndex { $0.kind == .registers && $0.function == address && $0.bar == bar }.flatMap { copies[$0] }
  }

  /// Reads guest memory as it is now. Throws if the stretch leaves it or is longer than ``maximumReadByteCount``.
  public func readMemory(at busAddress: UInt64, count: Int) throws(MachineImageError) -> [UInt8] {
    guard count >= 0, count <= Self.maximumReadByteCount else {
      throw .outsideMemory(busAddress: busAddress, count: count)
    }
    for region in regions where region.kind == .memory {
      let offset = busAddress &- region.busAddress
      if offset < region.byteCount, UInt64(count) <= region.byteCount - offset {
        return try file.read(region.offset + offset, count)
      }
    }
    throw .outsideMemory(busAddress: busAddress, count: count)
  }

  /// A function's base address registers come right behind its configuration space in the table.
  private func registers(following index: Int) -> ArraySlice<MachineRegion> {
    let rest = regions[(index + 1)...]
    return rest.prefix { $0.kind == .registers || $0.kind == .aperture }
  }

  private static func load(_ bytes: [UInt8], _ offset: Int, _ size: Int) -> UInt32 {
    guard offset >= 0, size <= 4, offset <= bytes.count - size else { return .max }
    return (0..<size).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
  }
}

/// A region of a machine's shared memory, from its table.
public struct MachineRegion: Sendable, Equatable, Codable {
  public var kind: MachineRegionKind
  /// The function it belongs to.
  public var function: PCIAddress
  /// The base address register it stands for, if any.
  public var bar: Int?
  public var isIO: Bool
  /// Where it appears on the bus; 0 while it has no address.
  public var busAddress: UInt64
  /// Where its bytes are in the file.
  public var offset: UInt64
  /// Bytes in the file; for an aperture, bytes on the bus.
  public var byteCount: UInt64
  /// Bytes that the base address register decodes.
  public var apertureByteCount: UInt64
  public var name: String
}

/// Why a machine could not be read.
public enum MachineImageError: Error, Equatable, CustomStringConvertible {
  case noSuchProcess(String)
  /// The process has no machine's memory open.
  case noMachine(process: Int32)
  case unreadable(path: String, code: Int32)
  case notAMachine(path: String)
  case unknownVersion(path: String, version: UInt32)
  /// The file is shorter than it says, or was cut while it was read.
  case truncated(path: String)
  case badTable(path: String, reason: String)
  case badRegion(index: Int, reason: String)
  case tooLarge(path: String)
  /// Its owner was changing the table each time it was read.
  case changing(path: String)
  case outsideMemory(busAddress: UInt64, count: Int)

  public var description: String {
    switch self {
    case .noSuchProcess(let text): "there is no process \(text)"
    case .noMachine(let process): "process \(process) runs no bench (or not yet)"
    case .unreadable(let path, let code): unsafe "\(path): \(String(cString: strerror(code)))"
    case .notAMachine(let path): "\(path) does not hold a machine"
    case .unknownVersion(let path, let version):
      "\(path) has layout version \(version); this program reads version \(MachineLayout.version)"
    case .truncated(let path): "\(path) is shorter than the machine it holds"
    case .badTable(let path, let reason): "\(path): the table of regions is damaged: \(reason)"
    case .badRegion(let index, let reason): "region \(index) of the machine's table is damaged: \(reason)"
    case .tooLarge(let path): "\(path): configuration spaces and register files are longer than 64 MiB"
    case .changing(let path): "\(path): the table of regions kept changing; try again"
    case .outsideMemory(let busAddress, let count):
      "\(count) bytes at bus address 0x\(String(busAddress, radix: 16)) are not all guest memory"
    }
  }
}
