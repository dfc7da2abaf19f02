import Wires
import Yams

/// A scripted series of fetches: what to fetch, through which faults, and what must come of it.
///
///     name: lossy download
///     fetches:
///       - size: 1MiB              # from the embedded origin; or `origin: /chunked/4096`, or `url: http://...`
///         impair: loss=1%,delay=5ms
///         retries: 2
///         expect: {status: 200, size: 1048576}
///
/// A body from the origin's `/bytes/N`, `/chunked/N` or `/redirect/K/N` is always compared by SHA-256.
public struct ScenarioFile: Sendable, Equatable {
  public var name: String
  public var fetches: [ScenarioFetch]
}

/// One fetch of a ``ScenarioFile``.
public struct ScenarioFetch: Sendable, Equatable {
  public enum Source: Sendable, Equatable {
    case url(String)
    /// A path on the embedded origin.
    case origin(String)
  }

  public var name: String
  public var source: Source
  public var method = "GET"
  public var headers: [String: String] = [:]
  public var body: String?
  public var impairment: ImpairmentSettings?
  public var retries = 0
  public var timeout = 60.0
  public var connectTimeout = 30.0
  public var seed: UInt64 = 1
  public var mtu = 1500
  public var segmentationOffload = true
  public var checksumOffload = true
  public var expectation = Expectation()

  /// What must come of a fetch; nil is not looked at.
  public struct Expectation: Sendable, Equatable {
    public var status: Int?
    public var size: Int64?
    public var sha256: String?
    public var attempts: Int?
    public var redirects: Int?
    /// The fetch must fail with a message that contains this.
    public var failure: String?
    /// Segments retransmitted by the bench at most.
    public var retransmissions: UInt64?
  }
}

/// A scenario file that does not say what it should: where, what, and what is accepted.
public struct ScenarioError: Error, Equatable, CustomStringConvertible {
  public let path: String
  public let line: Int?
  public let reason: String

  public var description: String { line.map { "\(path):\($0): \(reason)" } ?? "\(path): \(reason)" }
}

extension ScenarioError {
  /// Text that is no YAML: Yams tells it over several lines.
  fileprivate init(_ error: YamlError, path: String) {
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      self.init(path: path, line: mark.line, reason: "not YAML: \(problem)")
    case .reader(let problem, _, _, _): self.init(path: path, line: nil, reason: "not YAML: \(problem)")
    case .duplicatedKeysInMapping(let duplicates, let context):
      let keys = duplicates.map { "\"\($0)\"" }.joined(separator: ", ")
      self.init(path: path, line: context.mark.line, reason: "given twice: \(keys)")
    default: self.init(path: path, line: nil, reason: "not YAML")
    }
  }
}

extension ScenarioFile {
  /// Reads a scenario from YAML text; `path` is for messages.
  public init(yaml: String, path: String) throws(ScenarioError) {
    let root: Node?
    do {
      root = try Yams.compose(yaml: yaml)
    } catch let error as YamlError {
      throw ScenarioError(error, path: path)
    } catch {
      throw ScenarioError(path: path, line: nil, reason: String(describing: error))
    }
    guard let root else { throw ScenarioError(path: path, line: nil, reason: "it is empty") }
    let reader = ScenarioReader(path: path)
    let fields = try reader.fields(root, allowed: ["name", "fetches"])
    name = try fields["name"].map { (node) throws(ScenarioError) in try reader.text(node) } ?? path
    guard let list = fields["fetches"], let nodes = list.sequence, !nodes.isEmpty else {
      throw reader.error(root, "\"fetches\" must be a list with at least one fetch")
    }
    fetches = []
    for (i, node) in nodes.enumerated() { fetches.append(try reader.fetch(node, number: i + 1)) }
  }
}

/// Reads the nodes of a scenario strictly: an unknown key or a value of the wrong kind is an error with its line.
private struct ScenarioReader {
  let path: String

  func error(_ node: Node, _ reason: String) -> ScenarioError {
    ScenarioError(path: path, line: node.mark?.line, reason: reason)
  }

  func fields(_ node: Node, allowed: [String]) throws(ScenarioError) -> [String: Node] {
    guard let mapping = node.mapping else {
      throw error(node, "expected a mapping with \(allowed.joined(separator: ", "))")
    }
    var fields: [String: Node] = [:]
    for (key, value) in mapping {
      guard let name = key.string, allowed.contains(name) else {
        throw error(key, "unknown key \"\(key.string ?? "?")\"; accepted: \(allowed.joined(separator: ", "))")
      }
      fields[name] = value
    }
    return fields
  }

