import EventLoop
import LinuxABI

/// What came of one fetch of a scenario.
public struct ScenarioOutcome: Sendable, Codable, Equatable {
  public let name: String
  public let status: Int?
  public let bytes: Int64
  public let seconds: Double
  public let attempts: Int
  public let retransmissions: UInt64
  /// What the fetch failed with, expected or not.
  public let failure: String?
  /// What differs from the expectation; empty if nothing.
  public let mismatches: [String]

  public var isAsExpected: Bool { mismatches.isEmpty }
}

/// Runs scenarios, each fetch on a bench of its own against one embedded origin.
public struct ScenarioRun {
  public init() {}

  /// Runs all fetches of `file` in order.
  public func run(_ file: ScenarioFile) throws(BenchError) -> [ScenarioOutcome] {
    var outcomes: [ScenarioOutcome] = []
    for fetch in file.fetches { outcomes.append(try run(fetch)) }
    return outcomes
  }

  private func run(_ fetch: ScenarioFetch) throws(BenchError) -> ScenarioOutcome {
    var options = BenchOptions()
    options.seed = fetch.seed
    options.cable.impairment = fetch.impairment
    options.station.mtu = fetch.mtu
    options.station.driver.segmentation = fetch.segmentationOffload
    options.station.driver.checksumOffload = fetch.checksumOffload
    let bench = try Bench(options)
    do {
      return try bench.loop.run {
        let origin = try await OriginServer.start()
        do {
          try await bench.start()
          let outcome = await attempt(fetch, on: bench, origin: origin)
          try await bench.stop()
          await origin.stop()
          return outcome
        } catch {
          await origin.stop()
          throw error
        }
      }
    } catch let error as BenchError {
      throw error
    } catch {
      throw .file(path: fetch.name, reason: String(describing: error))
    }
  }

  private func attempt(_ fetch: ScenarioFetch, on bench: Bench, origin: OriginServer) async -> ScenarioOutcome {
    var plan = FetchOptions()
    plan.method = fetch.method
    plan.headers = fetch.headers.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    plan.body = fetch.body.map { Array($0.utf8) }
    plan.retries = fetch.retries
    plan.timeout = .seconds(fetch.timeout)
    plan.connectTimeout = .seconds(fetch.connectTimeout)
    let sink = FetchSink(.discard, hashing: true)
    let client = HTTPFetch(system: bench.station.system) { (host, limit) async throws(FetchError) in
      try await bench.resolve(host, within: limit)
    }
    let start = bench.loop.now
    var result: FetchResult?
    var failure: FetchError?
    do throws(FetchError) {
      let url: String =
        switch fetch.source {
        case .url(let url): url
        case .origin(let path): "http://\(bench.host):\(origin.port)\(path)"
        }
      result = try await client.fetch(try HTTPAddress(url), into: sink, options: plan)
    } catch {
      failure = error
    }
    let retransmissions = bench.station.stack.tcp.counters.retransmittedSegments
    return ScenarioOutcome(
      name: fetch.name, status: result?.status, bytes: sink.offset, seconds: (bench.loop.now - start).seconds,
      attempts: result?.attempts ?? 1, retransmissions: retransmissions, failure: failure?.description,
      mismatches: mismatches(fetch, result, failure, sink, retransmissions))
  }

  private func mismatches(
    _ fetch: ScenarioFetch, _ result: FetchResult?, _ failure: FetchError?, _ sink: FetchSink, _ retransmissions: UInt64
  ) -> [String] {
    let expected = fetch.expectation
    var mismatches: [String] = []
    func compare<T: Equatable>(_ what: String, _ wanted: T?, _ actual: T?) {
      guard let wanted, wanted != actual else { return }
      mismatches.append("\(what) is \(actual.map { "\($0)" } ?? "unknown"), expected \(wanted)")
    }
    if let wanted = expected.failure {
      if let failure {
        if !failure.description.contains(wanted) {
          mismatches.append("failed with \"\(failure)\", expected \"\(wanted)\"")
        }
      } else {
        mismatches.append("succeeded, expected the failure \"\(wanted)\"")
      }
    } else if let failure {
      mismatches.append(failure.description)
    }
    compare("status", expected.status, result?.status)
    compare("size", expected.size, sink.offset)
    compare("SHA-256", expected.sha256 ?? (failure == nil ? Self.originDigest(fetch) : nil), sink.digest)
    compare("attempts", expected.attempts, result?.attempts)
    compare("redirects", expected.redirects, result?.redirects)
    if let most = expected.retransmissions, retransmissions > most {
      mismatches.append("\(retransmissions) retransmissions, expected \(most) at most")
    }
    return mismatches
  }

  /// SHA-256 of what the origin serves under the fetch's path, where that is its content.
  private static func originDigest(_ fetch: ScenarioFetch) -> String? {
    guard case .origin(let path) = fetch.source, fetch.method == "GET", fetch.headers.isEmpty else { return nil }
    let parts = path.split(separator: "/")
    guard let kind = parts.first, ["bytes", "chunked", "redirect", "flaky"].contains(kind),
      let count = parts.last.flatMap({ Int($0) })
    else { return nil }
    return OriginContent(byteCount: count).digest
  }
}
