import CLinux
import Glibc

/// What one wants to know of a descriptor, and what is true of it.
public struct DescriptorReadiness: OptionSet, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// A read does not block: data, a connection to accept, or end of file. EPOLLIN.
  public static let readable = DescriptorReadiness(rawValue: EPOLLIN.rawValue)
  /// A write does not block. EPOLLOUT.
  public static let writable = DescriptorReadiness(rawValue: EPOLLOUT.rawValue)
  /// Urgent data. EPOLLPRI.
  public static let urgent = DescriptorReadiness(rawValue: EPOLLPRI.rawValue)
  /// The peer has stopped sending. EPOLLRDHUP.
  public static let peerClosed = DescriptorReadiness(rawValue: EPOLLRDHUP.rawValue)
  /// An error is pending; reported unasked while any interest is set. EPOLLERR.
  public static let error = DescriptorReadiness(rawValue: EPOLLERR.rawValue)
  /// Hung up in both directions; reported unasked while any interest is set. EPOLLHUP.
  public static let hangUp = DescriptorReadiness(rawValue: EPOLLHUP.rawValue)
}

/// A descriptor that an ``EpollLoop`` watches: the handler is called on the loop, once a turn, as long as something of
/// the interest is true (level-triggered). A handler that does not react to what it is told should narrow its interest,
/// or the loop never sleeps. Dropping the last reference ends the watch; the descriptor stays its owner's.
///
/// A descriptor has one watch at a time. Cancel the watch before closing the descriptor; where that cannot be, a new
/// watch on a reused number takes over, and the old one stays silent.
public final class DescriptorWatch {
  public let descriptor: Int32
  /// What is watched for. While empty, nothing is reported, errors and hang-ups neither.
  public private(set) var interest: DescriptorReadiness = []
  /// Names this watch in the events of the kernel; never used twice.
  let identifier: UInt64
  let handler: (DescriptorReadiness) -> Void
  private let set: EpollSet
  private var isCancelled = false

  /// - Throws: ``LoopError/system(operation:code:)``: EPERM for a regular file, EEXIST if the descriptor has a watch,
  ///   EBADF if it is none.
  public init(
    on loop: EpollLoop, descriptor: Int32, interest: DescriptorReadiness,
    _ handler: @escaping (DescriptorReadiness) -> Void
  ) throws(LoopError) {
    self.descriptor = descriptor
    self.handler = handler
    set = loop.descriptors
    identifier = set.makeIdentifier()
    try setInterest(interest)
  }

  deinit { cancel() }

  /// Changes what is watched for. Setting what is set already costs nothing.
  public func setInterest(_ wanted: DescriptorReadiness) throws(LoopError) {
    precondition(!isCancelled, "the watch was cancelled")
    if wanted == interest { return }
    if wanted.isEmpty {
      set.remove(self)
    } else if interest.isEmpty {
      try set.add(self, wanted)
    } else {
      try set.change(self, wanted)
    }
    interest = wanted
  }

  /// Ends the watch; the handler is not called again, even for events that the loop has in hand already.
  public func cancel() {
    if isCancelled { return }
    isCancelled = true
    if !interest.isEmpty { set.remove(self) }
    interest = []
  }
}
