import Bench
import Dispatch
import Glibc

/// Builds the bench of a command, runs the command's work on its loop, and takes everything down again, also after an
/// error or Ctrl-C.
struct BenchRun {
  /// What a command prints in the end: after all is taken down, because a capture may fail at its very end.
  typealias Ending = () throws -> Void

  private let options: BenchOptions

  /// - Parameter outputs: further files that the command writes, by their options.
  init(_ arguments: BenchArguments, writing outputs: [(option: String, path: String?)] = []) throws {
    options = try arguments.options()
    let own = [("--capture", arguments.cable.capture), ("--machine", arguments.machine)]
    try OutputFiles.check(own + outputs)
  }

  func run(_ work: @escaping (Bench) async throws -> Ending) throws {
    OutputFiles.announceWaiting(for: options.cable.capturePath)
    let bench: Bench
    do { bench = try Bench(options) } catch { throw CommandFailure(error.description) }
    let signals = Signals { [loop = bench.loop] in loop.stop() }
    defer { signals.cancel() }
    do {
      let ending = try bench.loop.run {
        let result: Result<Ending, any Error>
        do {
          try await bench.start()
          result = .success(try await work(bench))
        } catch {
          result = .failure(error)
        }
        // A NIC that went away explains what became of the work.
        let failure = bench.failure
        do { try await bench.stop() } catch {
          // Of two failures the work's is the one that ends the command.
          guard case .failure = result else { throw error }
          Diagnostics.print("workbench: \(error)")
        }
        if let failure { throw CommandFailure(failure.description) }
        return try result.get()
      }
      try ending()
    } catch let failure as CommandFailure {
      throw signals.interruption ?? failure
    } catch {
      throw signals.interruption ?? CommandFailure(String(describing: error))
    }
  }
}

/// SIGINT, SIGTERM and SIGHUP as a call.
final class Signals: @unchecked Sendable {
  private var sources: [any DispatchSourceSignal] = []
  private let queue = DispatchQueue(label: "signals")
  private var caught: Int32?

  init(_ handler: @escaping @Sendable () -> Void) {
    for number in [SIGINT, SIGTERM, SIGHUP] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler { [unowned self] in
        caught = number
        handler()
      }
      source.resume()
      sources.append(source)
    }
  }

  var wereCaught: Bool { queue.sync { caught != nil } }

  /// How a command ends whose work a signal broke off: with the code that a shell gives one which died of it.
  var interruption: CommandFailure? { queue.sync { caught }.map { CommandFailure("interrupted", code: 128 + $0) } }

  func cancel() {
    for source in sources { source.cancel() }
    queue.sync {}
  }
}
