import EventLoop
import Events
import Glibc
import Machine
import Memory

/// Serves one PCI function to other programs by the vfio-user protocol: to a QEMU with `-device vfio-user-pci`, to a
/// ``VfioUserClient``, to one at a time, on a Unix socket.
///
/// Everything runs on the loop. A second client waits in the socket's backlog until the first is gone. When a client
/// goes, however it goes, its memory is unmapped, its descriptors are closed and the function is reset as by RST#, and
/// the next one finds it as new.
///
///     let server = try VfioUserServer(model, on: loop, tap: tap, path: "nic.sock", name: "nic")
///
/// Close the server outside of calls of its function.
///
/// Source: QEMU, docs/interop/vfio-user.rst (protocol version 0.0).
public final class VfioUserServer {
  public let path: String
  public let name: String
  public let slot: VfioUserSlot
  /// Called on the loop after a client has come (true) or gone (false).
  public var onConnectionChange: ((Bool) -> Void)?
  let function: any PCIFunction
  let loop: EpollLoop
  let tap: EventTap
  let rom: ExpansionROM?
  /// The longest that a client is waited for when the function wants memory that the client does not share.
  let patience: TimeSpan
  /// How long nobody is accepted after the system had no descriptor left.
  private static let pause = TimeSpan.milliseconds(250)
  private var listener: DescriptorWatch?
  private var resumption: LoopTimer?
  private let identity: (device: UInt64, inode: UInt64)?
  private var connection: ServerConnection?
  let tally = ServerTally()

  /// Listens at `path`.
  ///
  /// - Parameters:
  ///   - function: on no bus. Its configuration space settles where it is, if
  ///     ``Machine/Machine/expose(_:at:name:registers:)`` has not settled it in a machine's memory before.
  ///   - address: how events name the function.
  ///   - expansionROM: the function must have an expansion ROM register of this size, or not be settled yet.
  ///   - patience: the longest that the loop stands still for a client that does not share its memory.
  /// - Throws: ``VfioUserError`` if another server listens at `path`, something else than a socket is there, or the ROM
  ///   does not fit.
  public init(
    _ function: any PCIFunction, on loop: EpollLoop, tap: EventTap, path: String, name: String,
    address: PCIAddress = PCIAddress(bus: 0, device: 0, function: 0), expansionROM: ExpansionROM? = nil,
    patience: TimeSpan = .seconds(5)
  ) throws(VfioUserError) {
    let configuration = function.configuration
    if let expansionROM { try Self.fit(expansionROM, into: configuration) }
    let descriptor = try UnixSocket.listen(at: path)
    identity = UnixSocket.identity(of: path)
    self.function = function
    self.loop = loop
    self.tap = tap
    self.path = path
    self.name = name
    rom = expansionROM
    self.patience = patience
    if !configuration.isSettled { configuration.settle() }
    slot = VfioUserSlot(configuration, at: address, on: loop, tap: tap, name: name)
    do throws(LoopError) {
      listener = try DescriptorWatch(on: loop, descriptor: descriptor, interest: .readable) { [weak self] _ in
        self?.accept()
      }
    } catch {
      Glibc.close(descriptor)
      unlink(path)
      throw .loop(error.description)
    }
    resumption = LoopTimer(on: loop) { [weak self] in self?.listen() }
    let before = configuration.decodeChanged
    configuration.decodeChanged = { [weak slot] in
      before?()
      slot?.decodeChanged()
    }
    slot.decodeChanged()
    function.attached(to: slot)
  }

  deinit { close() }

  private static func fit(_ rom: ExpansionROM, into configuration: ConfigurationSpace) throws(VfioUserError) {
    do throws(MachineError) {
      if configuration.bar(BaseAddressRegister.romIndex) == nil {
        try configuration.addExpansionROM(byteCount: rom.byteCount)
      }
    } catch {
      throw .badExpansionROM(reason: error.description)
    }
    guard configuration.bar(BaseAddressRegister.romIndex)?.byteCount == rom.byteCount else {
      throw .badExpansionROM(reason: "the function's register is not of \(rom.byteCount) bytes")
    }
  }

  public var isConnected: Bool { connection != nil }

  public var counters: VfioUserServerCounters {
    var snapshot = tally.count
    snapshot.refusals = tally.refusals
    snapshot.interrupts = slot.counters
    return snapshot
  }

  /// DMA mappings of the client at present.
  public var mappingCount: Int { connection?.mappingCount ?? 0 }

  /// Ends the connection, if there is one, and takes the socket away.
  public func close() {
    if let watch = listener {
      listener = nil
      resumption?.cancel()
      watch.cancel()
      Glibc.close(watch.descriptor)
      // Another server may have taken the place.
      if let identity, let now = UnixSocket.identity(of: path), now == identity { unlink(path) }
    }
    connection?.end()
    connectionEnded(nil)
  }

  private func accept() {
    guard connection == nil, let watch = listener else { return }
    let descriptor = Glibc.accept(watch.descriptor, nil, nil)
    guard descriptor >= 0 else {
      // The client may have gone again.
      if errno != EAGAIN, errno != EINTR, errno != ECONNABORTED { pauseListening(watch, errno) }
      return
    }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    do throws(LoopError) {
      connection = try ServerConnection(descriptor, of: self)
      try watch.setInterest([])
    } catch {
      connection = nil
      return note("a client was turned away: \(error)")
    }
    tally.count.connections &+= 1
    note("client connected")
    onConnectionChange?(true)
  }

  /// Without descriptors the client that waits would wake the loop for ever.
  private func pauseListening(_ watch: DescriptorWatch, _ code: Int32) {
    try? watch.setInterest([])
    resumption?.arm(at: loop.now + Self.pause)
    note("a client has to wait: \(String(cString: strerror(code)))")
  }

  private func listen() {
    guard connection == nil, let listener else { return }
    try? listener.setInterest(.readable)
  }

  /// The client is gone, and nothing of it is left.
  func connectionEnded(_ reason: String?) {
    guard connection != nil else { return }
    connection = nil
    tally.count.disconnections &+= 1
    note(reason.map { "client gone: \($0)" } ?? "client gone")
    listen()
    onConnectionChange?(false)
  }

  func refuse(_ refusal: VfioUserRefusal, _ header: VfioUserHeader) {
    tally.refusals[refusal] &+= 1
    if tap.isOn { note("refused command \(header.command): \(refusal)") }
  }

  private func note(_ text: String) {
    if tap.isOn { tap.emit(.machine, .note("\(name): \(text)")) }
  }
}
