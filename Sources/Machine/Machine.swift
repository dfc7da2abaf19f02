import EventLoop
import Events
import Glibc
import Memory

/// One box: shared memory with a documented layout (``MachineImage`` reads it from another process), guest memory, the
/// PCI buses with a host bridge at 00:00.0, and interrupt lines.
///
///     let machine = try Machine(on: loop, tap: tap)
///     let registers = try machine.makeRegisterFile(byteCount: 128 << 10)
///     let nic = SomeNIC(registers: registers.window)
///     try machine.plug(nic, at: PCIAddress(bus: 0, device: 3, function: 0), name: "nic", registers: [0: registers])
///     let scan = machine.enumerate()
///     let handle = machine.handle(at: PCIAddress(bus: 0, device: 3, function: 0))
///
/// The machine outlives every function, handle and buffer that it gave out.
public final class Machine {
  public struct Options: Sendable {
    /// Bytes of guest memory, a multiple of 4096. Untouched pages take no memory of the host.
    public var memoryByteCount = 64 << 20
    /// Where devices find guest memory. Not 0, so that a null buffer address is refused.
    public var memoryBusAddress: UInt64 = 1 << 20
    /// A file to put the machine on; nil for an anonymous one, which another process finds by this process's id.
    public var path: String?
    public init() {}
  }

  /// The name of the anonymous file, as `/proc/PID/fd` shows it.
  public static let sharedMemoryName = "wirebench-machine"

  public let sharedMemory: SharedMemory
  /// Guest memory.
  public let memory: MemoryWindow
  public let allocator: DMAAllocator
  public let interrupts: InterruptController
  public let bus: PCIBus
  private let table: MachineTable

  public init(on loop: any EventLoop, tap: EventTap, options: Options = Options()) throws(MachineError) {
    let size = options.memoryByteCount
    guard size > 0, size % 4096 == 0, size <= 1 << 36, options.memoryBusAddress % 4096 == 0,
      options.memoryBusAddress <= .max - UInt64(size)
    else { throw .sharedMemory("\(size) bytes of guest memory: not whole pages, or more than 64 GiB") }
    let file = try Self.makeFile(path: options.path, byteCount: MachineLayout.memoryOffset + size)
    sharedMemory = file
    let ram = file.window.slice(MachineLayout.memoryOffset, size)
    memory = ram
    table = MachineTable(in: file)
    allocator = DMAAllocator(over: ram, at: options.memoryBusAddress)
    interrupts = InterruptController(on: loop, tap: tap)
    let start = options.memoryBusAddress
    bus = PCIBus(memory: file, table: table, interrupts: interrupts, tap: tap) { space throws(MachineError) in
      try space.map(ram, at: start)
    }
    _ = try table.add(
      .memory, function: 0, busAddress: start, offset: MachineLayout.memoryOffset, byteCount: UInt64(size),
      name: "guest memory")
    try bus.plug(HostBridge(), device: 0, function: 0, behind: nil, name: "host bridge", registers: [:])
  }

  /// Memory for the registers behind a BAR, seen by whoever reads the machine.
  public func makeRegisterFile(byteCount: Int) throws(MachineError) -> RegisterFile {
    let (offset, window) = try table.takeRegisters(byteCount: byteCount)
    return RegisterFile(window: window, offset: offset)
  }

  /// Puts `function` at a device and function number of the root bus, or of the bus behind `bridge` (the address's bus
  /// number does not matter: software assigns it).
  ///
  /// - Parameters:
  ///   - name: what the machine's table calls it.
  ///   - registers: the register files behind its BARs, by index.
  /// - Throws: ``MachineError`` if the place is taken or the table is full.
  @discardableResult
  public func plug(
    _ function: any PCIFunction, at address: PCIAddress, behind bridge: PCIBridge? = nil, name: String,
    registers: [Int: RegisterFile] = [:]
  ) throws(MachineError) -> BusSlot {
    try bus.plug(
      function, device: address.device, function: address.function, behind: bridge, name: name, registers: registers)
  }

  /// Shows `function`, which is served to another machine and not plugged into this one, to whoever reads this
  /// machine's memory, as if it were at `address` of bus 0. Neither a scan nor a driver of this machine sees it.
  ///
  /// - Throws: ``MachineError`` if the place is taken, the function is plugged in already, or the table is full.
  public func expose(
    _ function: any PCIFunction, at address: PCIAddress, name: String, registers: [Int: RegisterFile] = [:]
  ) throws(MachineError) {
    try bus.expose(function, at: address, name: name, registers: registers)
  }

  /// A driver's handle on the function at `address`, nil if none is there.
  public func handle(at address: PCIAddress) -> LocalFunction? {
    bus.slot(at: address).map { LocalFunction($0, on: bus, allocator: allocator) }
  }

  /// Finds and sets up every function, as firmware and kernel do at boot; bus mastering stays with the drivers.
  @discardableResult
  public func enumerate(_ windows: PCIScan.Windows = .init()) -> PCIScanResult { bus.enumerate(windows) }

  /// What is plugged in, as it is set up at present; disturbs nothing.
  public var devices: [PCIDevice] { bus.devices }

  /// Resets every function on every bus.
  public func reset() { bus.reset() }

  private static func makeFile(path: String?, byteCount: Int) throws(MachineError) -> SharedMemory {
    do throws(SharedMemoryError) {
      guard let path else { return try SharedMemory(creating: sharedMemoryName, byteCount: byteCount) }
      try makeRoom(at: path)
      let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
      guard descriptor >= 0 else { throw SharedMemoryError(operation: "create", subject: path, code: errno) }
      guard ftruncate(descriptor, byteCount) == 0 else {
        let code = errno
        close(descriptor)
        throw SharedMemoryError(operation: "ftruncate", subject: path, code: code)
      }
      return try SharedMemory(mapping: descriptor, byteCount: byteCount, offset: 0, writable: true, subject: path)
    } catch {
      throw .sharedMemory(error.description)
    }
  }

  /// Removes an older machine's file (a bench that still has it mapped keeps it); refuses to touch any other file.
  private static func makeRoom(at path: String) throws(SharedMemoryError) {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    guard descriptor >= 0 else {
      if errno == ENOENT { return }
      throw SharedMemoryError(operation: "open", subject: path, code: errno)
    }
    defer { close(descriptor) }
    var magic: UInt64 = 0
    let length = unsafe withUnsafeMutableBytes(of: &magic) { unsafe pread(descriptor, $0.baseAddress!, 8, 0) }
    guard length == 8, magic == MachineLayout.magic else {
      throw SharedMemoryError(operation: "replace (it is not a machine's file)", subject: path, code: EEXIST)
    }
    _ = unsafe unlink(path)
  }
}

/// Memory behind a BAR: plain registers, each at its own offset, in the machine's shared memory.
public struct RegisterFile: Sendable {
  public let window: MemoryWindow
  let offset: Int
}
