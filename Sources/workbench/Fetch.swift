import ArgumentParser
import Bench
import EventLoop

struct Fetch: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Fetch a URL over HTTP, like wget, through every layer of the bench.",
    discussion: """
      Without a URL an embedded origin server is started on the host's loopback, 64 MiB are fetched from it and \
      checked, and the counters of every layer are printed. From inside the bench 10.0.2.2 is the host's loopback.

      EXAMPLES
        workbench fetch
        workbench fetch http://10.0.2.2:8080/image.iso --continue --retries 3
        workbench fetch http://10.0.2.2:8080/ -O - --impair loss=1%,delay=10ms --capture fetch.pcapng
      """)

  @Argument(help: "What to fetch: http://HOST[:PORT]/PATH.")
  var url: String?

  @Option(
    name: [.customShort("O"), .customShort("o"), .customLong("output")],
    help: ArgumentHelp("Where to write; - is standard output. Default: the URL's last component.", valueName: "file"))
  var output: String?

  @Flag(name: [.customShort("c"), .customLong("continue")], help: "Go on behind what the file already holds.")
  var continues = false

  @Option(
    name: [.customShort("H"), .long], help: ArgumentHelp("A request header; may be repeated.", valueName: "name: value")
  )
  var header: [String] = []

  @Option(help: "The request's method.")
  var method: String?

  @Option(help: ArgumentHelp("The request's body; @FILE reads it from a file.", valueName: "text"))
  var body: String?

  @Option(help: ArgumentHelp("Give up connecting after this time.", valueName: "seconds"))
  var connectTimeout = 30.0

  @Option(help: ArgumentHelp("Give up when nothing arrives for this time.", valueName: "seconds"))
  var timeout = 60.0

  @Option(help: "Further attempts after a failure that may pass.")
  var retries = 0

  @Option(help: "Redirects to follow at most.")
  var maxRedirects = 20

  @Option(help: ArgumentHelp("Fail unless the body has this SHA-256.", valueName: "hex"))
  var sha256: String?

  @Option(help: ArgumentHelp("Size of the embedded origin's file, e.g. 64MiB.", valueName: "size"))
  var size: String?

  @Flag(help: "Print the counters of every layer.")
  var counters = false

  @Flag(name: [.customShort("q"), .long], help: "No progress bar.")
  var quiet = false

  @OptionGroup var bench: BenchArguments

  func run() throws {
    guard url != nil || output == nil && !continues else {
      throw CommandFailure.usage("--output and --continue need a URL")
    }
    guard url == nil || size == nil else {
      throw CommandFailure.usage("--size is for the embedded origin, without a URL")
    }
    let plan = try plan()
    try BenchRun(bench).run { bench in
      if let url {
        try await fetch(try address(url), plan, with: bench)
      } else {
        try await fetchFromOrigin(plan, with: bench)
      }
    }
  }

  private func address(_ url: String) throws -> HTTPAddress {
    do { return try HTTPAddress(url) } catch { throw CommandFailure.usage(error.description) }
  }

  private func plan() throws -> FetchOptions {
    var options = FetchOptions()
    if let url { _ = try address(url) }
    guard connectTimeout > 0, timeout > 0, connectTimeout < 1e6, timeout < 1e6 else {
      throw CommandFailure.usage("--timeout and --connect-timeout must be positive")
    }
    guard retries >= 0, maxRedirects >= 0 else {
      throw CommandFailure.usage("--retries and --max-redirects must not be negative")
    }
    if let method {
      guard !method.isEmpty, method.allSatisfy({ $0.isASCII && ($0.isLetter || $0 == "-") }) else {
        throw CommandFailure.usage("--method \(method): not a method's name")
      }
      options.method = method.uppercased()
    } else if body != nil {
      options.method = "POST"
    }
    options.headers = try header.map { text in
      let parts = text.split(separator: ":", maxSplits: 1)
      guard parts.count == 2, !parts[0].isEmpty, !parts[0].contains(" "),
        !text.unicodeScalars.contains(where: { $0.value < 32 })
      else { throw CommandFailure.usage("--header \"\(text)\": write NAME: VALUE") }
      return (String(parts[0]), parts[1].trimmingPrefix(while: { $0 == " " }).description)
    }
    if let sha256 {
      guard sha256.count == 64, sha256.allSatisfy({ $0.isASCII && $0.isHexDigit }) else {
        throw CommandFailure.usage("--sha256 \(sha256): write 64 hexadecimal digits")
      }
    }
    if let body { options.body = try Input.bytes(body) }
    options.connectTimeout = .seconds(connectTimeout)
    options.timeout = .seconds(timeout)
    options.retries = retries
    options.maximumRedirects = maxRedirects
    options.continues = continues
    return options
  }

  private func fetchFromOrigin(_ plan: FetchOptions, with bench: Bench) async throws {
    let byteCount = try ByteSize.parse(size ?? "64MiB", option: "--size")
    let origin = try await OriginServer.start()
    let content = OriginContent(byteCount: byteCount)
    let address = try HTTPAddress("http://\(bench.host):\(origin.port)/bytes/\(byteCount)")
    let result: Result<Void, any Error>
    do {
      try await fetch(address, plan, with: bench, expected: content.digest, showsPath: true)
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await origin.stop()
    try result.get()
  }

  private func fetch(
    _ address: HTTPAddress, _ plan: FetchOptions, with bench: Bench, expected: String? = nil, showsPath: Bool = false
  ) async throws {
    let expected = expected ?? sha256?.lowercased()
    let destination: FetchSink.Destination =
      switch output {
      case "-"?: .standardOutput
      case let path?: .file(path)
      case nil: showsPath ? .discard : .file(address.suggestedFileName)
      }
    if destination == .standardOutput { Output.take() }
    let sink = FetchSink(destination, hashing: expected != nil)
    let fetch = HTTPFetch(system: bench.station.system) { (host) async throws(FetchError) in
      try await bench.resolve(host)
    }
    let progress =
      quiet || bench.options.eventSink != nil || !Diagnostics.isTerminal ? nil : ProgressBar(on: bench.loop)
    if let progress { fetch.onProgress = progress.update }
    let before = bench.station.stack.tcp.counters.retransmittedSegments
    let result: FetchResult
    do {
      result = try await fetch.fetch(address, into: sink, options: plan)
    } catch {
      progress?.clear()
      throw CommandFailure(error.description)
    }
    progress?.clear()
    if let expected, sink.digest != expected {
      throw CommandFailure(FetchError.digestMismatch(expected: expected, actual: sink.digest ?? "").description)
    }
    if showsPath || counters { await bench.settle() }
    let summary = FetchSummary(
      result, sha256: sink.digest, verified: expected != nil,
      retransmissions: bench.station.stack.tcp.counters.retransmittedSegments - before,
      path: showsPath || counters ? bench.report : nil)
    if self.bench.json && destination != .standardOutput {
      try Output.json(summary)
    } else if destination == .standardOutput {
      Diagnostics.print(summary.line)
      if counters { Diagnostics.print(bench.report.text) }
    } else {
      if let path = summary.path { Output.line(path.text) }
      Output.line(summary.line)
    }
  }
}

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
  let path: PathReport?

  init(_ result: FetchResult, sha256: String?, verified: Bool, retransmissions: UInt64, path: PathReport?) {
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
    var parts = [
      "\(url): \(status), \(bytes) bytes in \(Rate.seconds(seconds)) s", "\(Rate.text(bytesPerSecond))",
      "\(retransmissions) retransmissions",
    ]
    if attempts > 1 { parts.append("\(attempts) attempts") }
    if redirects > 0 { parts.append("\(redirects) redirects") }
    if verified { parts.append("SHA-256 verified") }
    return parts.joined(separator: ", ")
  }
}
