import Bench
import EventLoop

/// The last line of a fetch, and its `--json` form.
struct FetchSummary: Encodable {
  let url: String
  let status: Int
  let bytes: Int64
  let totalBytes: Int64
  let seconds: Double
  let bytesPerSecond: Double
  let attempts: Int
  let redirects: Int
  let retransmissions: UInt64
  let sha256: String?
  let verified: Bool
  /// Where the body is: a file, "-" for standard output, nil for nowhere.
  let output: String?
  let path: PathReport?

  init(
    _ result: FetchResult, output: String?, sha256: String?, verified: Bool, retransmissions: UInt64, path: PathReport?
  ) {
    self.output = output
    url = result.url
    status = result.status
    bytes = result.received
    totalBytes = result.total
    seconds = result.duration.seconds
    bytesPerSecond = result.duration.seconds > 0 ? Double(result.received) / result.duration.seconds : 0
    attempts = result.attempts
    redirects = result.redirects
    self.retransmissions = retransmissions
    self.sha256 = sha256
    self.verified = verified
    self.path = path
  }

  var line: String {
    // Only --continue of a file that has all its bytes succeeds with this.
    if status == 416, let output { return "\(url): \(output) is complete already (\(totalBytes) bytes)" }
    var parts = [
      "\(url): \(status), \(bytes) bytes in \(Rate.seconds(seconds)) s", "\(Rate.text(bytesPerSecond))",
      "\(retransmissions) retransmissions",
    ]
    if attempts > 1 { parts.append("\(attempts) attempts") }
    if redirects > 0 { parts.append("\(redirects) redirects") }
    if verified { parts.append("SHA-256 verified") }
    let place = output.map { $0 == "-" ? "" : " -> \($0)" } ?? ""
    return parts.joined(separator: ", ") + place
  }
}
