/// Who would be told by a signal that a file is ready (Linux `struct fown_struct`). No signal is ever sent.
struct FileOwner {
  /// 0: nobody.
  private(set) var number: Int32 = 0
  private(set) var kind = ProcessView.Kind.thread
  /// Who set it (F_GETOWNER_UIDS).
  private(set) var users: (real: UInt32, effective: UInt32) = (0, 0)
  /// F_SETSIG
  var signal: Int32 = 0

  /// Names another owner, or with 0 none (Linux `f_setown`): any number that names something will do, whatever it
  /// names.
  ///
  /// - Throws: ESRCH for one that names nothing.
  mutating func set(_ kind: ProcessView.Kind, _ number: Int32, in view: ProcessView) throws(Errno) {
    guard number == 0 || number > 0 && view.presence(kind, number) != .absent else { throw .ESRCH }
    self.number = number
    self.kind = kind
    if number != 0 { users = view.users() }
  }

  /// F_SETOWN: a process, or with a negative number a group.
  mutating func set(_ number: Int32, in view: ProcessView) throws(Errno) {
    guard number != .min else { throw .EINVAL }
    try set(number < 0 ? .group : .process, abs(number), in: view)
  }

  /// The number, as long as there is a `kind` behind it, else 0 (Linux `f_getown_ex`).
  func present(in view: ProcessView) -> Int32 {
    number != 0 && view.presence(kind, number) == .present ? number : 0
  }

  /// F_GETOWN: groups are negative.
  func signed(in view: ProcessView) -> Int32 { kind == .group ? -present(in: view) : present(in: view) }
}
