import EventLoop
import Events
import Glibc
import Machine
import Memory

/// A QEMU without a guest, whose devices are ours to drive: a `pc` machine with a network controller (QEMU's own
/// e1000), its cable in QEMU's user network. No instruction of a guest runs; configuration space, registers and
/// interrupts are reached by qtest, and guest memory is shared with QEMU.
///
///     let qemu = try QEMUInstallation.find(requiring: ["e1000"])
///     let machine = try QTestMachine(qemu, on: loop, tap: tap)
///     for device in machine.devices where table.entry(vendor: device.vendorID, device: device.deviceID) != nil {
///       guard let function = machine.handle(at: device.address) else { continue }
///       let driver = try table.probe(function, on: loop, tap: tap)
///       let stack = NetworkStack(on: loop, tap: tap)
///       stack.attach(driver).add(IPv4Subnet("10.0.2.15/24")!)
///       try driver.start()        // the link is up at once; 10.0.2.2 answers ARP and ping
///     }
///     …
///     driver.stop()
///     await machine.close()
///
/// Bus addresses are guest physical addresses; buffers lie above 1 MiB. The machine must outlive the buffers that its
/// handles gave out; handles keep it. If QEMU ends or answers no longer, registers read all ones, as of a card that was
/// pulled out, and ``onFailure`` is called.
public final class QTestMachine {
  /// Interrupt lines behind PIRQA to PIRQD, as the ISA bridge is told to route them: lines that no other device has.
  static let routing: [UInt8] = [10, 11, 5, 7]
  /// Where buffers begin: below lie the areas of the BIOS and of old graphics cards.
  static let firstBusAddress = 1 << 20
  /// The function that routes interrupts: 82371SB (PIIX3) ISA bridge, PIRQRC[A:D] at 60h to 63h.
  private static let bridge = PCIAddress(bus: 0, device: 1, function: 0)
  private static let routeControl = 0x60

  public let process: QEMUProcess
  public let connection: QTestConnection
  /// What the bus scan found.
  public let scan: PCIScanResult
  public let allocator: DMAAllocator
  public let interrupts: InterruptController
  /// Called once on the loop when QEMU has ended or the connection to it has failed; not after ``close()``.
  public var onFailure: ((QEMUError) -> Void)?

  private let memory: SharedMemory
  private let loop: EpollLoop
  private let tap: EventTap
  private let options: Options
  private let configuration: QTestConfiguration
  /// The lines that QEMU holds up.
  private var asserted: Set<Int> = []
  private var clockTimer: LoopTimer?
  private var clockTime = Instant.zero
  private var isClosed = false
  private var endSeen = false

  /// Starts QEMU, connects to it and scans its bus; blocks meanwhile, 0.2 s as a rule.
  ///
  /// - Throws: ``QEMUError``. What QEMU says about options that it does not like is in
  ///   ``QEMUError/ended(_:diagnostics:)``.
  public init(
    _ qemu: QEMUInstallation, on loop: EpollLoop, tap: EventTap, options: Options = Options()
  ) throws(QEMUError) {
    self.loop = loop
    self.tap = tap
    self.options = options
    let folder = try PrivateFolder()
    try folder.write(QTestArguments.haltingFirmware, to: "halt.bin")
    let arguments = try QTestArguments(options, accelerators: qemu.accelerators, firmware: folder.file("halt.bin"))
    do throws(SharedMemoryError) {
      memory = try SharedMemory(creating: "wirebench-qtest", byteCount: options.memoryByteCount)
    } catch {
      throw .system(operation: error.operation, subject: error.subject, code: error.code)
    }
    let ends = try makeSocketPair()
    do {
      defer { Glibc.close(ends.theirs) }
      process = try QEMUProcess(
        qemu.path, arguments.list, streams: .captured, passing: [memory.descriptor, ends.theirs], keeping: folder,
        on: loop)
    } catch {
      Glibc.close(ends.ours)
      throw error
    }
    connection = try QTestConnection(descriptor: ends.ours, on: loop, limit: options.limit)
    configuration = QTestConfiguration(connection)
    interrupts = InterruptController(on: loop, tap: tap)
    let start = Self.firstBusAddress
    allocator = DMAAllocator(
      over: memory.window.slice(start, options.memoryByteCount - start), at: UInt64(start))
    do throws(QEMUError) {
      scan = try Self.setUp(connection, configuration)
    } catch {
      throw Self.explain(error, process)
    }
    observe(isClockOurs: arguments.accelerator == "qtest")
  }

