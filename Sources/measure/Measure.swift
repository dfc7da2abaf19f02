import ArgumentParser

/// The inner loops of the bench, alone, for `make bench`: run under a profiler or against the clock.
@main
struct Measure: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "The inner loops of the bench, for scripts/bench.", subcommands: [Frames.self, Stack.self, Slirp.self])
}
