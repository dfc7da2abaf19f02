import CLinux
import EventLoop
import Events
import Glibc
import Machine
import Memory

/// A function that another program serves by the vfio-user protocol, as its driver sees it.
///
///     let function = try VfioUserClient(path: "nic.sock", on: loop, tap: tap, memoryByteCount: 64 << 20)
///     let driver = try DriverTable.standard.probe(function, on: loop, tap: tap)
///
/// A register read is a round trip that blocks the loop, like a read on a bus blocks a processor; writes to memory
/// registers are posted. DMA memory is shared with the server. The interrupt is an eventfd on the loop: the handler
/// runs, then the interrupt is unmasked, and comes again if the device still asserts it.
///
/// Nothing waits longer than 5 s (or ``patience``). A server that dies, goes silent or answers nonsense is done with:
/// reads give all ones from then on, writes do nothing, and ``failure`` says why.
///
/// The client outlives every DMA buffer that it gave out.
///
/// Source: QEMU, docs/interop/vfio-user.rst (protocol version 0.0).
public final class VfioUserClient: FunctionHandle {
  /// Where the device finds DMA memory. Not 0, so that a null buffer address is refused.
  public static let memoryBusAddress: UInt64 = 1 << 20

  public let path: String
  /// The longest that anything waits for the server.
  public let patience: TimeSpan
  public let address = PCIAddress(bus: 0, device: 0, function: 0)
  /// What the server says about its regions, by index.
  public private(set) var regions: [RegionInfo] = []
  /// Why the server is done with; nil as long as it works.
  public private(set) var failure: VfioUserError?
  /// Called on the loop when the server fails, once.
  public var onFailure: ((VfioUserError) -> Void)?
  let loop: EpollLoop
  let tap: EventTap
  let channel: MessageChannel
  var count = VfioUserClientCounters()
  private let memory: SharedMemory
  private let allocator: DMAAllocator
  private var watch: DescriptorWatch?
  /// Handles what came with a reply, once its reader is done.
  private var leftovers: DeferredWork?
  private var trigger: Int32 = -1
  private var triggerWatch: DescriptorWatch?
  private var handler: (() -> Void)?
  private var nextIdentifier: UInt16 = 0

  /// Connects to the server at `path`, agrees on the version, sets the function up as a bus scan does, and shares
  /// `memoryByteCount` bytes of memory with it.
  public init(
    path: String, on loop: EpollLoop, tap: EventTap, memoryByteCount: Int, patience: TimeSpan = .seconds(5)
  ) throws(VfioUserError) {
    self.path = path
    self.patience = patience
    self.loop = loop
    self.tap = tap
    do throws(SharedMemoryError) {
      memory = try SharedMemory(creating: "wirebench-dma", byteCount: (max(1, memoryByteCount) + 4095) & ~4095)
    } catch {
      throw .memory(error.description)
    }
    allocator = DMAAllocator(over: memory.window, at: Self.memoryBusAddress)
    channel = MessageChannel(try UnixSocket.connect(to: path), longestCommand: MessageChannel.longestReply)
    leftovers = DeferredWork(on: loop) { [weak self] in self?.handleCommands() }
    do throws(VfioUserError) {
      try negotiate()
      try discover()
      try shareMemory()
      try connectInterrupt()
      setUpFunction()
      if let failure { throw failure }
      try watchSocket()
    } catch {
      close()
      throw error
    }
  }

  deinit { close() }

  public var counters: VfioUserClientCounters { count }
  public var dmaCounters: DMAAllocatorCounters { allocator.counters }

  /// Ends the connection; the server resets the function. Nothing is reported any more.
  public func close() {
    leftovers?.cancel()
    watch?.cancel()
    watch = nil
    triggerWatch?.cancel()
    triggerWatch = nil
    handler = nil
    channel.close()
    if trigger >= 0 { Glibc.close(trigger) }
    trigger = -1
    if failure == nil { failure = .disconnected(path: path) }
  }

  // MARK: Beginning

  private func negotiate() throws(VfioUserError) {
    var capabilities = VfioUserCapabilities()
    capabilities.maximumDescriptors = UInt64(MessageChannel.mostDescriptors)
    capabilities.maximumTransfer = UInt64(MessageChannel.remoteTransfer)
    let text = capabilities.text
    let answer = try exchange(.version, 4 + text.count) { body in
      body.store(UInt32(0), 0)
      body.copy(from: text.span.bytes, to: 4)
    }
    guard answer.count >= 4, answer.load(0, as: UInt32.self) == 0 else {
      throw nonsense(.version, "it is not version 0.0 of the protocol")
    }
    do throws(VfioUserRefusal) {
      _ = try VfioUserCapabilities(parsing: answer.slice(4, answer.count - 4))
    } catch {
      throw nonsense(.version, "its capabilities cannot be read")
    }
  }

