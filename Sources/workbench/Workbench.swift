import ArgumentParser
import Bench

/// `workbench`: the command line of the bench, one file a command.
@main
struct Workbench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "workbench",
    abstract: "A network path in one process: PCI bus, e1000, driver, TCP/IP, sockets, system calls.",
    discussion: """
      Results go to standard output, diagnostics to standard error. With --json a failure is {"error": ..., "status": \
      ...}. Exit codes: 0 done, 1 the work failed, 2 bad usage, 65 a damaged file, 66 a file that cannot be read, 128 \
      and the signal's number when interrupted (130 by Ctrl-C). What there is of a result when a command fails stands \
      beside error and status; of a list, as "results".

      EXAMPLES
        workbench fetch                                  64 MiB from an embedded origin, over the whole path
        workbench fetch http://10.0.2.2:8080/file        10.0.2.2 is the host's loopback
        workbench ping 10.0.2.2
        workbench registers --rings                      the NIC's descriptor rings, decoded
      """,
    version: "workbench 0.1",
    subcommands: [
      Fetch.self, Ping.self, Resolve.self, ListPCI.self, Registers.self, Replay.self, Scenario.self, Simulate.self,
      Device.self, QEMUCommand.self, GatewayCommand.self, Doctor.self,
    ])

  /// ArgumentParser ends bad usage with sysexits' 64; the workbench says 2.
  static func main() {
    do {
      try refuseUnknownCommand(CommandLine.arguments.dropFirst())
      try QEMUCommand.refuseStrayArguments(CommandLine.arguments.dropFirst())
      var command = try parseAsRoot()
      try command.run()
    } catch let failure as CommandFailure {
      failure.end()
    } catch {
      let code = exitCode(for: error)
      guard code == .success else {
        CommandFailure(usageLine(for: error), code: code == .validationFailure ? 2 : code.rawValue).end()
      }
      do { try Output.line(fullMessage(for: error)) } catch let failure as CommandFailure {
        failure.end()
      } catch { CommandFailure(String(describing: error)).end() }
    }
  }

  /// ArgumentParser takes an unknown command for a stray argument, and answers `help nope` with the help of all.
  private static func refuseUnknownCommand(_ line: ArraySlice<String>) throws {
    var line = line
    if line.first == "help" { line = line.dropFirst() }
    let commands = configuration.subcommands.map { $0.configuration.commandName ?? "\($0)".lowercased() }
    guard let name = line.first, !name.hasPrefix("-"), !commands.contains(name), name != "help" else { return }
    throw CommandFailure.usage("no command '\(name.singleLine)'; commands are \(commands.joined(separator: ", "))")
  }

  /// What was wrong with the command line and which help to ask for, in one line: ArgumentParser says it in several.
  private static func usageLine(for error: any Error) -> String {
    let lines = fullMessage(for: error).split(separator: "\n").map(String.init)
    if let negative = negativeValue(CommandLine.arguments, complaint: lines.first ?? "") { return negative }
    let first = lines.first.map { $0.hasPrefix("Error: ") ? String($0.dropFirst(7)) : $0 } ?? "bad usage"
    let advice = lines.last { $0.contains("--help' for more information") }
    let help = advice?.split(separator: "'").dropFirst().first ?? "workbench --help"
    return "\(first); see '\(help)'"
  }

  /// ArgumentParser takes `--seed -1` for an option without a value that is followed by another one.
  private static func negativeValue(_ arguments: [String], complaint: String) -> String? {
    guard complaint.contains("Missing value for") else { return nil }
    for (option, value) in zip(arguments, arguments.dropFirst())
    where option.hasPrefix("-") && complaint.contains("'\(option) ") && value.hasPrefix("-") && Double(value) != nil {
      return "\(option) \(value): must not be negative"
    }
    return nil
  }
}
