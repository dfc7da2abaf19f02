import ArgumentParser
import Bench
import Wires

struct Simulate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Two benches on one wire in virtual time, under faults, over many seeds.",
    discussion: """
      Each run connects, sends bytes both ways at once, closes, and checks that the bytes are equal, all buffers came \
      back and no timer is left. Without --impair every seed draws its own faults, up to 10 % loss. A run is a \
      function of its seed; a failure prints the command that shows it again.

      EXAMPLES
        workbench simulate --seeds 1000
        workbench simulate --seed 42 --bytes 100MB --impair loss=1%,delay=10ms --capture run.pcapng
      """)

  @Option(help: "How many seeds, counted up from --seed.")
  var seeds = 100

  @Option(help: "The first seed.")
  var seed: UInt64 = 1

  @Option(help: ArgumentHelp("Bytes in each direction.", valueName: "size"))
  var bytes = "1MB"

  @Option(help: ArgumentHelp("Faults on the wire; default: drawn from the seed.", valueName: "faults"))
  var impair: String?

  @Option(help: ArgumentHelp("Largest IP datagram of a frame.", valueName: "bytes"))
  var mtu = 1500

  @Option(help: ArgumentHelp("Write the wire of the run to a pcapng file; only with one seed.", valueName: "file"))
  var capture: String?

  @Flag(help: "Run every seed twice and compare every frame.")
  var twice = false

  @Flag(help: "Leave segmentation to the stack instead of the NIC.")
  var noSegmentationOffload = false

  @Flag(name: [.customShort("v"), .long], help: "Print every event, a line each, to standard error.")
  var verbose = false

  @Flag(help: "Print the results as JSON.")
  var json = false

  func run() throws {
    guard (1...1_000_000).contains(seeds) else { throw CommandFailure.usage("--seeds \(seeds): not in 1...1000000") }
    guard Station.Options.mtuRange.contains(mtu) else { throw CableArguments.badMTU(mtu) }
    try CableArguments.checkCapture(capture)
    guard capture == nil || seeds == 1 else { throw CommandFailure.usage("--capture needs --seeds 1") }
    try OutputFiles.check([("--capture", capture)])
    OutputFiles.announceWaiting(for: capture)
    let byteCount = try ByteSize.parse(bytes, option: "--bytes")
    var settings: ImpairmentSettings?
    if let impair {
      do { settings = try ImpairmentSettings(impair) } catch { throw CommandFailure.usage("--impair: \(error)") }
    }
    var results: [SimulationResult] = []
    for seed in seed..<(seed + UInt64(seeds)) {
      var plan = SimulationPlan(seed: seed)
      plan.byteCount = byteCount
      plan.impairment = settings
      plan.station.mtu = mtu
      plan.station.driver.segmentation = !noSegmentationOffload
      plan.capturePath = capture
      if verbose { plan.eventSink = { Diagnostics.print($0) } }
      let result = try simulate(plan)
      if twice {
        let again = try simulate(plan)
        guard again == result else {
          throw CommandFailure("seed \(seed): two runs differ: \(result.fingerprint) and \(again.fingerprint)")
        }
      }
      results.append(result)
      if !json && (seeds <= 20 || verbose) { try Output.line(Self.text(result)) }
    }
    if json { try Output.json(results) } else { try Output.line(Self.summary(results)) }
  }

  private func simulate(_ plan: SimulationPlan) throws -> SimulationResult {
    do { return try Simulation(plan).run() } catch { throw CommandFailure(String(describing: error)) }
  }

  private static func text(_ result: SimulationResult) -> String {
    "seed \(result.seed): \(Rate.seconds(result.seconds)) s virtual, \(result.frames) frames, "
      + "\(result.retransmissions) retransmissions, \(result.fingerprint), \(result.impairment)"
  }

  private static func summary(_ results: [SimulationResult]) -> String {
    let frames = results.reduce(0) { $0 + $1.frames }
    let retransmissions = results.reduce(0) { $0 + $1.retransmissions }
    return "\(results.count) runs: all bytes equal, all buffers returned, no timer left; \(frames) frames, "
      + "\(retransmissions) retransmissions"
  }
}