  func text(_ node: Node) throws(ScenarioError) -> String {
    guard let scalar = node.scalar else { throw error(node, "expected a text") }
    return scalar.string
  }

  func number<T: FixedWidthInteger>(_ node: Node, _ range: ClosedRange<T>) throws(ScenarioError) -> T {
    guard let text = node.scalar?.string, let number = T(text), range.contains(number) else {
      throw error(node, "expected a whole number in \(range.lowerBound)...\(range.upperBound)")
    }
    return number
  }

  func seconds(_ node: Node) throws(ScenarioError) -> Double {
    guard let text = node.scalar?.string, let number = Double(text), number > 0, number < 1e6 else {
      throw error(node, "expected a positive number of seconds")
    }
    return number
  }

  func flag(_ node: Node) throws(ScenarioError) -> Bool {
    guard let flag = node.bool else { throw error(node, "expected true or false") }
    return flag
  }

  func size(_ node: Node) throws(ScenarioError) -> Int64 {
    let text = try text(node)
    guard let size = ByteCount(text) else { throw error(node, "expected a size such as 1500, 64KiB or 1MB") }
    return Int64(size.bytes)
  }

  func fetch(_ node: Node, number: Int) throws(ScenarioError) -> ScenarioFetch {
    let fields = try fields(
      node,
      allowed: [
        "name", "url", "origin", "size", "method", "headers", "body", "impair", "retries", "timeout",
        "connect_timeout", "seed", "mtu", "segmentation_offload", "checksum_offload", "expect",
      ])
    let sources = ["url", "origin", "size"].compactMap { key in fields[key].map { (key, $0) } }
    guard sources.count == 1, let (key, source) = sources.first else {
      throw error(node, "a fetch needs exactly one of url, origin and size")
    }
    var fetch: ScenarioFetch
    switch key {
    case "url": fetch = ScenarioFetch(name: "", source: .url(try text(source)))
    case "origin": fetch = ScenarioFetch(name: "", source: .origin(try text(source)))
    default: fetch = ScenarioFetch(name: "", source: .origin("/bytes/\(try size(source))"))
    }
    fetch.name = try fields["name"].map { (node) throws(ScenarioError) in try text(node) } ?? "fetch \(number)"
    if let node = fields["method"] { fetch.method = try text(node).uppercased() }
    if let node = fields["body"] { fetch.body = try text(node) }
    if let node = fields["headers"] {
      guard let mapping = node.mapping else { throw error(node, "expected a mapping of names to values") }
      for (key, value) in mapping { fetch.headers[try text(key)] = try text(value) }
    }
    if let node = fields["impair"] {
      let text = try text(node)
      do { fetch.impairment = try ImpairmentSettings(text) } catch { throw self.error(node, error.description) }
    }
    if let node = fields["retries"] { fetch.retries = try self.number(node, 0...1000) }
    if let node = fields["timeout"] { fetch.timeout = try seconds(node) }
    if let node = fields["connect_timeout"] { fetch.connectTimeout = try seconds(node) }
    if let node = fields["seed"] { fetch.seed = try self.number(node, 0...UInt64.max) }
    if let node = fields["mtu"] { fetch.mtu = try self.number(node, Station.Options.mtuRange) }
    if let node = fields["segmentation_offload"] { fetch.segmentationOffload = try flag(node) }
    if let node = fields["checksum_offload"] { fetch.checksumOffload = try flag(node) }
    if let node = fields["expect"] { fetch.expectation = try expectation(node) }
    return fetch
  }

  private func expectation(_ node: Node) throws(ScenarioError) -> ScenarioFetch.Expectation {
    let fields = try fields(
      node, allowed: ["status", "size", "sha256", "attempts", "redirects", "failure", "retransmissions"])
    var expectation = ScenarioFetch.Expectation()
    if let node = fields["status"] { expectation.status = try number(node, 100...999) }
    if let node = fields["size"] { expectation.size = try size(node) }
    if let node = fields["sha256"] {
      let text = try text(node).lowercased()
      guard text.count == 64, text.allSatisfy(\.isHexDigit) else { throw error(node, "expected 64 hexadecimal digits") }
      expectation.sha256 = text
    }
    if let node = fields["attempts"] { expectation.attempts = try number(node, 1...1000) }
    if let node = fields["redirects"] { expectation.redirects = try number(node, 0...1000) }
    if let node = fields["failure"] { expectation.failure = try text(node) }
    if let node = fields["retransmissions"] { expectation.retransmissions = try number(node, 0...UInt64.max) }
    return expectation
  }
}
