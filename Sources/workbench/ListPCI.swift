import ArgumentParser
import Bench
import Glibc
import Machine

struct ListPCI: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lspci",
    abstract: "The emulated PCI bus, decoded like lspci -nn -v.",
    discussion: """
      Without --of a bench is built and its bus listed after the driver has started. With --of the bus of a running \
      bench is read from its shared memory, which does not disturb it.

      EXAMPLES
        workbench lspci
        workbench lspci --of $(pgrep -n workbench) --json
      """)

  @Option(help: ArgumentHelp("A running bench: its process id, or the file of --machine.", valueName: "pid|path"))
  var of: String?

  @OptionGroup var bench: BenchArguments

  func run() throws {
    let devices = try MachineView(of: of, bench).read { $0.devices }
    if bench.json { try Output.json(devices) } else { try Output.line(devices.listing) }
  }
}

/// The shared memory of a machine: of a running bench, or of one that is built for the purpose.
struct MachineView {
  private let target: String?
  private let arguments: BenchArguments

  init(of target: String?, _ arguments: BenchArguments) {
    self.target = target
    self.arguments = arguments
  }

  func read<T>(_ body: @escaping (MachineImage) throws -> T) throws -> T {
    if let target {
      do { return try body(MachineImage(reading: target)) } catch let error as MachineImageError {
        throw CommandFailure(Self.text(error, target), code: 66)
      }
    }
    guard arguments.attach == "in-process" else {
      throw CommandFailure.usage("--attach \(arguments.attach): that NIC is in another process; read it with --of PID")
    }
    var result: T?
    var arguments = arguments
    // The bus needs no network, and so no libslirp unless something is asked of it.
    arguments.address = arguments.address ?? "10.0.2.15/24"
    if arguments.cable.given.isEmpty { arguments.cable.wire = "loop" }
    try BenchRun(arguments).run { bench in
      let image: MachineImage
      do {
        image = try arguments.machine.map { try MachineImage(reading: $0) } ?? MachineImage(process: getpid())
      } catch {
        throw CommandFailure(String(describing: error))
      }
      result = try body(image)
      return {}
    }
    return result!
  }

  /// The target once: most of these errors begin with it.
  private static func text(_ error: MachineImageError, _ target: String) -> String {
    let text = error.description
    var remedy = ""
    if case .unreadable = error { remedy = "; name a running bench's process id, or the file of its --machine" }
    return "--of " + (text.hasPrefix(target) ? text : "\(target): \(text)") + remedy
  }
}
