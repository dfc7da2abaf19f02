import EventLoop
import Glibc

/// The client's end of qtest, QEMU's protocol for testing devices without a guest: a command a line, a reply a line, in
/// the order of the commands.
///
/// A command whose reply is needed blocks the loop's thread until it comes, or until the time limit: like the register
/// access of a real machine, it takes as long as it takes (with a QEMU on the same machine 30 to 100 µs). Commands
/// whose reply says nothing are *posted*: they are not waited for, as writes on PCI are not. The order stays the same.
///
/// Interrupt lines are reported by ``onInterrupt`` in the order in which QEMU wrote them, also while a reply is waited
/// for. A peer that closes, writes nonsense or does not answer in time ends the connection, once and for all: from then
/// on every command throws ``failure``.
public final class QTestConnection {
  /// Posted commands on the way at most: their replies fit the socket's buffer.
  static let postedLimit = 64

  /// Why the connection is of no use any longer; nil while it is.
  public private(set) var failure: QEMUError?
  /// Called whenever QEMU tells of an interrupt line that it was asked to intercept: from inside a command, or from the
  /// loop. It must not issue a command.
  public var onInterrupt: ((_ line: Int, _ asserted: Bool) -> Void)?
  /// Called once on the loop when the connection has failed (never from inside a command, not after ``close()``).
  public var onFailure: ((QEMUError) -> Void)?

  private let descriptor: Int32
  private let limit: TimeSpan
  private var watch: DescriptorWatch?
  private var failureWork: DeferredWork?
  /// Bytes that came and are not yet a whole line, from ``parsed`` on.
  private var incoming: [UInt8] = []
  private var parsed = 0
  private var chunk = [UInt8](repeating: 0, count: 4096)
  /// Replies that are still to come.
  private var outstanding = 0
  /// The last reply that came.
  private var reply = QTestLine.ok("")
  private var count = QTestCounters()

  /// Takes over a connected stream socket.
  ///
  /// - Parameter limit: how long QEMU may take for a reply.
  public init(descriptor: Int32, on loop: EpollLoop, limit: TimeSpan = .seconds(10)) throws(QEMUError) {
    self.descriptor = descriptor
    self.limit = limit
    do throws(LoopError) {
      watch = try DescriptorWatch(on: loop, descriptor: descriptor, interest: .readable) { [unowned self] _ in
        _ = receive()
      }
    } catch {
      throw .system("watch", "the qtest socket")
    }
    failureWork = DeferredWork(on: loop) { [unowned self] in
      if let failure { onFailure?(failure) }
    }
  }

  deinit {
    watch?.cancel()
    Glibc.close(descriptor)
  }

  public var counters: QTestCounters { count }

  /// Ends the connection.
  public func close() {
    onFailure = nil
    fail(.disconnected)
    failureWork?.cancel()
  }

  // MARK: Commands

  /// Does a command (without its line end) and returns what QEMU replied behind `OK`.
  ///
  /// - Throws: ``QEMUError/refused(command:reply:)``, after which the connection goes on; ``failure``.
  @discardableResult
  public func command(_ text: String) throws(QEMUError) -> String {
    try send(text)
    try waitForReplies()
    switch reply {
    case .ok(let value): return value
    case .fail(let reason): throw .refused(command: text, reply: reason)
    case .interrupt: preconditionFailure("an interrupt is no reply")
    }
  }

  /// Does a command that reads a number.
  public func read(_ text: String) throws(QEMUError) -> UInt64 {
    let reply = try command(text)
    if let value = QTestLine.value(of: reply) { return value }
    throw fail(.malformed(line: "OK \(reply.prefix(80))"))
  }

  /// Does a command without waiting for its reply; a refusal is counted.
  public func post(_ text: String) throws(QEMUError) {
    if outstanding >= Self.postedLimit { try waitForReplies() }
    try send(text)
    count.posted += 1
  }

  /// Waits until everything posted is done, and its effect on interrupt lines has been reported.
  public func settle() throws(QEMUError) {
    if let failure { throw failure }
    try waitForReplies()
  }