  private func discover() throws(VfioUserError) {
    let device: DeviceInfo = try ask(.deviceInfo, DeviceInfo())
    guard device.flags & DeviceInfo.isPCI != 0, device.regions > VfioUserIndex.configuration else {
      throw nonsense(.deviceInfo, "it is no PCI device")
    }
    for index in 0..<min(device.regions, VfioUserIndex.regions) {
      let region: RegionInfo = try ask(.regionInfo, RegionInfo(index: index))
      guard region.index == index else { throw nonsense(.regionInfo, "region \(region.index) for \(index)") }
      regions.append(region)
    }
    guard regions[Int(VfioUserIndex.configuration)].size >= 256 else {
      throw nonsense(.regionInfo, "configuration space is too short")
    }
  }

  private func shareMemory() throws(VfioUserError) {
    let mapping = DMAMapping(
      flags: DMAMapping.readable | DMAMapping.writable, offset: 0, address: Self.memoryBusAddress,
      size: UInt64(memory.window.count))
    _ = try exchange(.mapDMA, DMAMapping.byteCount, descriptors: [memory.descriptor]) { mapping.store(in: $0) }
  }

  /// Gives the server an eventfd for INTx, if the function has one.
  private func connectInterrupt() throws(VfioUserError) {
    let info: InterruptInfo = try ask(.interruptInfo, InterruptInfo(index: VfioUserIndex.intx))
    guard info.count > 0, info.flags & InterruptInfo.eventfd != 0 else { return }
    trigger = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    guard trigger >= 0 else { throw .socket(path: path, operation: "eventfd", code: errno) }
    let setting = InterruptSetting(flags: [.eventfd, .trigger], index: VfioUserIndex.intx, count: 1)
    _ = try exchange(.setInterrupts, InterruptSetting.byteCount, descriptors: [trigger]) { setting.store(in: $0) }
  }

  /// Sizes the base address registers, gives them addresses, and enables decoding: servers that follow their command
  /// register do not answer before. Bus mastering stays with the driver.
  private func setUpFunction() {
    var scan = PCIScan(
      read: { [unowned self] place, offset, size in
        place == address ? readConfiguration(offset, size: size) : UInt32.max >> UInt32(32 - 8 * size)
      },
      write: { [unowned self] place, offset, size, value in
        if place == address { writeConfiguration(offset, size: size, value: value) }
      })
    _ = scan.run()
  }

  private func watchSocket() throws(VfioUserError) {
    do throws(LoopError) {
      watch = try DescriptorWatch(on: loop, descriptor: channel.descriptor, interest: .readable) { [weak self] _ in
        self?.serverSpoke()
      }
    } catch {
      throw .loop(error.description)
    }
  }

  // MARK: FunctionHandle

  public func readConfiguration(_ offset: Int, size: Int) -> UInt32 {
    read(VfioUserIndex.configuration, offset, size)
  }

  public func writeConfiguration(_ offset: Int, size: Int, value: UInt32) {
    write(VfioUserIndex.configuration, offset, size, value, isPosted: false)
  }

  public func read32(bar: Int, offset: Int) -> UInt32 {
    read(UInt32(truncatingIfNeeded: bar), offset, 4)
  }

  /// Posted, but for I/O ports, whose writes have always waited.
  public func write32(bar: Int, offset: Int, value: UInt32) {
    write(UInt32(truncatingIfNeeded: bar), offset, 4, value, isPosted: !isIO(bar))
  }

  public func allocateDMA(byteCount: Int, alignment: Int) throws(MachineError) -> DMABuffer {
    try allocator.allocate(byteCount: byteCount, alignment: alignment)
  }

  /// Gives a buffer back; one that is not in use is refused and counted by the allocator.
  public func freeDMA(_ buffer: DMABuffer) { try? allocator.release(buffer) }

  /// A function without interrupt never calls the handler.
  public func setInterruptHandler(_ handler: (() -> Void)?) {
    self.handler = handler
    guard trigger >= 0 else { return }
    do throws(LoopError) {
      if triggerWatch == nil, handler != nil {
        triggerWatch = try DescriptorWatch(on: loop, descriptor: trigger, interest: []) { [weak self] _ in
          self?.interrupted()
        }
      }
      try triggerWatch?.setInterest(handler == nil ? [] : .readable)
    } catch {
      fail(.loop(error.description))
    }
  }

  private func interrupted() {
    var times: UInt64 = 0
    guard Glibc.read(trigger, &times, 8) == 8 else { return }
    count.interrupts &+= 1
    handler?()
    let setting = InterruptSetting(flags: [.none, .unmask], index: VfioUserIndex.intx, count: 1)
    post(.setInterrupts, InterruptSetting.byteCount) { setting.store(in: $0) }
  }

