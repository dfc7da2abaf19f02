import ArgumentParser
import Bench
import Foundation

struct Ping: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "ICMP echo through every layer of the bench.",
    discussion: """
      libslirp answers for 10.0.2.2 itself; other addresses need the host's leave to open ICMP sockets.

      EXAMPLES
        workbench ping 10.0.2.2 -c 3
        workbench ping 10.0.2.2 --impair delay=20ms±5ms
      """)

  @Argument(help: "A name or an IPv4 address.")
  var host: String

  @Option(name: [.customShort("c"), .long], help: "How many echo requests.")
  var count = 4

  @Option(name: [.customShort("i"), .long], help: ArgumentHelp("Time between requests.", valueName: "seconds"))
  var interval = 1.0

  @Option(name: [.customShort("s"), .long], help: ArgumentHelp("Payload of a request.", valueName: "bytes"))
  var size = 56

  @Option(name: [.customShort("W"), .long], help: ArgumentHelp("How long to wait for a reply.", valueName: "seconds"))
  var timeout = 4.0

  @Flag(name: [.customShort("b"), .long], help: "Allow a broadcast address.")
  var broadcast = false

  @OptionGroup var bench: BenchArguments

  func run() throws {
    guard (1...1_000_000).contains(count) else { throw CommandFailure.usage("--count \(count): not in 1...1000000") }
    guard (0...65_507).contains(size) else { throw CommandFailure.usage("--size \(size): not in 0...65507") }
    guard interval >= 0, interval < 1e6, timeout > 0, timeout < 1e6 else {
      throw CommandFailure.usage("--interval and --timeout must be positive")
    }
    try BenchRun(bench).run { bench in
      let addresses: [IPAddressText]
      do { addresses = try await bench.resolve(host).map(IPAddressText.init) } catch {
        throw CommandFailure(String(describing: error))
      }
      var plan = PingPlan(to: addresses[0].address)
      plan.count = count
      plan.interval = .seconds(interval)
      plan.timeout = .seconds(timeout)
      plan.payloadByteCount = size
      plan.allowsBroadcast = broadcast
      let isQuiet = self.bench.json
      if !isQuiet { Output.line("PING \(host) (\(addresses[0].text)): \(size) data bytes") }
      let report: PingReport
      do {
        report = try await bench.station.ping(plan) { event in
          guard !isQuiet else { return }
          switch event {
          case .reply(let reply): Output.line(reply.text)
          case .problem(let problem): Output.line(problem.text)
          }
        }
      } catch {
        throw CommandFailure("ping \(host): \(plan.explanation(of: error))")
      }
      if isQuiet { try Output.json(report) } else { Output.line(report.text) }
      if report.received == 0 { throw CommandFailure("\(host) did not answer any of \(report.sent) requests") }
    }
  }
}