  // MARK: Bytes out

  private func send(_ text: String) throws(QEMUError) {
    if let failure { throw failure }
    precondition(!text.utf8.contains(0x0A), "a command is one line")
    count.commands += 1
    outstanding += 1
    var bytes = Array(text.utf8)
    bytes.append(0x0A)
    var offset = 0
    var deadline: Deadline?
    while offset < bytes.count {
      let flags = Int32(MSG_NOSIGNAL | MSG_DONTWAIT)
      let written = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress! + offset, $0.count - offset, flags) }
      if written > 0 {
        offset += written
      } else if errno == EAGAIN {
        try wait(POLLIN | POLLOUT, until: &deadline)
      } else if errno != EINTR {
        // What it wrote before it went is still to be read: it may say more than a broken pipe does.
        for _ in 0..<64 where !receive() { break }
        throw fail(.disconnected)
      }
    }
  }

  /// Waits for the peer and takes in what it has written.
  private func wait(_ events: Int32, until deadline: inout Deadline?) throws(QEMUError) {
    let end = deadline ?? Deadline(after: limit)
    deadline = end
    let found = waitFor(events, on: descriptor, until: end)
    guard found != 0, end.milliseconds > 0 else {
      throw fail(.timedOut(what: "QEMU's reply", limit: .nanoseconds(limit.nanoseconds)))
    }
    if found & ~POLLOUT != 0 { _ = receive() }
    if let failure { throw failure }
  }

  // MARK: Bytes in

  private func waitForReplies() throws(QEMUError) {
    var deadline: Deadline?
    while outstanding > 0 { try wait(POLLIN, until: &deadline) }
  }

  /// Takes in what is there, up to a chunk: a peer that never stops writing holds up nobody. False if there was
  /// nothing.
  private func receive() -> Bool {
    guard failure == nil else { return false }
    let length = recv(descriptor, &chunk, chunk.count, Int32(MSG_DONTWAIT))
    if length < 0 && (errno == EAGAIN || errno == EINTR) { return false }
    guard length > 0 else {
      fail(.disconnected)
      return false
    }
    incoming += chunk[..<length]
    while failure == nil, let end = incoming[parsed...].firstIndex(of: 0x0A) {
      let line = incoming[parsed..<end]
      parsed = end + 1
      take(line.last == 0x0D ? line.dropLast() : line)
    }
    incoming.removeFirst(parsed)
    parsed = 0
    if incoming.count > QTestLine.limit { fail(malformed(incoming[...])) }
    return failure == nil
  }

  private func take(_ bytes: ArraySlice<UInt8>) {
    guard bytes.count <= QTestLine.limit, let line = QTestLine(bytes) else {
      fail(malformed(bytes))
      return
    }
    switch line {
    case .interrupt(let number, let asserted):
      count.interruptChanges += 1
      onInterrupt?(number, asserted)
    case .ok, .fail:
      guard outstanding > 0 else {
        fail(.malformed(line: "a reply to no command"))
        return
      }
      outstanding -= 1
      if case .fail = line { count.refused += 1 }
      reply = line
    }
  }

  private func malformed(_ bytes: ArraySlice<UInt8>) -> QEMUError {
    let start = String(decoding: bytes.prefix(80), as: UTF8.self)
    return .malformed(line: String(start.unicodeScalars.map { $0.value < 0x20 ? "." : Character($0) }))
  }

  @discardableResult
  private func fail(_ error: QEMUError) -> QEMUError {
    if let failure { return failure }
    failure = error
    watch?.cancel()
    shutdown(descriptor, Int32(SHUT_RDWR))
    failureWork?.schedule()
    return error
  }
}

/// What a connection did and met so far.
public struct QTestCounters: Sendable, Equatable {
  /// Commands sent, posted ones included.
  public var commands: UInt64 = 0
  public var posted: UInt64 = 0
  /// Commands that QEMU refused.
  public var refused: UInt64 = 0
  /// Changes of interrupt lines that QEMU told of.
  public var interruptChanges: UInt64 = 0
  public init() {}
}
