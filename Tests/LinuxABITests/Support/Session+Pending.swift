import LinuxABI

extension Session {
  /// Begins a call that may block, and writes down whether it does.
  func begin(_ number: SystemCallNumber, _ arguments: Int..., line: Int = #line) async -> any PendingCall {
    let pending = kernel.begin(number.rawValue, arguments.map { UInt(bitPattern: $0) })
    await settle()
    await look(pending, line: line)
    return pending
  }

  /// Writes down whether a call still blocks, or what it returned.
  func look(_ pending: any PendingCall, line: Int = #line) async {
    await settle()
    note(pending.result.map { "it returned \(Self.text($0))" } ?? "it waits", line)
  }

  /// Waits for the end of a call that others have made possible.
  func end(_ pending: any PendingCall, line: Int = #line) async {
    note("it ended with \(Self.text(await pending.end()))", line)
  }
}
