import LinuxABI

/// Why a fetch failed: what happened, where, and what to try.
public indirect enum FetchError: Error, Equatable, Sendable, CustomStringConvertible {
  case malformedURL(String, reason: String)
  /// A redirect led to a URL that cannot be fetched.
  case badRedirect(String, reason: String)
  case redirectWithoutLocation(code: Int, reason: String, url: String)
  case unknownHost(String, reason: String)
  case noIPv6(String)
  case connectFailed(String, Errno)
  case connectTimedOut(String, seconds: Double)
  /// None of several addresses answered; `limit` in seconds is for all.
  case noAddressAnswers(String, tried: Int, of: Int, last: FetchError, limit: Double)
  /// `received`: bytes of the body that are in place, those of attempts before among them; here and below.
  case stalled(seconds: Double, received: Int64)
  case stalledSending(seconds: Double, sent: Int, of: Int)
  case transferFailed(Errno, received: Int64)
  case endedEarly(received: Int64, expected: Int64?)
  case malformedResponse(String)
  /// The header had not come whole within --timeout.
  case slowHeader(seconds: Double)
  case tooManyInterimResponses(Int)
  /// A coding of Transfer-Encoding that is not understood.
  case transferCoding(String)
  case tooManyRedirects(Int)
  case status(code: Int, reason: String, url: String)
  case rangeNotHonoured(String)
  case unaskedRange(String)
  /// The file that was to be continued is longer than the server's.
  case nothingToContinue(path: String, has: Int64, total: Int64)
  case file(path: String, reason: String)
  case digestMismatch(expected: String, actual: String)
  case interrupted

  public var description: String {
    switch self {
    case .malformedURL(let url, let reason): "malformed URL \"\(url.singleLine)\": \(reason)"
    case .badRedirect(let url, let reason):
      "a redirect leads to \"\(url.singleLine)\", which cannot be fetched: \(reason)"
    case .redirectWithoutLocation(let code, let reason, let url):
      "the server answered \(code) \(reason.singleLine) to \(url), but does not say where to (no Location header)"
    case .noIPv6(let host): "cannot connect to \(host): IPv6 is not supported yet; use an IPv4 address or a name"
    case .unknownHost(let host, let reason): "cannot resolve \(host.isEmpty ? "\"\"" : host.singleLine): \(reason)"
    case .connectFailed(let peer, let errno): "cannot connect to \(peer): \(errno)\(Self.advice(errno))"
    case .connectTimedOut(let peer, let seconds):
      "no answer from \(peer) within \(Self.text(seconds)) s; raise --connect-timeout or check the address"
    case .noAddressAnswers(let host, let tried, let total, let last, let limit):
      "none of \(tried == total ? "the \(total)" : "\(tried) of the \(total)") addresses of \(host) that were tried "
        + "within \(Self.text(limit)) s can be reached; the last: \(last)"
    case .stalledSending(let seconds, let sent, let total):
      "the server took nothing for \(Self.text(seconds)) s after \(sent) of \(total) bytes; raise --timeout"
    case .stalled(let seconds, let received):
      "nothing arrived for \(Self.text(seconds)) s after \(received) bytes; raise --timeout or try --continue"
    case .transferFailed(let errno, let received): "the transfer broke off after \(received) bytes: \(errno)"
    case .endedEarly(let received, let expected?):
      "the server closed the connection after \(received) of \(expected) bytes; try --continue or --retries"
    case .endedEarly(let received, nil):
      "the server closed the connection inside the response, after \(received) bytes of the body"
    case .malformedResponse(let reason): "the server's answer is not HTTP/1.1: \(reason)"
    case .slowHeader(let seconds):
      "the server did not complete the header of its answer within \(Self.text(seconds)) s; raise --timeout"
    case .tooManyInterimResponses(let limit):
      "the server sent more than \(limit) interim responses (status 100 to 199) and no final one"
    case .transferCoding(let coding):
      "the server sent the body in the transfer coding \"\(coding.singleLine)\", which this client did not ask for and "
        + "does not know; nothing was stored"
    case .tooManyRedirects(let limit): "more than \(limit) redirects; raise --max-redirects if they do end"
    case .status(let code, let reason, let url): "the server answered \(code) \(reason.singleLine) to \(url)"
    case .rangeNotHonoured(let reason): "cannot continue: \(reason); fetch again without --continue"
    case .unaskedRange(let range): "the server sent a part of the file (range \"\(range)\") that was not asked for"
    case .nothingToContinue(let path, let count, let total):
      "\(path) has \(count) bytes, the server's file \(total); remove it or leave out --continue"
    case .file(let path, let reason): "\(path): \(reason)"
    case .digestMismatch(let expected, let actual): "SHA-256 is \(actual), expected \(expected)"
    case .interrupted: "interrupted"
    }
  }

  private static func text(_ seconds: Double) -> String {
    seconds == seconds.rounded() ? String(Int(seconds)) : String((seconds * 1000).rounded() / 1000)
  }

  private static func advice(_ errno: Errno) -> String {
    switch errno {
    case .ECONNREFUSED: "; is a server listening on that port? (10.0.2.2 is the host's loopback)"
    case .EHOSTUNREACH, .ENETUNREACH: "; is the address reachable from the bench's network?"
    default: ""
    }
  }

  /// True for failures that another attempt may mend.
  public var isTransient: Bool {
    switch self {
    case .connectFailed(_, let errno): errno != .ECONNREFUSED
    case .noAddressAnswers(_, _, _, let last, _): last.isTransient
    case .connectTimedOut, .stalled, .stalledSending, .slowHeader, .transferFailed, .endedEarly: true
    case .status(let code, _, _): code == 408 || code == 429 || (500...599).contains(code) && code != 501
    default: false
    }
  }
}

extension String {
  /// The text without control characters, which could end a line or steer a terminal: as escapes instead.
  public var singleLine: String {
    unicodeScalars.map { scalar in
      switch scalar.value {
      case 0x0A: "\\n"
      case 0x0D: "\\r"
      case 0x09: "\\t"
      case 0..<32, 127..<160: "\\u{" + String(scalar.value, radix: 16) + "}"
      default: String(scalar)
      }
    }.joined()
  }
}
