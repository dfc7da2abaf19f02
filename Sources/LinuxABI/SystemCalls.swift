import EventLoop
import Events
import NetStack
import Sockets

/// The socket system calls of one process over the bench's stack, by Swift function and (``call(_:_:in:)``) by number.
///
/// Functions carry the names of section 2 of the Linux manual, take what the calls take, and throw the ``Errno`` that
/// Linux returns. A call that blocks suspends its task and is woken by the event itself; cancelling the task interrupts
/// it (EINTR).
public final class SystemCalls {
  public let stack: NetworkStack
  let loop: any EventLoop
  let tap: EventTap
  let processes: ProcessView
  /// Ranges of bytes that the process may still lock.
  let lockAllowance: LockAllowance
  var table: DescriptorTable
  /// By system call number.
  private var tally = [CallCount](repeating: CallCount(), count: SystemCallNumber.allCases.map(\.rawValue).max()! + 1)

  /// How often a call was made, and how often it failed.
  public struct CallCount: Sendable, Equatable {
    public var calls: UInt64 = 0
    public var failures: UInt64 = 0
  }

  /// A process without open sockets. `reserved` numbers are taken (standard input, output and error), and descriptors
  /// stay below `limit` (RLIMIT_NOFILE).
  /// `lockLimit` bounds the ranges of bytes that are locked, of all sockets together. `processes` answers what the
  /// calls ask about other processes.
  public init(
    stack: NetworkStack, reserved: Int = 3, limit: Int = 1024, lockLimit: Int = 65_536, processes: ProcessView = .host
  ) {
    self.stack = stack
    self.processes = processes
    lockAllowance = LockAllowance(lockLimit)
    loop = stack.loop
    tap = stack.tap
    table = DescriptorTable(reserved: reserved, limit: limit)
  }

  /// Calls made so far, by number.
  public var counters: [SystemCallNumber: CallCount] {
    SystemCallNumber.allCases.reduce(into: [:]) { counts, number in
      let count = tally[number.rawValue]
      if count.calls > 0 { counts[number] = count }
    }
  }

  /// Sum over all calls.
  public var total: CallCount {
    tally.reduce(into: CallCount()) { sum, count in
      sum.calls += count.calls
      sum.failures += count.failures
    }
  }

  /// Descriptors open now.
  public var openDescriptors: [Int32] { table.descriptors }

  /// The socket behind a descriptor: EBADF if there is nothing, ENOTSOCK if it is something else.
  public func socket(_ descriptor: Int32) throws(Errno) -> any Socket { try file(descriptor).socket }

  func file(_ descriptor: Int32) throws(Errno) -> OpenFile {
    guard let file = table[descriptor] else { throw .EBADF }
    return file
  }

  /// Runs a call that may block on an open file, which stays open until the call has ended even if its last number is
  /// closed meanwhile, as in a kernel.
  func holding<T>(
    _ number: SystemCallNumber, _ descriptor: Int32, _ arguments: @autoclosure () -> String, _ result: (T) -> Int,
    _ body: (any Socket) async throws(Errno) -> T
  ) async throws(Errno) -> T {
    guard let file = table[descriptor] else {
      return try traced(number, "\(descriptor)", result) { () throws(Errno) in throw .EBADF }
    }
    file.calls += 1
    do throws(Errno) {
      let value = try await traced(number, arguments(), result) { () async throws(Errno) in
        try await body(try file.socket(for: number))
      }
      await letGo(file)
      return value
    } catch {
      await letGo(file)
      throw error
    }
  }

  /// The end of a call on `file`.
  func letGo(_ file: OpenFile) async {
    file.calls -= 1
    if file.isUnused { await file.close() }
  }

  /// Runs the body of a call, counts it and tells the tap.
  func traced<T>(
    _ number: SystemCallNumber, _ arguments: @autoclosure () -> String, _ result: (T) -> Int,
    _ body: () throws(Errno) -> T
  ) throws(Errno) -> T {
    do {
      let value = try body()
      finished(number, arguments, result(value))
      return value
    } catch {
      finished(number, arguments, -Int(error.rawValue))
      throw error
    }
  }

  /// The same for calls that may block.
  func traced<T>(
    _ number: SystemCallNumber, _ arguments: @autoclosure () -> String, _ result: (T) -> Int,
    _ body: () async throws(Errno) -> T
  ) async throws(Errno) -> T {
    do {
      let value = try await body()
      finished(number, arguments, result(value))
      return value
    } catch {
      finished(number, arguments, -Int(error.rawValue))
      throw error
    }
  }

  private func finished(_ number: SystemCallNumber, _ arguments: () -> String, _ result: Int) {
    tally[number.rawValue].calls += 1
    // A connect(2) that goes on in the background has not failed.
    if result < 0, result != -Int(Errno.EINPROGRESS.rawValue) { tally[number.rawValue].failures += 1 }
    if tap.isOn {
      tap.emit(
        .syscall, .systemCall(number: number.rawValue, name: number.name, arguments: arguments(), result: result))
    }
  }
}

extension SocketError {
  /// The number that Linux gives this error.
  public var errno: Errno {
    switch self {
    case .network(let error): error.errno
    case .interrupted: .EINTR
    case .connectionStarted: .EINPROGRESS
    case .unknownOption: .ENOPROTOOPT
    case .unknownAlgorithm: .ENOENT
    case .notPermitted: .EPERM
    case .noMemory: .ENOMEM
    case .badMemory: .EFAULT
    }
  }
}

extension NetworkError {
  /// The number that Linux gives this error.
  public var errno: Errno {
    switch self {
    case .connectionRefused: .ECONNREFUSED
    case .connectionReset: .ECONNRESET
    case .connectionAborted: .ECONNABORTED
    case .brokenPipe: .EPIPE
    case .timedOut: .ETIMEDOUT
    case .hostUnreachable: .EHOSTUNREACH
    case .hostDown: .EHOSTDOWN
    case .hostIsolated: .ENONET
    case .networkUnreachable, .noRoute: .ENETUNREACH
    case .networkDown: .ENETDOWN
    case .protocolUnreachable: .ENOPROTOOPT
    case .protocolError: .EPROTO
    case .operationNotSupported: .EOPNOTSUPP
    case .addressInUse: .EADDRINUSE
    case .addressNotAvailable: .EADDRNOTAVAIL
    case .addressFamilyNotSupported: .EAFNOSUPPORT
    case .messageTooLong, .packetTooBig: .EMSGSIZE
    case .notConnected: .ENOTCONN
    case .alreadyConnected: .EISCONN
    case .connectionInProgress: .EALREADY
    case .destinationRequired: .EDESTADDRREQ
    case .wouldBlock: .EAGAIN
    case .noBuffers: .ENOBUFS
    case .invalidArgument: .EINVAL
    case .permissionDenied: .EACCES
    case .operationNotPermitted: .EPERM
    case .noSecurityAssociation: .EAGAIN
    case .noSuchDevice: .ENODEV
    case .missingMessageType: .EFAULT
    case .alreadyExists: .EEXIST
    case .closed: .EBADF
    }
  }
}

/// Runs `body` and turns what a socket throws into Linux's number.
func errnoOf<T>(_ body: () throws(SocketError) -> T) throws(Errno) -> T {
  do { return try body() } catch { throw error.errno }
}

/// The same for socket calls that may block.
func errnoOf<T>(_ body: () async throws(SocketError) -> T) async throws(Errno) -> T {
  do { return try await body() } catch { throw error.errno }
}
