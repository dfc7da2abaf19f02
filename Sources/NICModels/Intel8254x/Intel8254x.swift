import EventLoop
import Events
import IntelNIC
import Link
import Machine
import Memory
import Packets

/// An 82540EM or 82545EM: one port of Intel's PCI/PCI-X gigabit family, on the bus a ``PCIFunction``, on its cable a
/// ``WirePort``.
///
/// Source: "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual"; numbers of sections in the
/// comments are of that manual. The engines are in a file each: register access, control, EEPROM, PHY, interrupts,
/// transmit ring, frame assembly, segmentation, checksum insertion, receive ring, receive buffer, filters, receive
/// checksums, pause, wake-up and statistics.
///
/// Every register is stored at its own offset in `registers`, including those that reading clears, so that another
/// process can decode it without disturbing the device.
///
/// Deviations from the part: frames take no time on the wire; one that finds a descriptor passes the packet buffer
/// without a trace, and the transmit side has none, so that its FIFO registers are plain storage; thresholds that only
/// shape bus traffic (RXDCTL, TXDCTL) have no effect but TXD_LOW; with ``Options/lossless`` a frame for which the
/// packet buffer has no room stays with the wire instead of being lost.
public final class Intel8254x: PCIFunction, WirePort {
  /// How the model behaves where the part leaves a choice.
  public struct Options: Sendable {
    /// A frame that finds neither free descriptors nor room in the packet buffer stays with the wire until there is
    /// some. False: it is lost and counted in MPC, with an RXO interrupt, as in the part.
    public var lossless = true
    /// How long auto-negotiation takes.
    public var negotiation = TimeSpan.milliseconds(20)
    /// Frames and descriptors that one pass over the transmit ring handles before other work of the loop comes first.
    public var transmitBudget = 4096

    public init() {}
  }

  public let name: String
  public let controller: IntelController
  public let configuration: ConfigurationSpace
  /// The register file: 128 KiB.
  let registers: RegisterFile
  let options: Options
  let loop: any EventLoop
  let tap: EventTap
  let dispatch: RegisterDispatch

  /// The slot does not own its function.
  var slot: (any FunctionSlot)?
  var dma = DMASpace()
  var count = Intel8254xCounters()
  /// Apart from `count`: an array inside of it would cost every counter a run-time exclusivity check.
  private var guestErrors = GuestErrorCounts()
  var powerManagement = 0
  /// The PCI-X capability, if the part has one.
  var pciX: Int?
  /// In a power state of D1 or deeper neither ring works; wake-up filters do.
  var isSleeping = false

  /// The cable, or the lack of one. Set by ``plug(into:)``.
  var cable: any Wire = Unplugged()

  // Interrupts.
  var pinAsserted = false
  var lastInterrupt = Instant(nanoseconds: .min / 2)
  var timers: Timers?

  // EEPROM and PHY.
  var eeprom: MicrowireEEPROM
  var phy: PHY
  var ioAddress: UInt32 = 0

  // Transmit side.
  var isTransmitting = false
  /// Another number whenever the ring was set up anew or the device reset, which a guest may do from inside of a
  /// callback of the wire or the interrupt line: what is under way for the old ring ends.
  var transmitGeneration = 0
  /// TIDV or TADV runs.
  var isReportDelayed = false
  /// The wire refused a frame; ``wireIsReady()`` continues.
  var isStalled = false
  /// The wire said that it is ready while a frame was being given to it.
  var wasReadied = false
  /// The link partner's pause frame has not run out.
  var isPaused = false
  var assembly = TransmitAssembly()
  let scratch: FrameScratch

  // Receive side.
  var isReceiving = false
  /// A frame was left with the wire.
  var isHolding = false
  /// Frames that came while no descriptors were free.
  var receiveBuffer = ReceiveBuffer()
  /// Frames wait in ``receiveBuffer`` or with the wire.
  var isBehind = false
  /// Frames go from ``receiveBuffer`` to the ring.
  var isCatchingUp = false
  /// Pause frames that the filling of ``receiveBuffer`` asked for since it was low last.
  var pausesAsked = 0
  /// A pause frame that is to be sent as soon as the wire takes one.
  var pauseOwed: UInt16?
  var receiveSettings = ReceiveSettings()
  var receiveCursor: ReceiveCursor
  /// Frames go from the transmit side to the receive side instead of the wire.
  var isLooping = false
  let frameCheck = CRC32()

