import Glibc

/// Why there is no QEMU, or why one cannot be used (any longer).
public enum QEMUError: Error, Equatable, CustomStringConvertible {
  /// A system call failed.
  case system(operation: String, subject: String, code: Int32)
  /// No QEMU was found anywhere.
  case notFound(places: [String], wanted: [String])
  /// QEMUs were found, but none has what is needed; for each, why not.
  case unsuitable(wanted: [String], reasons: [String])
  /// The program does not answer like a QEMU.
  case notQEMU(path: String, reason: String)
  /// Something took longer than it may.
  case timedOut(what: String, limit: Duration)
  /// QEMU ended by itself; the last lines that it wrote.
  case ended(QEMUProcess.Outcome, diagnostics: String)
  /// The peer of a qtest connection closed it.
  case disconnected
  /// The peer of a qtest connection wrote what is not of the protocol.
  case malformed(line: String)
  /// QEMU refused a qtest command.
  case refused(command: String, reply: String)
  /// An option makes no sense.
  case badOption(String)

  public var description: String {
    switch self {
    case .system(let operation, let subject, let code):
      "\(operation) \(subject): \(String(cString: strerror(code)))"
    case .notFound(let places, _): "no qemu-system-x86_64 (looked at \(places.joined(separator: ", ")))"
    case .unsuitable(let wanted, let reasons):
      "no QEMU with \(wanted.joined(separator: ", ")): \(reasons.joined(separator: "; "))"
    case .notQEMU(let path, let reason): "\(path) is no QEMU: \(reason)"
    case .timedOut(let what, let limit): "\(what) took longer than \(limit)"
    case .ended(let outcome, let diagnostics):
      diagnostics.isEmpty ? "QEMU \(outcome)" : "QEMU \(outcome): \(diagnostics)"
    case .disconnected: "QEMU closed the qtest connection"
    case .malformed(let line): "QEMU wrote what is not qtest's protocol: \(line)"
    case .refused(let command, let reply): "QEMU refused \(command): \(reply)"
    case .badOption(let reason): reason
    }
  }

  /// What the user can do about it; nil where the description says all.
  public var advice: String? {
    switch self {
    case .notFound(_, let wanted), .unsuitable(let wanted, _):
      QEMUInstallation.isChosen
        ? Self.otherChoice
        : wanted.contains(QEMUInstallation.vfioUserDevice) ? QEMUInstallation.vfioUserAdvice : QEMUInstallation.advice
    case .notQEMU: Self.otherChoice
    default: nil
    }
  }

  private static let otherChoice =
    "set \(QEMUInstallation.variable) to another one, or unset it; make qemu fetches one into the cache"

  static func system(_ operation: String, _ subject: String) -> QEMUError {
    .system(operation: operation, subject: subject, code: errno)
  }
}
