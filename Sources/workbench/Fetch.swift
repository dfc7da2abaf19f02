import ArgumentParser
import Bench
import EventLoop

struct Fetch: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Fetch a URL over HTTP, like wget, through every layer of the bench.",
    discussion: """
      Without a URL an embedded origin server is started on the host's loopback, 64 MiB are fetched from it and \
      checked, and the counters of every layer are printed. From inside the bench 10.0.2.2 is the host's loopback. A \
      file that is there already is overwritten only if -O names it, or continued with --continue; else the new one \
      gets a number. With -O - the body is all of standard output, and the document of --json goes to standard error.

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

  @Option(help: ArgumentHelp("Give up resolving the name and connecting after this time.", valueName: "seconds"))
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
    let destination = try destination()
    var file: String?
    if case .file(let path) = destination { file = path }
    if destination == .standardOutput { Output.divert() }
    try BenchRun(bench, writing: [("--output", file)]).run { bench in
      if let url {
        try await fetch(try address(url), plan, to: destination, with: bench)
      } else {
        try await fetchFromOrigin(plan, with: bench)
      }
    }
  }

  private func address(_ url: String) throws -> HTTPAddress {
    do { return try HTTPAddress(url) } catch { throw CommandFailure.usage(error.description) }
  }

  private func destination() throws -> FetchSink.Destination {
    switch (output, url) {
    case ("-"?, _): return .standardOutput
    case (let path?, _): return .file(path)
    case (nil, nil): return .discard
    case (nil, let url?):
      let name = try address(url).suggestedFileName
      return .file(continues ? name : FetchSink.freeName(name))
    }
  }

  private func plan() throws -> FetchOptions {
    var options = FetchOptions()
    if let url { _ = try address(url) }
    try Seconds.check(connectTimeout, option: "--connect-timeout")
    try Seconds.check(timeout, option: "--timeout")
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
      else { throw CommandFailure.usage("--header \"\(text.singleLine)\": write NAME: VALUE, on one line") }
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

  private func fetchFromOrigin(_ plan: FetchOptions, with bench: Bench) async throws -> BenchRun.Ending {
    let byteCount = try ByteSize.parse(size ?? "64MiB", option: "--size")
    let origin = try await OriginServer.start()
    let content = OriginContent(byteCount: byteCount)
    let address = try HTTPAddress("http://\(bench.host):\(origin.port)/bytes/\(byteCount)")
    let result: Result<BenchRun.Ending, any Error>
    do {
      result = .success(
        try await fetch(address, plan, to: .discard, with: bench, expected: content.digest, showsPath: true))
    } catch {
      result = .failure(error)
    }
    await origin.stop()
    return try result.get()
  }

  private func fetch(
    _ address: HTTPAddress, _ plan: FetchOptions, to destination: FetchSink.Destination, with bench: Bench,
    expected: String? = nil, showsPath: Bool = false
  ) async throws -> BenchRun.Ending {
    let expected = expected ?? sha256?.lowercased()
    let sink = FetchSink(destination, hashing: expected != nil)
    let fetch = HTTPFetch(system: bench.station.system) { (host, limit) async throws(FetchError) in
      try await bench.resolve(host, within: limit)
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
      let error = FetchError.digestMismatch(expected: expected, actual: sink.digest ?? "")
      throw CommandFailure(error.description + (sink.path.map { "; kept as \($0)" } ?? ""))
    }
    if showsPath || counters { await bench.settle() }
    let summary = FetchSummary(
      result, output: destination == .standardOutput ? "-" : sink.path, sha256: sink.digest, verified: expected != nil,
      retransmissions: bench.station.stack.tcp.counters.retransmittedSegments - before,
      path: showsPath || counters ? bench.report : nil)
    return { try show(summary, hasBody: destination == .standardOutput) }
  }

  private func show(_ summary: FetchSummary, hasBody: Bool) throws {
    if bench.json { return try Output.json(summary) }
    if hasBody {
      Diagnostics.print(summary.line)
      if let path = summary.path { Diagnostics.print(path.text) }
    } else {
      if let path = summary.path { try Output.line(path.text) }
      try Output.line(summary.line)
    }
  }
}
