import Glibc
import Machine
import Memory

/// What the commands of a client do.
extension ServerConnection {
  func perform(_ request: VfioUserRequest, _ header: VfioUserHeader) throws(VfioUserRefusal) {
    guard isNegotiated else { return try negotiate(request, header) }
    switch request {
    case .writeRegion(let access, let data):
      try checkWrite(access)
      if !header.wantsReply {
        tally.count.postedWrites &+= 1
      } else if slot.dma.hasRemoteMemory, !isExchanging {
        // The function may want memory of the client, which answers nothing while it waits for this reply. Writes end
        // in order all the same, and nothing that is read later can tell. Not from inside of an access, which would
        // then contain another one, and that one the next.
        reply(to: header, RegionAccess.byteCount).map { access.store(in: $0) }
        _ = channel.flush()
        clientWaits = false
        return write(access, data)
      }
      write(access, data)
      reply(to: header, RegionAccess.byteCount).map { access.store(in: $0) }
    case .readRegion(let access): try read(access, header)
    case .writeRegions(let records): try write(records, header)
    case .mapDMA(let mapping):
      try map(mapping)
      _ = reply(to: header, 0)
    case .unmapDMA(let unmapping):
      try unmap(unmapping)
      reply(to: header, DMAUnmapping.byteCount).map { unmapping.store(in: $0) }
    case .setInterrupts(let setting, let value):
      try set(setting, value)
      _ = reply(to: header, 0)
    case .reset:
      tally.count.resets &+= 1
      function.busReset(in: slot)
      slot.reset()
      _ = reply(to: header, 0)
    case .deviceInfo:
      let info = DeviceInfo(
        flags: DeviceInfo.canReset | DeviceInfo.isPCI, regions: VfioUserIndex.regions,
        interrupts: VfioUserIndex.interrupts)
      reply(to: header, DeviceInfo.byteCount).map { info.store(in: $0) }
    case .regionInfo(let index):
      guard index < VfioUserIndex.regions else { throw .badIndex }
      let size = regionSizes[Int(index)]
      let access = index == VfioUserIndex.rom ? RegionInfo.readable : RegionInfo.readable | RegionInfo.writable
      let info = RegionInfo(index: index, flags: size == 0 ? 0 : access, size: size)
      reply(to: header, RegionInfo.byteCount).map { info.store(in: $0) }
    case .interruptInfo(let index):
      guard index < VfioUserIndex.interrupts else { throw .badIndex }
      let exists = index == VfioUserIndex.intx && function.configuration.interruptPin != 0
      let info = InterruptInfo(
        index: index,
        flags: exists ? InterruptInfo.eventfd | InterruptInfo.maskable | InterruptInfo.automasked : 0,
        count: exists ? 1 : 0)
      reply(to: header, InterruptInfo.byteCount).map { info.store(in: $0) }
    case .version: throw .negotiatedTwice
    }
  }

  /// VERSION comes first: the same major version, no later minor one, and capabilities that both have.
  private func negotiate(_ request: VfioUserRequest, _ header: VfioUserHeader) throws(VfioUserRefusal) {
    guard case .version(let major, _, let offered) = request else { throw .notNegotiated }
    guard major == 0 else { throw .unsupportedVersion }
    peer = offered
    isNegotiated = true
    var common = VfioUserCapabilities()
    common.maximumDescriptors = UInt64(MessageChannel.mostDescriptors)
    common.maximumTransfer = UInt64(MessageChannel.longestTransfer)
    common.maximumMappings = min(offered.maximumMappings, Self.mostMappings)
    common.writesMultiple = offered.writesMultiple
    let text = common.text
    guard let body = reply(to: header, 4 + text.count) else { return }
    body.store(UInt32(0), 0)
    body.copy(from: text.span.bytes, to: 4)
  }

  // MARK: Regions

  /// The region of an access that lies inside of it.
  @inline(__always) private func check(_ access: RegionAccess) throws(VfioUserRefusal) {
    guard access.region < VfioUserIndex.regions, regionSizes[Int(access.region)] != 0 else { throw .badIndex }
    let size = regionSizes[Int(access.region)]
    guard access.offset <= size, UInt64(access.count) <= size &- access.offset, access.count > 0 else {
      throw .badRange
    }
  }

