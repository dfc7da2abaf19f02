import CLinux
import EventLoop
import Glibc

/// A QEMU (or another program) that runs beside us, started without a shell and with none of our descriptors but those
/// that it is given. Its end is noticed on the loop.
///
///     let process = try QEMUProcess(qemu.path, ["-nographic", …], streams: .inherited, on: loop)
///     let outcome = await process.waitForEnd()
///
/// It does not outlive us: it is sent a signal when the thread that started it ends, however that comes about
/// (PR_SET_PDEATHSIG; so start it on a thread that stays, like the loop's), and is killed with the last reference to
/// this object.
///
/// With its standard input inherited it belongs to our process group, so that it may read from the terminal, and Ctrl-C
/// there reaches it like us (unless it has set the terminal to hand it on to the guest, as `-nographic` does). What it
/// did to the terminal and to the inherited descriptors is put back when it ends, even if it could not do that itself.
/// Without, it has a process group of its own, and the terminal's signals are for us alone to act on.
public final class QEMUProcess {
  /// Where one of the program's standard streams leads.
  public enum Stream: Sendable {
    /// Where ours leads.
    case inherit
    /// To /dev/null.
    case null
    /// To us: ``QEMUProcess/write(_:)``, ``QEMUProcess/output``, ``QEMUProcess/diagnostics``.
    case pipe
  }

  /// The standard streams.
  public struct Streams: Sendable {
    public var input: Stream
    public var output: Stream
    public var diagnostics: Stream

    public init(input: Stream, output: Stream, diagnostics: Stream) {
      self.input = input
      self.output = output
      self.diagnostics = diagnostics
    }

    /// All ours: for a QEMU that a person uses.
    public static let inherited = Streams(input: .inherit, output: .inherit, diagnostics: .inherit)
    /// No input; what it writes comes to us.
    public static let captured = Streams(input: .null, output: .pipe, diagnostics: .pipe)
    /// All to us.
    public static let piped = Streams(input: .pipe, output: .pipe, diagnostics: .pipe)
  }

  /// How a program ended.
  public enum Outcome: Sendable, Equatable, CustomStringConvertible {
    case exited(Int32)
    case killed(signal: Int32)

    init(code: Int32) { self = code >= 0 ? .exited(code) : .killed(signal: -code) }

    public var description: String {
      switch self {
      case .exited(let code): "ended with exit code \(code)"
      case .killed(let signal): "was ended by \(strsignal(signal).map { String(cString: $0) } ?? "signal \(signal)")"
      }
    }
  }

  public let path: String
  public let processIdentifier: pid_t
  /// What the program writes to its standard output, if that is a pipe.
  public let output: ChildOutput?
  /// What it writes to its standard error, if that is a pipe.
  public let diagnostics: ChildOutput?
  /// How it ended; nil while it runs.
  public private(set) var outcome: Outcome?
  /// Called once on the loop when it has ended.
  public var onEnd: ((Outcome) -> Void)?

  private let loop: EpollLoop
  private let folder: PrivateFolder?
  private let pidfd: Int32
  private var input: Int32
  private let isInteractive: Bool
  private let terminal: TerminalState
  private var watch: DescriptorWatch?
  private var waiters: [Waiter] = []

  /// Starts the program at `path`.
  ///
  /// - Parameters:
  ///   - descriptors: what it has as its descriptors 3, 4 and so on; they stay the caller's. QEMU is told of them by
  ///     options like `-chardev socket,id=x,fd=3`, or by `/proc/self/fd/3` where it wants a path.
  ///   - folder: kept until the process has ended and this object is gone.
  public init(
    _ path: String, _ arguments: [String], streams: Streams, passing descriptors: [Int32] = [],
    keeping folder: PrivateFolder? = nil, on loop: EpollLoop
  ) throws(QEMUError) {
    var ours: [Int32] = []
    var theirs: [Int32] = []
    // What is handed over to another owner is taken out of these.
    defer { for descriptor in ours + theirs { close(descriptor) } }
    func descriptor(_ stream: Stream, _ number: Int32) throws(QEMUError) -> (ours: Int32, theirs: Int32) {
      switch stream {
      case .inherit: return (-1, number)
      case .null:
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        guard null >= 0 else { throw .system("open", "/dev/null") }
        theirs.append(null)
        return (-1, null)
      case .pipe:
        // A socket for the input: writing to it when the program is gone is an error, not a signal.
        let ends: (ours: Int32, theirs: Int32)
        if number == 0 {
          ends = try makeSocketPair()
        } else {
          let pipe = try makePipe()
          ends = (pipe.reading, pipe.writing)
        }
        ours.append(ends.ours)
        theirs.append(ends.theirs)
        return ends
      }
    }
    let standard = [
      try descriptor(streams.input, 0), try descriptor(streams.output, 1), try descriptor(streams.diagnostics, 2),
    ]
    self.path = path
    self.loop = loop
    self.folder = folder
    isInteractive = streams.input == .inherit
    let inherited = [streams.input, streams.output, streams.diagnostics].enumerated()
      .filter { $0.element == .inherit }.map { Int32($0.offset) }
    terminal = TerminalState(of: inherited)

    func reader(_ descriptor: Int32) throws(QEMUError) -> ChildOutput? {
      guard descriptor >= 0 else { return nil }
      ours.removeAll { $0 == descriptor }
      return try ChildOutput(descriptor, on: loop)
    }
    output = try reader(standard[1].ours)
    diagnostics = try reader(standard[2].ours)
    input = standard[0].ours

    // A QEMU that hangs is killed for sure; one on a terminal has the chance to put that in order.
    let program = try RunningProgram(
      path, arguments, descriptors: standard.map(\.theirs) + descriptors, ownGroup: !isInteractive,
      deathSignal: isInteractive ? SIGTERM : SIGKILL)
    processIdentifier = program.pid
    pidfd = program.pidfd
    ours = []
    do throws(LoopError) {
      watch = try DescriptorWatch(on: loop, descriptor: pidfd, interest: .readable) { [unowned self] _ in hasEnded() }
    } catch {
      throw .system("watch", path)
    }
  }

