import Glibc
import Synchronization

/// What the system calls have to know of the processes around them: which there are, and who asks.
///
/// Nothing else in this module or below it looks at the operating system. This has to: programs on this layer are
/// processes of the host, F_SETOWN takes their numbers, and Linux answers it by whether they exist (fs/fcntl.c,
/// `f_setown`). A view with answers of its own keeps a run in virtual time independent of the host.
public struct ProcessView: Sendable {
  /// What a number stands for: the kinds of F_SETOWN_EX (fcntl(2)).
  public enum Kind: Int32, Sendable {
    /// F_OWNER_TID: a thread, the first of a process being one too.
    case thread = 0
    /// F_OWNER_PID
    case process = 1
    /// F_OWNER_PGRP
    case group = 2
  }

  public enum Presence: Sendable {
    /// The number names nothing (Linux `find_vpid`).
    case absent
    /// It names something, but nothing of the kind that was asked for: a thread that is no process, a group or session
    /// whose first process is gone.
    case otherKind
    /// There is one, be it one that has ended and was not waited for yet (Linux `pid_task`).
    case present
  }

  /// Whether there is a `kind` of this number, which is positive.
  public var presence: @Sendable (_ kind: Kind, _ number: Int32) -> Presence
  /// The number of the process that makes the calls.
  public var identifier: @Sendable () -> Int32
  /// The user that it runs for, and the one whose rights it has.
  public var users: @Sendable () -> (real: UInt32, effective: UInt32)

  public init(
    presence: @escaping @Sendable (_ kind: Kind, _ number: Int32) -> Presence,
    identifier: @escaping @Sendable () -> Int32,
    users: @escaping @Sendable () -> (real: UInt32, effective: UInt32)
  ) {
    self.presence = presence
    self.identifier = identifier
    self.users = users
  }

  /// The host's processes, asked at each call. It knows them by number alone: a process that got the number of one that
  /// ended is taken for that one.
  public static let host = ProcessView(
    presence: { HostProcesses.shared.presence($0, $1) },
    identifier: { getpid() },
    users: { (getuid(), geteuid()) })
}

/// Asks the host which processes it has by making them the owner of a descriptor that never has a signal to send: the
/// only question that is about every number that Linux knows (kill(2) cannot ask about group 1, pidfd_open(2) about
/// groups or sessions).
private final class HostProcesses: Sendable {
  static let shared = HostProcesses()

  /// A socket of which only the owner is used; -1 if the host had no descriptor left.
  private let descriptor = Mutex(makeDescriptor())

  private static func makeDescriptor() -> Int32 {
    Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
  }

  /// Without a descriptor to ask with every number counts as present.
  func presence(_ kind: ProcessView.Kind, _ number: Int32) -> ProcessView.Presence {
    descriptor.withLock { descriptor in
      if descriptor < 0 { descriptor = Self.makeDescriptor() }
      // struct f_owner_ex
      var owner = (kind: kind.rawValue, number: number)
      guard Glibc.fcntl(descriptor, FileControl.F_SETOWN_EX, &owner) == 0 else {
        return errno == ESRCH ? .absent : .present
      }
      guard Glibc.fcntl(descriptor, FileControl.F_GETOWN_EX, &owner) == 0 else { return .present }
      return owner.number == number ? .present : .otherKind
    }
  }
}