  private static func isRegisterWidth(_ count: UInt32) -> Bool { count <= 8 && count.nonzeroBitCount == 1 }

  private func read(_ access: RegionAccess, _ header: VfioUserHeader) throws(VfioUserRefusal) {
    try check(access)
    let count = Int(access.count)
    guard access.region < VfioUserIndex.rom else {
      guard count <= MessageChannel.longestTransfer else { throw .badRange }
      guard let body = reply(to: header, RegionAccess.byteCount + count) else { return }
      access.store(in: body)
      let data = body.slice(RegionAccess.byteCount, count)
      if access.region == VfioUserIndex.rom {
        if let rom = server.rom { data.copy(from: rom.window, at: Int(access.offset), count: count, to: 0) }
      } else {
        readConfiguration(Int(access.offset), into: data)
      }
      return
    }
    guard Self.isRegisterWidth(access.count) else { throw .badWidth }
    tally.count.registerReads &+= 1
    var value = UInt64.max
    if slot.decoded[Int(access.region)] > 0 {
      value = function.read(bar: Int(access.region), offset: Int(access.offset), size: count)
    } else {
      tally.count.unclaimedAccesses &+= 1
    }
    guard let body = reply(to: header, RegionAccess.byteCount + count) else { return }
    access.store(in: body)
    switch count {
    case 4: body.store(UInt32(truncatingIfNeeded: value), RegionAccess.byteCount)
    case 1: body.store(UInt8(truncatingIfNeeded: value), RegionAccess.byteCount)
    case 2: body.store(UInt16(truncatingIfNeeded: value), RegionAccess.byteCount)
    default: body.store(value, RegionAccess.byteCount)
    }
  }

  @inline(__always) private func checkWrite(_ access: RegionAccess) throws(VfioUserRefusal) {
    try check(access)
    if access.region < VfioUserIndex.rom {
      guard Self.isRegisterWidth(access.count) else { throw .badWidth }
    } else if access.region != VfioUserIndex.configuration {
      throw .readOnlyRegion
    }
  }

  /// A write that was checked.
  @inline(__always) private func write(_ access: RegionAccess, _ data: MemoryWindow) {
    guard access.region < VfioUserIndex.rom else { return writeConfiguration(Int(access.offset), data) }
    let value: UInt64
    switch access.count {
    case 4: value = UInt64(data.load(0, as: UInt32.self))
    case 1: value = UInt64(data.load(0, as: UInt8.self))
    case 2: value = UInt64(data.load(0, as: UInt16.self))
    default: value = data.load(0, as: UInt64.self)
    }
    tally.count.registerWrites &+= 1
    guard slot.decoded[Int(access.region)] > 0 else {
      tally.count.unclaimedAccesses &+= 1
      return
    }
    function.write(bar: Int(access.region), offset: Int(access.offset), size: Int(access.count), value: value)
  }

  /// REGION_WRITE_MULTI: in order, up to the first that is refused.
  private func write(_ records: MemoryWindow, _ header: VfioUserHeader) throws(VfioUserRefusal) {
    // The function may receive more while it acts on the first of them.
    let copy = Self.copy(records)
    defer { copy.baseAddress.deallocate() }
    for place in stride(from: 0, to: copy.count, by: RegionAccess.recordByteCount) {
      let access = RegionAccess(in: copy.slice(place, RegionAccess.byteCount))
      guard access.count <= 8 else { throw .badWidth }
      try checkWrite(access)
      write(access, copy.slice(place + RegionAccess.byteCount, Int(access.count)))
      if !header.wantsReply { tally.count.postedWrites &+= 1 }
    }
    reply(to: header, 8).map { $0.store(UInt64(copy.count / RegionAccess.recordByteCount), 0) }
  }

