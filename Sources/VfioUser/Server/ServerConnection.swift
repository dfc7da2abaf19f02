import EventLoop
import Glibc
import Machine
import Memory

/// One client of a server, from its connection to its end.
final class ServerConnection {
  /// DMA mappings that a client may have at one time.
  static let mostMappings: UInt64 = 4096

  struct Mapping {
    let address: UInt64
    let size: UInt64
    /// Nil for memory that is reached by messages.
    let memory: ClientMemory?
  }

  unowned let server: VfioUserServer
  let channel: MessageChannel
  let function: any PCIFunction
  let slot: VfioUserSlot
  let tally: ServerTally
  private var watch: DescriptorWatch?
  /// Goes on with what is in the buffer, without news from the socket.
  private var continuation: DeferredWork!
  private var isServing = false
  /// Why the connection has to end as soon as nobody is inside of the function.
  var failure: String?
  private(set) var hasEnded = false

  var isNegotiated = false
  /// What the client can do.
  var peer = VfioUserCapabilities()
  var mappings: [Mapping] = []
  /// Bytes of each region.
  let regionSizes: InlineArray<9, UInt64>

  // Memory that the client does not share.
  var deferred: [DeferredMessage] = []
  var deferredByteCount = 0
  /// The descriptors of the message that is handled, if it was deferred.
  private var carried: [Int32]?
  var nextIdentifier: UInt16 = 0
  /// Until when the client has to have answered; nil while nothing was asked. ``endRemoteWork()`` is scheduled if it is
  /// not.
  var remoteDeadline: Instant?
  private var remoteEnd: DeferredWork!
  /// The client waits for a reply: QEMU, whose processor then holds its big lock, answers no command meanwhile.
  var clientWaits = false
  /// An answer of the client is waited for, inside of the function.
  var isExchanging = false
  /// The function wanted remote memory while the client waited for a reply, and went without.
  var wasDenied = false
  /// Unmapped from inside of the function, which may still look at it.
  var retired: [ClientMemory] = []

  init(_ descriptor: Int32, of server: VfioUserServer) throws(LoopError) {
    self.server = server
    function = server.function
    slot = server.slot
    tally = server.tally
    channel = MessageChannel(descriptor, longestCommand: VfioUserRequest.longest)
    let configuration = server.function.configuration
    var sizes = InlineArray<9, UInt64>(repeating: 0)
    for bar in configuration.bars where bar.kind != .rom { sizes[bar.index] = bar.byteCount }
    sizes[Int(VfioUserIndex.rom)] = server.rom?.byteCount ?? 0
    sizes[Int(VfioUserIndex.configuration)] = UInt64(configuration.byteCount)
    regionSizes = sizes
    continuation = DeferredWork(on: server.loop) { [weak self] in self?.serve() }
    remoteEnd = DeferredWork(on: server.loop) { [weak self] in self?.endRemoteWork() }
    slot.dma.onCopies = { [weak self] in self?.remoteEnd.schedule() }
    watch = try DescriptorWatch(on: server.loop, descriptor: descriptor, interest: .readable) { [weak self] ready in
      self?.ready(ready)
    }
  }

  var mappingCount: Int { mappings.count }

  // MARK: Turns

  private func ready(_ readiness: DescriptorReadiness) {
    if channel.queuedByteCount > 0 {
      guard channel.flush() else { return end("its socket is closed") }
      if channel.queuedByteCount == 0 { serve() }
      return
    }
    do { try watch?.setInterest(.readable) } catch { return end("\(error)") }
    finishWork()
    if let failure { return end(failure) }
    switch channel.receive() {
    case .bytes:
      tally.count.receives &+= 1
      serve()
    case .nothing: break
    case .end: end(nil)
    }
  }

  /// Handles the messages that are there, as far as the client takes the replies.
  func serve() {
    guard !isServing, !hasEnded else { return }
    isServing = true
    defer { isServing = false }
    while failure == nil {
      finishWork()
      guard channel.queuedByteCount < MessageChannel.batchByteCount || drain() else { break }
      if !deferred.isEmpty {
        handleDeferred()
      } else {
        let step = channel.next()
        if case .nothing = step { break }
        handle(step)
      }
    }
    if channel.queuedByteCount > 0 { _ = drain() }
    if let failure { end(failure) }
  }

  /// Sends what is queued; false if the client does not take all of it, or is gone.
  private func drain() -> Bool {
    guard channel.flush() else {
      failure = failure ?? "its socket is closed"
      return false
    }
    let isBlocked = channel.queuedByteCount > 0
    if isBlocked { tally.count.stalls &+= 1 }
    // Until the rest is taken nothing more is read: what a client does not take cannot pile up.
    do { try watch?.setInterest(isBlocked ? .writable : .readable) } catch { failure = "\(error)" }
    return !isBlocked && failure == nil
  }

