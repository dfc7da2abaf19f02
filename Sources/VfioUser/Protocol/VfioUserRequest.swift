import Memory

/// A command of a client, checked as far as that needs no device.
///
/// Windows of data point into the message and are good until the next one is received.
public enum VfioUserRequest {
  case version(major: UInt16, minor: UInt16, VfioUserCapabilities)
  case mapDMA(DMAMapping)
  case unmapDMA(DMAUnmapping)
  case deviceInfo
  case regionInfo(index: UInt32)
  case interruptInfo(index: UInt32)
  /// `value` is the byte of a setting with boolean data; true without one.
  case setInterrupts(InterruptSetting, value: Bool)
  case readRegion(RegionAccess)
  case writeRegion(RegionAccess, data: MemoryWindow)
  /// `records` of 24 bytes each: a ``RegionAccess`` and eight bytes of data.
  case writeRegions(records: MemoryWindow)
  case reset

  /// Bytes of the longest command: a write of a whole configuration space.
  public static let longest = 4096 + VfioUserHeader.byteCount + RegionAccess.byteCount

  /// The command with the given header and `body`.
  @inline(__always)
  public init(_ header: VfioUserHeader, _ body: MemoryWindow) throws(VfioUserRefusal) {
    // Register accesses are nearly everything there is.
    if header.command == VfioUserCommand.writeRegion.rawValue {
      let access: RegionAccess = try Self.fields(body)
      let length = UInt64(body.count - RegionAccess.byteCount)
      guard UInt64(access.count) <= length else { throw .truncated }
      guard UInt64(access.count) == length else { throw .excessBytes }
      self = .writeRegion(access, data: body.slice(RegionAccess.byteCount, Int(access.count)))
    } else if header.command == VfioUserCommand.readRegion.rawValue {
      guard body.count <= RegionAccess.byteCount else { throw .excessBytes }
      self = .readRegion(try Self.fields(body))
    } else {
      self = try Self.uncommon(header, body)
    }
  }

  @inline(__always)
  private static func fields<T: VfioUserPayload>(_ body: MemoryWindow) throws(VfioUserRefusal) -> T {
    guard body.count >= T.byteCount else { throw .truncated }
    return T(in: body)
  }

  @inline(never)
  private static func uncommon(
    _ header: VfioUserHeader, _ body: MemoryWindow
  ) throws(VfioUserRefusal) -> VfioUserRequest {
    guard let command = VfioUserCommand(rawValue: header.command) else { throw .unknownCommand }
    switch command {
    case .version:
      guard body.count >= 4 else { throw .truncated }
      let text = body.slice(4, body.count - 4)
      return .version(
        major: body.load(0), minor: body.load(2), try VfioUserCapabilities(parsing: text))
    case .mapDMA:
      let mapping: DMAMapping = try fields(body)
      guard mapping.argumentByteCount >= DMAMapping.byteCount else { throw .argumentSize }
      return .mapDMA(mapping)
    case .unmapDMA:
      let unmapping: DMAUnmapping = try fields(body)
      guard unmapping.argumentByteCount >= DMAUnmapping.byteCount else { throw .argumentSize }
      return .unmapDMA(unmapping)
    case .deviceInfo:
      let info: DeviceInfo = try fields(body)
      guard info.argumentByteCount >= DeviceInfo.byteCount else { throw .argumentSize }
      return .deviceInfo
    case .regionInfo:
      let info: RegionInfo = try fields(body)
      guard info.argumentByteCount >= RegionInfo.byteCount else { throw .argumentSize }
      return .regionInfo(index: info.index)
    case .interruptInfo:
      let info: InterruptInfo = try fields(body)
      guard info.argumentByteCount >= InterruptInfo.byteCount else { throw .argumentSize }
      return .interruptInfo(index: info.index)
    case .setInterrupts: return try interruptSetting(body)
    case .writeRegions:
      guard body.count >= 8 else { throw .truncated }
      let count: UInt64 = body.load(0)
      let length = UInt64(body.count - 8)
      guard count <= length / UInt64(RegionAccess.recordByteCount) else { throw .truncated }
      guard count * UInt64(RegionAccess.recordByteCount) == length else { throw .excessBytes }
      return .writeRegions(records: body.slice(8, body.count - 8))
    case .reset:
      guard body.count == 0 else { throw .excessBytes }
      return .reset
    case .readRegion, .writeRegion, .regionDescriptors, .readDMA, .writeDMA, .dirtyPages, .feature,
      .readMigrationData, .writeMigrationData:
      throw .unsupportedCommand
    }
  }

  private static func interruptSetting(_ body: MemoryWindow) throws(VfioUserRefusal) -> VfioUserRequest {
    let setting: InterruptSetting = try fields(body)
    let flags = setting.flags
    let data = flags.intersection(.data)
    let action = flags.intersection(.action)
    guard flags.isSubset(of: [.data, .action]), data.rawValue.nonzeroBitCount == 1,
      action.rawValue.nonzeroBitCount == 1
    else { throw .badInterruptSetting }
    guard setting.argumentByteCount >= InterruptSetting.byteCount else { throw .argumentSize }
    guard data == .bool else { return .setInterrupts(setting, value: true) }
    let length = UInt64(body.count - InterruptSetting.byteCount)
    guard UInt64(setting.count) <= length else { throw .truncated }
    guard UInt64(setting.argumentByteCount) >= UInt64(InterruptSetting.byteCount) + UInt64(setting.count) else {
      throw .argumentSize
    }
    let value = setting.count > 0 && body.load(InterruptSetting.byteCount, as: UInt8.self) != 0
    return .setInterrupts(setting, value: value)
  }
}