  deinit {
    if outcome == nil {
      send(SIGKILL)
      _ = clinux_reap(processIdentifier, true)
      terminal.putBack()
    }
    watch?.cancel()
    closeInput()
    close(pidfd)
  }

  // MARK: Input

  /// Writes to the program's standard input, if that is a pipe; the number of bytes that went in, which is less than
  /// all if the program does not read.
  public func write(_ bytes: [UInt8]) -> Int {
    guard input >= 0 else { return 0 }
    return max(
      0,
      bytes.withUnsafeBytes {
        Glibc.send(input, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
      })
  }

  /// The program finds the end of its standard input.
  public func closeInput() {
    if input >= 0 { close(input) }
    input = -1
  }

  // MARK: The end

  /// Sends a signal; nothing happens if the program has ended.
  public func send(_ signal: Int32) {
    guard outcome == nil else { return }
    kill(isInteractive ? processIdentifier : -processIdentifier, signal)
  }

  /// Suspends until the program has ended. Nil if it has not by `deadline`, or if the task is cancelled.
  public func waitForEnd(until deadline: Instant = .distantFuture) async -> Outcome? {
    if let outcome { return outcome }
    let waiter = Waiter(on: loop)
    waiters.append(waiter)
    defer { waiters.removeAll { $0 === waiter } }
    _ = await waiter.wait(until: deadline)
    return outcome
  }

  /// Ends the program by SIGTERM, and by SIGKILL if it has not ended after `limit`; returns when it has, in a cancelled
  /// task too.
  @discardableResult
  public func end(within limit: TimeSpan = .seconds(3)) async -> Outcome {
    send(SIGTERM)
    // A task of its own, which the cancellation of ours does not reach.
    return await loop.spawn { [self] () async -> Outcome in
      if let outcome = await waitForEnd(until: loop.now + limit) { return outcome }
      return endNow(within: .zero)
    }.value
  }

  /// The same where nothing can be awaited: blocks the thread, for `limit` at most.
  @discardableResult
  public func endNow(within limit: TimeSpan = .seconds(3)) -> Outcome {
    if let outcome { return outcome }
    if limit > .zero {
      send(SIGTERM)
      _ = waitFor(POLLIN, on: pidfd, until: Deadline(after: limit))
    }
    if !isOver { send(SIGKILL) }
    return finish(.init(code: clinux_reap(processIdentifier, true)))
  }

  /// The program has ended, whether the loop has noticed or not.
  var isOver: Bool { outcome != nil || waitFor(POLLIN, on: pidfd, until: Deadline(after: .zero)) != 0 }

  /// Waits a moment for the end of a program that seems to have ended, and takes notice of it.
  func takeNotice(within limit: TimeSpan) -> Outcome? {
    if outcome == nil, waitFor(POLLIN, on: pidfd, until: Deadline(after: limit)) != 0 { hasEnded() }
    return outcome
  }

  private func hasEnded() {
    let code = clinux_reap(processIdentifier, false)
    if code != .min { finish(.init(code: code)) }
  }

  @discardableResult
  private func finish(_ outcome: Outcome) -> Outcome {
    self.outcome = outcome
    watch?.cancel()
    terminal.putBack()
    output?.drain()
    diagnostics?.drain()
    closeInput()
    for waiter in waiters { waiter.wake() }
    onEnd?(outcome)
    return outcome
  }
}

/// What a program may have changed of the terminal and the descriptors that it shares with us.
private struct TerminalState {
  private var flags: [(descriptor: Int32, value: Int32)] = []
  private var settings: termios?

  init(of descriptors: [Int32]) {
    for descriptor in descriptors { flags.append((descriptor, fcntl(descriptor, F_GETFL))) }
    var settings = termios()
    if descriptors.contains(0), tcgetattr(0, &settings) == 0 { self.settings = settings }
  }

  func putBack() {
    for (descriptor, value) in flags where value >= 0 { _ = fcntl(descriptor, F_SETFL, value) }
    // In the background, the terminal is somebody else's.
    guard var settings, tcgetpgrp(0) == getpgrp() else { return }
    tcsetattr(0, TCSANOW, &settings)
  }
}
