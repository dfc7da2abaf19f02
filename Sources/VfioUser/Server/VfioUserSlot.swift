import CLinux
import EventLoop
import Events
import Glibc
import Machine

/// The place of a served function: DMA reaches the client's memory, and the interrupt pin is an eventfd of the client.
///
/// INTx is a level, an eventfd an edge. As with the kernel's vfio-pci the interrupt masks itself when it fires, and the
/// client unmasks it when the interrupt was served; if the pin is still (or again) asserted then, it fires again.
/// Nothing is lost in between, whatever the order of the two.
public final class VfioUserSlot: FunctionSlot {
  public let address: PCIAddress
  public let dma = DMASpace()
  private let configuration: ConfigurationSpace
  private let loop: EpollLoop
  private let tap: EventTap
  private let name: String
  private var pin = InterruptPin()
  /// The eventfd that says that the interrupt fired; -1 without.
  private var trigger: Int32 = -1
  /// Fired, or masked by the client, and not unmasked since.
  private var isMasked = false
  /// What an interrupt would tell of cannot be written to the client's memory at present.
  private(set) var holdsInterrupts = false
  /// An eventfd by which the client (or KVM) unmasks.
  private var resample: DescriptorWatch?
  private var count = VfioUserInterruptCounters()
  /// Bytes of each base address register that the function answers to at present; 0 while it is not decoded.
  private(set) var decoded: InlineArray<7, UInt64> = .init(repeating: 0)

  init(_ configuration: ConfigurationSpace, at address: PCIAddress, on loop: EpollLoop, tap: EventTap, name: String) {
    self.configuration = configuration
    self.address = address
    self.loop = loop
    self.tap = tap
    self.name = name
  }

  deinit { disconnect() }

  /// What the pin did so far.
  public var counters: VfioUserInterruptCounters { count }
  /// The level that the client is told of.
  public var isInterruptDriven: Bool { pin.isDriving }

  public func setInterruptPin(_ asserted: Bool) {
    guard asserted != pin.isAsserted else { return }
    guard configuration.interruptPin != 0 else {
      count.withoutPin &+= 1
      return
    }
    if pin.set(asserted, in: configuration) { levelChanged() }
  }

  /// Makes everything follow the command register.
  func decodeChanged() {
    let masters = configuration.command.contains(.busMaster)
    if masters != dma.isMasterEnabled { dma.isMasterEnabled = masters }
    for bar in configuration.bars { decoded[bar.index] = configuration.isDecoding(bar) ? bar.byteCount : 0 }
    if pin.follow(configuration) { levelChanged() }
  }

  private func levelChanged() {
    if tap.isOn { tap.emit(.machine, .interrupt(line: "\(name) INTx", asserted: pin.isDriving, causes: 0)) }
    fireIfDue()
  }

  private func fireIfDue() {
    guard pin.isDriving, !isMasked, trigger >= 0, !holdsInterrupts else { return }
    isMasked = true
    // What the interrupt tells of comes before it.
    if dma.hasCopies { dma.flush() }
    signal()
  }

  /// Interrupts wait from here on.
  func holdInterrupts() { holdsInterrupts = true }

  /// Fires what has waited, if it is still due.
  func releaseInterrupts() {
    guard holdsInterrupts else { return }
    holdsInterrupts = false
    fireIfDue()
  }

  private func signal() {
    count.fired &+= 1
    var one: UInt64 = 1
    // A counter that is full says no less than one more would; the descriptor does not block.
    if write(trigger, &one, 8) != 8 { count.notTaken &+= 1 }
  }

  // MARK: What the client sets

  /// The eventfd to fire; owned from here on. Unmasks.
  func setTrigger(_ descriptor: Int32) {
    dropTrigger()
    trigger = descriptor
    isMasked = false
    fireIfDue()
  }

  /// No interrupt is delivered any more.
  func dropTrigger() {
    if trigger >= 0 { close(trigger) }
    trigger = -1
    isMasked = false
  }

  func mask() { isMasked = true }

  func unmask() {
    isMasked = false
    fireIfDue()
  }

  /// The client asks for an interrupt itself, as a test of the path.
  func fireOnRequest() {
    guard trigger >= 0, !configuration.command.contains(.interruptDisable) else { return }
    signal()
  }

  /// The eventfd that unmasks; owned from here on.
  func setResample(_ descriptor: Int32) throws(VfioUserRefusal) {
    dropResample()
    do {
      resample = try DescriptorWatch(on: loop, descriptor: descriptor, interest: .readable) { [weak self] _ in
        self?.resampled()
      }
    } catch {
      close(descriptor)
      throw .badDescriptor
    }
  }

  func dropResample() {
    guard let watch = resample else { return }
    resample = nil
    watch.cancel()
    close(watch.descriptor)
  }

  private func resampled() {
    guard let watch = resample else { return }
    var value: UInt64 = 0
    if read(watch.descriptor, &value, 8) == 8 {
      unmask()
    } else if errno != EAGAIN {
      dropResample()
    }
  }

  /// Bus reset: the client need not unmask what fired before.
  func reset() { isMasked = false }

  /// The client is gone.
  func disconnect() {
    dropTrigger()
    dropResample()
    holdsInterrupts = false
  }
}

public struct VfioUserInterruptCounters: Sendable, Equatable {
  /// Times the client was told of an asserted pin.
  public var fired: UInt64 = 0
  /// Times the client's eventfd was full, or is none any more.
  public var notTaken: UInt64 = 0
  /// Times a function without interrupt pin asserted one.
  public var withoutPin: UInt64 = 0
  public init() {}
}
