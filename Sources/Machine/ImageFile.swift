import Glibc
import Memory

/// The file behind a ``MachineImage``, read with pread(2) only: a mapping would bring the reader down if the file
/// shrank.
final class ImageFile {
  let path: String
  private let descriptor: Int32

  init(path: String) throws(MachineImageError) {
    self.path = path
    // Not blocking, so that a FIFO is refused below and not waited for.
    descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .unreadable(path: path, code: errno) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw .notAMachine(path: path)
    }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Exactly `count` bytes from `offset`.
  func read(_ offset: UInt64, _ count: Int) throws(MachineImageError) -> [UInt8] {
    guard offset <= UInt64(Int64.max) else { throw .truncated(path: path) }
    var failure: Int32 = 0
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      while initialized < count {
        let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[initialized...])
        let length = unsafe pread(descriptor, rest.baseAddress, rest.count, off_t(offset) + initialized)
        if length > 0 {
          initialized += length
        } else if length == 0 || errno != EINTR {
          failure = length == 0 ? 0 : errno
          break
        }
      }
    }
    guard failure == 0 else { throw .unreadable(path: path, code: failure) }
    guard bytes.count == count else { throw .truncated(path: path) }
    return bytes
  }

  /// The checked table. Its owner may be changing it: then it is read again, a bounded number of times.
  func readTable() throws(MachineImageError) -> [MachineRegion] {
    for _ in 0..<100 {
      let before = try Header(read(0, MachineLayout.firstEntry), path: path)
      let table = try read(0, MachineLayout.headerByteCount)
      let after = try Header(read(0, MachineLayout.firstEntry), path: path)
      guard before.generation == after.generation, before.generation & 1 == 0 else { continue }
      return try parse(table, before)
    }
    throw .changing(path: path)
  }

  private struct Header {
    let generation: UInt32
    let entryCount: Int
    let byteCount: UInt64

    init(_ bytes: [UInt8], path: String) throws(MachineImageError) {
      guard number(bytes, 0, 8) == MachineLayout.magic else { throw .notAMachine(path: path) }
      let version = UInt32(number(bytes, MachineLayout.versionOffset, 4))
      guard version == MachineLayout.version else { throw .unknownVersion(path: path, version: version) }
      guard number(bytes, MachineLayout.entrySizeOffset, 4) == UInt64(MachineLayout.entryByteCount) else {
        throw .badTable(path: path, reason: "entries are not of \(MachineLayout.entryByteCount) bytes")
      }
      let entries = number(bytes, MachineLayout.entryCountOffset, 4)
      guard entries <= UInt64(MachineLayout.maximumEntries) else {
        throw .badTable(path: path, reason: "\(entries) entries")
      }
      entryCount = Int(entries)
      generation = UInt32(number(bytes, MachineLayout.generationOffset, 4))
      byteCount = number(bytes, MachineLayout.byteCountOffset, 8)
    }
  }

  private func parse(_ table: [UInt8], _ header: Header) throws(MachineImageError) -> [MachineRegion] {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0, header.byteCount <= UInt64(max(0, status.st_size)) else {
      throw .truncated(path: path)
    }
    var regions: [MachineRegion] = []
    for index in 0..<header.entryCount {
      let at = MachineLayout.firstEntry + index * MachineLayout.entryByteCount
      regions.append(try Self.region(index, table[at..<at + MachineLayout.entryByteCount], end: header.byteCount))
    }
    let stored = regions.enumerated().filter { $0.element.kind != .aperture }
      .sorted { ($0.element.offset, $0.offset) < ($1.element.offset, $1.offset) }
    for (a, b) in zip(stored, stored.dropFirst()) where b.element.offset - a.element.offset < a.element.byteCount {
      throw .badRegion(index: b.offset, reason: "it overlaps region \(a.offset)")
    }
    return regions
  }

  private static func region(
    _ index: Int, _ entry: ArraySlice<UInt8>, end: UInt64
  ) throws(MachineImageError) -> MachineRegion {
    let bytes = [UInt8](entry)
    guard let kind = MachineRegionKind(rawValue: UInt32(number(bytes, 0, 4))) else {
      throw .badRegion(index: index, reason: "kind \(number(bytes, 0, 4))")
    }
    let bar = bytes[6]
    let busAddress = number(bytes, 8, 8)
    let offset = number(bytes, 16, 8)
    let byteCount = number(bytes, 24, 8)
    guard byteCount > 0, !busAddress.addingReportingOverflow(byteCount - 1).overflow else {
      throw .badRegion(index: index, reason: "it is empty, or wraps around on the bus")
    }
    if kind != .aperture {
      guard offset >= UInt64(MachineLayout.headerByteCount), offset <= end, byteCount <= end - offset else {
        throw .badRegion(index: index, reason: "its bytes are not in the file")
      }
    }
    switch kind {
    case .configuration where byteCount != 256 && byteCount != 4096:
      throw .badRegion(index: index, reason: "a configuration space of \(byteCount) bytes")
    case .registers where bar > 6, .aperture where bar > 6:
      throw .badRegion(index: index, reason: "base address register \(bar)")
    default: break
    }
    let name = bytes[MachineLayout.nameOffset...].prefix { $0 != 0 }
    // Control characters would reach a terminal.
    let text = String(
      String(decoding: name, as: UTF8.self).unicodeScalars.filter { $0.value >= 32 && !(127...159).contains($0.value) })
    let decoded = number(bytes, 56, 8)
    return MachineRegion(
      kind: kind, function: PCIAddress(routingID: UInt16(number(bytes, 4, 2))),
      bar: bar == MachineLayout.noBAR ? nil : Int(bar), isIO: bytes[7] & 1 != 0, busAddress: busAddress, offset: offset,
      byteCount: byteCount, apertureByteCount: decoded, name: text)
  }
}

/// A little-endian number of `size` bytes.
private func number(_ bytes: [UInt8], _ offset: Int, _ size: Int) -> UInt64 {
  (0..<size).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
}
