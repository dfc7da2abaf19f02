import EventLoop
import Events
import IntelNIC
import Link
import Machine
import Packets

/// The driver of Intel's 8254x gigabit controllers ("PCI/PCI-X Family of Gigabit Ethernet Controllers Software
/// Developer's Manual"): from a PCI function to a ``NetworkDevice``.
///
/// Made (probed), it has reset the device and read its station address; ``start()`` gives it rings and buffers in DMA
/// memory, lets it receive and send, and connects the interrupt; ``stop()`` takes everything back. It can be started
/// again.
///
/// Everything runs on the loop: the interrupt handler reads the cause and masks, ``receivePass`` does the work with a
/// budget (see `E1000Driver+Interrupts.swift` for why no wake-up is lost), and the client submits from wherever it
/// likes on the same thread. What the device writes into descriptors is checked and counted, never trusted.
public final class E1000Driver {
  /// Where the driver stands.
  public enum State: Sendable, Equatable {
    case stopped, running
    /// The registers read all ones. ``E1000Driver/stop()`` gives the memory back, ``E1000Driver/start()`` tries again.
    case gone
  }

  public let configuration: E1000Configuration
  /// `enp<bus>s<device>f<function>`. systemd leaves out the function where a slot has only one; here it always
  /// stands, so that a name does not change when a neighbour appears.
  public let name: String
  /// What the EEPROM says, until a ``ReceiveFilter`` says something else.
  public var hardwareAddress: MACAddress { filter.station }
  public var state: State { currentState }
  public var isLinkUp: Bool { linkIsUp }
  public var mtu: Int { sizes.mtu }
  public weak var client: (any NetworkDeviceClient)?
  /// The PHY's identifier registers, once the driver was started.
  public internal(set) var phyIdentifier: UInt32 = 0

  // Properties that other modules could see would be checked for exclusive access each time: these are not public.
  var currentState: State = .stopped
  var linkIsUp = false
  let registers: E1000Registers
  let loop: any EventLoop
  let tap: EventTap
  var sizes: FrameSizes
  var memory: DMAPieces
  var receiveRing = ReceiveRing()
  let transmitRing = TransmitRing()
  /// Number of the current start; every stop makes a new one, so that what came before is known as stale.
  var generation = 1
  var counted = E1000Counters()
  var accumulated = DeviceStatistics()

  /// Causes that were read and wait for the pass.
  var pendingCauses: InterruptCauses = []
  /// Our causes are masked: the pass is running or will run.
  var isMasked = false
  /// A reservation failed, and the client has not been told of free buffers since; and there are some.
  var isTransmitWanted = false
  var isTransmitFreed = false
  /// Interrupts and passes in a row that found nothing to do.
  var idleRuns = 0
  var stormPause = TimeSpan.zero
  var filter: ReceiveFilter
  var settings: E1000Settings
  /// The stopped device looks for frames that wake.
  var isWakeUpArmed = false
  /// Errors that the PHY has counted, as far as they were read.
  var phyErrors = (idle: 0 as UInt32, receive: 0 as UInt32)
  var groups = GroupFilter()
  var receivePass: DeferredWork!
  var stormTimer: LoopTimer!

  /// Enables the function's memory space, resets the device and reads its station address.
  ///
  /// - Throws: ``DriverError``, before anything was allocated.
  public init(
    _ function: any FunctionHandle, on loop: any EventLoop, tap: EventTap,
    configuration: E1000Configuration = E1000Configuration()
  ) throws(DriverError) {
    try configuration.validate()
    self.configuration = configuration
    settings = E1000Settings(configuration)
    self.loop = loop
    self.tap = tap
    let address = function.address
    name = "enp\(address.bus)s\(address.device)f\(address.function)"
    registers = E1000Registers(function: function, pollLimit: configuration.pollLimit)
    memory = DMAPieces(function)
    sizes = FrameSizes(mtu: 1500, configuration: configuration)
    function.command = function.command.union(.memorySpace).subtracting(.busMaster)
    try registers.reset()
    filter = ReceiveFilter(station: try registers.readHardwareAddress())
    receivePass = DeferredWork(on: loop) { [unowned self] in runReceivePass() }
    stormTimer = LoopTimer(on: loop) { [unowned self] in stormIsOver() }
  }

  deinit {
    receivePass?.cancel()
    stop()
  }

  /// What the driver did and met so far.
  public var counters: E1000Counters { counted }

  /// DMA memory in use, in bytes: 0 while stopped.
  public var dmaByteCount: Int { memory.byteCount }

  /// Frames submitted and not yet completed.
  public var framesInFlight: Int { transmitRing.inFlight }
}

extension E1000Driver: NetworkDevice {
  public var features: DeviceFeatures { settings.features }
}