  /// A controller that is not plugged in yet.
  ///
  /// - Parameters:
  ///   - controller: 82540EM or 82545EM.
  ///   - address: the MAC address in the EEPROM.
  ///   - registers: 128 KiB for the register file; it outlives the model.
  ///   - name: for events.
  public init(
    _ controller: IntelController, address: MACAddress, loop: any EventLoop, tap: EventTap, registers: MemoryWindow,
    name: String, options: Options = Options()
  ) throws(MachineError) {
    precondition(controller.is8254x, "\(controller) is not of the 8254x family")
    precondition(registers.count >= Intel8254xBAR.memoryByteCount)
    precondition(address.rawValue != 0 && !address.isGroup)
    self.controller = controller
    self.loop = loop
    self.tap = tap
    self.registers = RegisterFile(registers)
    self.name = name
    self.options = options
    dispatch = .family8254x
    let large = controller == .i82545EM
    let bytes = (address[0], address[1], address[2], address[3], address[4], address[5])
    let words = large ? 256 : 64
    eeprom = MicrowireEEPROM(
      words: EEPROMLayout.image(address: bytes, controller: controller, words: words), addressBits: large ? 8 : 6)
    phy = PHY()
    scratch = FrameScratch()
    receiveCursor = ReceiveCursor(scratch.receive)
    configuration = ConfigurationSpace(
      vendor: IntelPCI.vendor, device: controller.rawValue, classCode: IntelPCI.classCode,
      revision: controller.revision, subsystemVendor: IntelPCI.vendor, subsystem: 0x001E, interruptPin: 1)
    try configuration.addBAR(
      Intel8254xBAR.memory, .memory32(prefetchable: false), byteCount: UInt64(Intel8254xBAR.memoryByteCount))
    try configuration.addBAR(Intel8254xBAR.io, .io, byteCount: UInt64(Intel8254xBAR.ioByteCount))
    // D0, D3hot and D3cold can signal PME (manual section 4.1.3.1).
    powerManagement = try configuration.addPowerManagement(pmeSupport: 0b11001, at: 0xDC)
    // The 82545EM sits in a slot of 64 bits and 133 MHz. Its MSI (at F0h) is left out: a slot has no way for a message.
    if large { pciX = try configuration.addPCIX(at: 0xE4) }
    configuration.set(0xFF, at: PCIRegister.minimumGrant, size: 1)
    timers = Timers(self)
    loadReset(bus: true)
  }

  // Work that is already queued must not find the model gone.
  deinit { timers?.cancelModeration() }

  /// What the model did so far.
  public var counters: Intel8254xCounters {
    var snapshot = count
    snapshot.guestErrors = guestErrors
    return snapshot
  }

  /// The words of the EEPROM as they are now.
  public var eepromWords: [UInt16] { eeprom.words }

  /// True if the MAC and the PHY have a link (STATUS.LU).
  public var isLinkUp: Bool { DeviceStatus(rawValue: load(Register.deviceStatus)).linkUp }

  /// Plugs a cable in (or, with nil, out). The wire is owned by this model, which becomes its port.
  public func plug(into wire: (any Wire)?) {
    if cable.port === self { cable.port = nil }
    cable = wire ?? Unplugged()
    cable.port = self
    isStalled = false
    isHolding = false
    isBehind = !receiveBuffer.isEmpty
    pauseOwed = nil
    carrierChanged()
  }

  // MARK: PCIFunction

  public func attached(to slot: any FunctionSlot) {
    self.slot = slot
    dma = slot.dma
    slot.setInterruptPin(pinAsserted)
  }

  public func reset() {
    loadReset(bus: true)
  }

  public func configurationWritten(offset: Int, size: Int) {
    // A configuration write tells a PCI-X device where it is.
    if let pciX, let place = slot?.address {
      let number = UInt32(place.bus) << 8 | UInt32(place.device) << 3 | UInt32(place.function)
      configuration.set(number, at: pciX + 4, size: 2)
    }
    // Bus mastering or the power state may have come back: go on with what waited for it.
    guard offset < PCIRegister.firstDeviceSpecific || offset >= powerManagement else { return }
    synchronizePowerManagement()
    transmit()
    catchUpReceiving()
  }

  // MARK: WirePort

  public func wireIsReady() {
    isStalled = false
    continueTransmit()
  }

  public func carrierChanged() {
    phy.hasCarrier = cable.hasCarrier
    negotiateAgain()
  }

  // MARK: Registers as storage

  @inline(__always) func load(_ offset: Int) -> UInt32 { registers.load(offset) }
  @inline(__always) func store(_ value: UInt32, _ offset: Int) { registers.store(value, offset) }

  /// Counts an error of the guest and tells the tap.
  @inline(never) func refuse(_ error: GuestError) {
    guestErrors[error] &+= 1
    if tap.isOn { tap.emit(.model, .note("\(name): guest error \(error)")) }
  }
}