  private func handle(_ step: MessageChannel.Step) {
    switch step {
    case .nothing: break
    case .message(let header, let body):
      tally.count.messages &+= 1
      handle(header, body)
      if hasDescriptors { closeLeftovers(header) }
    case .tooLong(let header): refuse(.tooLong, header)
    case .lost(let header):
      refuse(.badLength, header)
      failure = "a message of \(header.messageByteCount) bytes"
    }
  }

  @inline(__always) private func handle(_ header: VfioUserHeader, _ body: MemoryWindow) {
    let outer = clientWaits
    clientWaits = outer || header.wantsReply
    defer { clientWaits = outer }
    guard !header.isReply, !header.hasUnknownType else {
      return refuse(header.isReply ? .unexpectedReply : .badType, header)
    }
    do throws(VfioUserRefusal) {
      try perform(VfioUserRequest(header, body), header)
    } catch {
      refuse(error, header)
    }
  }

  func handleDeferred() {
    var message = deferred.removeFirst()
    let size = message.body.count
    deferredByteCount -= VfioUserHeader.byteCount + size
    let outer = carried
    carried = message.descriptors
    // An array without bytes would have no address.
    message.body.append(0)
    message.body.withUnsafeMutableBytes { handle(message.header, MemoryWindow($0.baseAddress!, count: size)) }
    if hasDescriptors { closeLeftovers(message.header) }
    carried = outer
  }

  /// Between two messages: the function is not at work.
  private func finishWork() {
    if slot.dma.hasCopies || slot.holdsInterrupts { endRemoteWork() }
    if !retired.isEmpty { retired = [] }
    if wasDenied {
      wasDenied = false
      // The model takes this for memory that came back, which it is.
      function.configurationWritten(offset: PCIRegister.command, size: 2)
      if slot.dma.hasCopies || slot.holdsInterrupts { endRemoteWork() }
    }
  }

  /// The function asks the client for memory: until when there has to be an answer. The end of the work is sure to
  /// come, also if nothing but refusals comes of it.
  func beginRemoteWork() -> Instant {
    if let remoteDeadline { return remoteDeadline }
    let deadline = server.loop.clock + server.patience
    remoteDeadline = deadline
    remoteEnd.schedule()
    return deadline
  }

  /// True if there may be descriptors for the message that is handled.
  @inline(__always) var hasDescriptors: Bool { carried.map { !$0.isEmpty } ?? channel.hasDescriptors }

  /// The descriptors of the message that is handled, now the caller's.
  func takeDescriptors() -> [Int32] {
    guard let own = carried else { return channel.takeDescriptors() }
    carried = []
    return own
  }

  /// Descriptors that the command did not take: not this one's kind.
  private func closeLeftovers(_ header: VfioUserHeader) {
    let leftovers = takeDescriptors()
    guard !leftovers.isEmpty else { return }
    for descriptor in leftovers where descriptor >= 0 { close(descriptor) }
    server.refuse(.unexpectedDescriptor, header)
  }

  /// Counts a refusal, and answers it if an answer is wanted: none to a reply, or two sides could refuse for ever.
  func refuse(_ refusal: VfioUserRefusal, _ header: VfioUserHeader) {
    server.refuse(refusal, header)
    guard header.wantsReply, !header.isReply else { return }
    _ = channel.append(
      VfioUserHeader(
        identifier: header.identifier, command: header.command, bodyByteCount: 0, flags: [.reply, .error],
        errorNumber: refusal.errorNumber))
  }

  /// Appends a reply of `byteCount` bytes to be filled; nil if none is wanted.
  @inline(__always) func reply(to header: VfioUserHeader, _ byteCount: Int) -> MemoryWindow? {
    guard header.wantsReply else { return nil }
    return channel.append(
      VfioUserHeader(
        identifier: header.identifier, command: header.command, bodyByteCount: byteCount, flags: .reply))
  }

  /// A pass over the buffer soon, from the loop.
  func scheduleService() { continuation.schedule() }

  // MARK: The end

  /// Ends the connection and tells the server.
  private func end(_ reason: String?) {
    guard !hasEnded else { return }
    end()
    server.connectionEnded(reason)
  }

  /// Leaves nothing of the client behind, and resets the function. Not while the function is at work: it may look at
  /// the client's memory.
  func end() {
    guard !hasEnded else { return }
    hasEnded = true
    watch?.cancel()
    watch = nil
    continuation.cancel()
    remoteEnd.cancel()
    channel.close()
    for message in deferred {
      for descriptor in message.descriptors where descriptor >= 0 { close(descriptor) }
    }
    deferred = []
    slot.disconnect()
    slot.dma.dropCopies()
    slot.dma.onCopies = nil
    unmapAll()
    function.busReset(in: slot)
  }
}
