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
    try Seconds.check(interval, option: "--interval", in: 0...1_000_000)
    try Seconds.check(timeout, option: "--timeout")
    let isQuiet = bench.json
    try BenchRun(bench).run { bench in
      let addresses: [IPAddressText]
      do { addresses = try await bench.resolve(host).map(IPAddressText.init) } catch {
        throw CommandFailure(String(describing: error))
      }
      let plan = plan(to: addresses[0])
      if !isQuiet { try Output.line("PING \(host) (\(addresses[0].text)): \(size) data bytes") }
      let report: PingReport
      var unwritable: (any Error)?
      do {
        report = try await bench.station.ping(plan) { event in
          guard !isQuiet, unwritable == nil else { return }
          do {
            switch event {
            case .reply(let reply): try Output.line(reply.text)
            case .problem(let problem): try Output.line(problem.text)
            }
          } catch {
            unwritable = error
            // Nobody sees what further requests bring.
            bench.loop.stop()
          }
        }
      } catch {
        throw unwritable ?? CommandFailure("ping \(host): \(plan.explanation(of: error))")
      }
      if let unwritable { throw unwritable }
      return { try conclude(report) }
    }
  }

  private func plan(to address: IPAddressText) -> PingPlan {
    var plan = PingPlan(to: address.address)
    plan.count = count
    plan.interval = .seconds(interval)
    plan.timeout = .seconds(timeout)
    plan.payloadByteCount = size
    plan.allowsBroadcast = broadcast
    return plan
  }

  private func conclude(_ report: PingReport) throws {
    if !bench.json { try Output.line(report.text) }
    guard report.received == 0 else {
      if bench.json { try Output.json(report) }
      return
    }
    let requests = report.sent == 1 ? "the request" : "any of \(report.sent) requests"
    // Who was told why needs no other advice.
    let advice = report.problems.isEmpty ? "; is the address right? -W waits longer than \(timeout) s" : ""
    throw CommandFailure("\(host) did not answer \(requests)\(advice)", result: .object(report))
  }
}