  deinit {
    for line in asserted { interrupts.line(line).release() }
  }

  /// What is on the bus.
  public var devices: [PCIDevice] { scan.devices }

  /// Why there is no machine any longer; nil while there is.
  public var failure: QEMUError? { connection.failure }

  /// A driver's handle on the function at `address`, nil if none is there.
  public func handle(at address: PCIAddress) -> (any FunctionHandle)? {
    guard let device = scan.devices.first(where: { $0.address == address }) else { return nil }
    return QTestFunction(device, of: self, connection, configuration)
  }

  /// The handle on the network controller that the machine was made for; nil if it is not where it should be.
  public var networkController: (any FunctionHandle)? {
    handle(at: PCIAddress(bus: 0, device: options.slot, function: 0))
  }

  // MARK: Setting up

  /// Routes interrupts, has them reported, and scans the bus.
  private static func setUp(
    _ connection: QTestConnection, _ configuration: QTestConfiguration
  ) throws(QEMUError) -> PCIScanResult {
    try connection.command("irq_intercept_in ioapic")
    for (pin, line) in routing.enumerated() {
      configuration.write(bridge, routeControl + pin, 1, UInt32(line))
    }
    var windows = PCIScan.Windows()
    // The PIIX takes the pin after the one of the device's number: INTA# of device 1 is PIRQA.
    windows.interruptLines = (0..<4).map { Int(routing[($0 + 3) % 4]) }
    var scan = PCIScan(windows: windows, read: configuration.read, write: configuration.write)
    let result = scan.run()
    try connection.settle()
    return result
  }

  /// QEMU's own words, where it ended instead of answering.
  private static func explain(_ error: QEMUError, _ process: QEMUProcess) -> QEMUError {
    guard error == .disconnected, let outcome = process.takeNotice(within: .seconds(1)) else { return error }
    let lines = process.diagnostics?.lastLines(3) ?? []
    return .ended(outcome, diagnostics: lines.joined(separator: "; "))
  }

  private func observe(isClockOurs: Bool) {
    connection.onInterrupt = { [unowned self] line, isAsserted in interruptChanged(line, isAsserted) }
    connection.onFailure = { [unowned self] error in failed(error) }
    process.onEnd = { [unowned self] outcome in
      failed(.ended(outcome, diagnostics: process.diagnostics?.lastLines(3).joined(separator: "; ") ?? ""))
    }
    guard isClockOurs else { return }
    clockTime = loop.now
    clockTimer = LoopTimer(on: loop) { [unowned self] in stepClock() }
    clockTimer?.arm(at: loop.now + .milliseconds(1))
  }

  /// Tells QEMU how much time has passed.
  private func stepClock() {
    let passed = loop.now - clockTime
    clockTime = loop.now
    guard connection.failure == nil else { return }
    try? connection.post("clock_step \(max(1, passed.nanoseconds))")
    clockTimer?.arm(at: loop.now + .milliseconds(1))
  }

  // MARK: What comes from QEMU

  private func interruptChanged(_ number: Int, _ isAsserted: Bool) {
    // The lines of the processor's own devices are in the same controller, beyond what the bridge routes.
    guard Self.routing.contains(where: { $0 == number }), asserted.contains(number) != isAsserted else { return }
    if isAsserted {
      asserted.insert(number)
      interrupts.line(number).raise()
    } else {
      asserted.remove(number)
      interrupts.line(number).release()
    }
  }

  private func failed(_ error: QEMUError) {
    guard !endSeen, !isClosed else { return }
    endSeen = true
    let reason = Self.explain(error, process)
    if tap.isOn { tap.emit(.machine, .note("\(reason)")) }
    onFailure?(reason)
  }

  // MARK: The end

  private func disconnect() {
    isClosed = true
    clockTimer?.cancel()
    process.onEnd = nil
    connection.close()
  }

  /// Ends QEMU. Registers read all ones from here on.
  public func close() async {
    disconnect()
    await process.end()
  }

  /// The same where nothing can be awaited: blocks for up to 3 s, 10 ms as a rule.
  public func closeNow() {
    disconnect()
    process.endNow()
  }
}