  private static func copy(_ bytes: MemoryWindow) -> MemoryWindow {
    let copy = MemoryWindow(.allocate(byteCount: max(bytes.count, 1), alignment: 16), count: bytes.count)
    copy.copy(from: bytes, at: 0, count: bytes.count, to: 0)
    return copy
  }

  // MARK: Configuration space

  /// The largest naturally aligned access of at most four bytes.
  private static func step(_ offset: Int, _ rest: Int) -> Int {
    offset & 3 == 0 && rest >= 4 ? 4 : offset & 1 == 0 && rest >= 2 ? 2 : 1
  }

  private func readConfiguration(_ start: Int, into data: MemoryWindow) {
    tally.count.configurationAccesses &+= 1
    var place = 0
    while place < data.count {
      let size = Self.step(start + place, data.count - place)
      let value = function.readConfiguration(start + place, size: size, as: slot, tap: server.tap)
      switch size {
      case 4: data.store(value, place)
      case 2: data.store(UInt16(truncatingIfNeeded: value), place)
      default: data.store(UInt8(truncatingIfNeeded: value), place)
      }
      place += size
    }
  }

  private func writeConfiguration(_ start: Int, _ bytes: MemoryWindow) {
    tally.count.configurationAccesses &+= 1
    let data = Self.copy(bytes)
    defer { data.baseAddress.deallocate() }
    var place = 0
    while place < data.count {
      let size = Self.step(start + place, data.count - place)
      let value =
        switch size {
        case 4: data.load(place, as: UInt32.self)
        case 2: UInt32(data.load(place, as: UInt16.self))
        default: UInt32(data.load(place, as: UInt8.self))
        }
      function.writeConfiguration(start + place, size: size, value: value, as: slot, tap: server.tap)
      place += size
    }
  }

  // MARK: Interrupts

  private func set(_ setting: InterruptSetting, _ value: Bool) throws(VfioUserRefusal) {
    guard setting.index < VfioUserIndex.interrupts else { throw .badIndex }
    let exists = setting.index == VfioUserIndex.intx && function.configuration.interruptPin != 0
    if setting.flags == [.none, .trigger], setting.start == 0, setting.count == 0 {
      if exists { slot.dropTrigger() }
      return
    }
    guard exists, setting.start == 0, setting.count == 1 else { throw .badInterruptSetting }
    guard setting.flags.contains(.eventfd) else {
      guard value else { return }
      switch setting.flags.intersection(.action) {
      case .mask: slot.mask()
      case .unmask: slot.unmask()
      default: slot.fireOnRequest()
      }
      return
    }
    // The kernel's vfio has no event for masking either.
    guard !setting.flags.contains(.mask) else { throw .badInterruptSetting }
    let descriptor = try takeDescriptor()
    if let descriptor { try Self.checkEventfd(descriptor) }
    switch (setting.flags.contains(.trigger), descriptor) {
    case (true, .some(let descriptor)): slot.setTrigger(descriptor)
    case (true, nil): slot.dropTrigger()
    case (false, .some(let descriptor)): try slot.setResample(descriptor)
    case (false, nil): slot.dropResample()
    }
  }

  /// The one descriptor that came with the command, if any.
  func takeDescriptor() throws(VfioUserRefusal) -> Int32? {
    guard hasDescriptors else { return nil }
    let descriptors = takeDescriptors()
    guard !descriptors.isEmpty else { return nil }
    guard descriptors.count <= 1, descriptors.first != -1 else {
      for descriptor in descriptors where descriptor >= 0 { close(descriptor) }
      throw .unexpectedDescriptor
    }
    return descriptors.first
  }

  /// Closes and refuses what is no eventfd, and makes sure that writing to one never blocks.
  private static func checkEventfd(_ descriptor: Int32) throws(VfioUserRefusal) {
    var target = [CChar](repeating: 0, count: 64)
    let length = readlink("/proc/self/fd/\(descriptor)", &target, target.count)
    let name = length > 0 ? String(decoding: target.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self) : ""
    let flags = fcntl(descriptor, F_GETFL)
    guard name == "anon_inode:[eventfd]", flags >= 0, fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0 else {
      close(descriptor)
      throw .badDescriptor
    }
  }
}