  // MARK: Regions

  private lazy var ioRegisters: UInt8 = {
    var mask: UInt8 = 0
    for bar in 0..<6 where readConfiguration(PCIRegister.baseAddress0 + 4 * bar, size: 1) & 1 == 1 { mask |= 1 << bar }
    return mask
  }()

  private func isIO(_ bar: Int) -> Bool { bar >= 0 && bar < 6 && ioRegisters & 1 << UInt8(bar) != 0 }

  private func read(_ region: UInt32, _ offset: Int, _ size: Int) -> UInt32 {
    let ones = UInt32.max >> UInt32(32 - 8 * size)
    guard failure == nil else { return ones }
    count.reads &+= 1
    let access = RegionAccess(region: region, offset: UInt64(bitPattern: Int64(offset)), count: UInt32(size))
    do throws(VfioUserError) {
      let answer = try exchange(.readRegion, RegionAccess.byteCount) { access.store(in: $0) }
      guard answer.count == RegionAccess.byteCount + size, RegionAccess(in: answer) == access else {
        throw nonsense(.readRegion, "\(answer.count) bytes instead of \(RegionAccess.byteCount + size)")
      }
      switch size {
      case 4: return answer.load(RegionAccess.byteCount)
      case 2: return UInt32(answer.load(RegionAccess.byteCount, as: UInt16.self))
      default: return UInt32(answer.load(RegionAccess.byteCount, as: UInt8.self))
      }
    } catch .refused {
      count.refusals &+= 1
    } catch {
      fail(error)
    }
    return ones
  }

  private func write(_ region: UInt32, _ offset: Int, _ size: Int, _ value: UInt32, isPosted: Bool) {
    guard failure == nil else { return }
    count.writes &+= 1
    let access = RegionAccess(region: region, offset: UInt64(bitPattern: Int64(offset)), count: UInt32(size))
    let length = RegionAccess.byteCount + size
    if isPosted { return post(.writeRegion, length) { Self.put(access, value, in: $0) } }
    do throws(VfioUserError) {
      _ = try exchange(.writeRegion, length) { Self.put(access, value, in: $0) }
    } catch .refused {
      count.refusals &+= 1
    } catch {
      fail(error)
    }
  }

  private static func put(_ access: RegionAccess, _ value: UInt32, in body: MemoryWindow) {
    access.store(in: body)
    switch access.count {
    case 4: body.store(value, RegionAccess.byteCount)
    case 2: body.store(UInt16(truncatingIfNeeded: value), RegionAccess.byteCount)
    default: body.store(UInt8(truncatingIfNeeded: value), RegionAccess.byteCount)
    }
  }

  // MARK: Messages

  func scheduleListening() { leftovers?.schedule() }

  func takeIdentifier() -> UInt16 {
    nextIdentifier &+= 1
    return nextIdentifier
  }

  private func ask<T: VfioUserPayload>(_ command: VfioUserCommand, _ question: T) throws(VfioUserError) -> T {
    let answer = try exchange(command, T.byteCount) { question.store(in: $0) }
    guard answer.count >= T.byteCount else { throw nonsense(command, "only \(answer.count) bytes") }
    return T(in: answer)
  }

  func nonsense(_ command: VfioUserCommand, _ reason: String) -> VfioUserError {
    .badAnswer(path: path, command: command, reason: reason)
  }

  /// Memory at `count` bytes from bus address `start`, if the server may reach all of it.
  func sharedMemory(_ start: UInt64, _ count: UInt64) -> MemoryWindow? {
    let offset = start &- Self.memoryBusAddress
    let size = UInt64(memory.window.count)
    guard offset <= size, count <= size - offset else { return nil }
    return memory.window.slice(Int(offset), Int(count))
  }

  /// The server is done with.
  func fail(_ error: VfioUserError) {
    guard failure == nil else { return }
    failure = error
    count.failures &+= 1
    leftovers?.cancel()
    watch?.cancel()
    watch = nil
    triggerWatch?.cancel()
    triggerWatch = nil
    channel.close()
    if tap.isOn { tap.emit(.machine, .note(error.description)) }
    onFailure?(error)
  }
}

/// What a client did so far.
public struct VfioUserClientCounters: Sendable, Equatable {
  public var reads: UInt64 = 0
  public var writes: UInt64 = 0
  /// Accesses that the server refused: reads of all ones, writes to nowhere.
  public var refusals: UInt64 = 0
  /// Times the interrupt handler ran.
  public var interrupts: UInt64 = 0
  /// Commands of the server that were answered (DMA_READ, DMA_WRITE), and those that were refused.
  public var served: UInt64 = 0
  public var refusedCommands: UInt64 = 0
  /// 1 once the server is done with.
  public var failures: UInt64 = 0
  public init() {}
}
