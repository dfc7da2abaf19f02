import ArgumentParser

/// `workbench`: the command line of the bench, one file a command.
@main
struct Workbench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "workbench",
    abstract: "A network path in one process: PCI bus, e1000, driver, TCP/IP, sockets, system calls.",
    discussion: """
      Results go to standard output, diagnostics to standard error. Exit codes: 0 done, 1 the work failed, 2 bad usage, \
      65 a damaged file, 66 a file that cannot be read.

      EXAMPLES
        workbench fetch                                  64 MiB from an embedded origin, over the whole path
        workbench fetch http://10.0.2.2:8080/file        10.0.2.2 is the host's loopback
        workbench ping 10.0.2.2
        workbench lspci -v
      """,
    subcommands: [
      Fetch.self, Ping.self, Resolve.self, ListPCI.self, Registers.self, Replay.self, Scenario.self, Simulate.self,
      Device.self, QEMUCommand.self, GatewayCommand.self, Doctor.self,
    ])

  /// ArgumentParser ends bad usage with sysexits' 64; the workbench says 2.
  static func main() {
    do {
      try QEMUCommand.refuseStrayArguments(CommandLine.arguments.dropFirst())
      var command = try parseAsRoot()
      try command.run()
    } catch let failure as CommandFailure {
      failure.report()
      exit(withCode: failure.code)
    } catch {
      let code = exitCode(for: error)
      if code == .success {
        print(fullMessage(for: error))
      } else {
        Diagnostics.print("workbench: " + usageLine(for: error))
      }
      exit(withCode: code == .validationFailure ? 2 : code.rawValue)
    }
  }

  /// What was wrong with the command line and which help to ask for, in one line: ArgumentParser says it in several.
  private static func usageLine(for error: any Error) -> String {
    let lines = fullMessage(for: error).split(separator: "\n").map(String.init)
    let first = lines.first.map { $0.hasPrefix("Error: ") ? String($0.dropFirst(7)) : $0 } ?? "bad usage"
    let advice = lines.last { $0.contains("--help' for more information") }
    let help = advice?.split(separator: "'").dropFirst().first ?? "workbench --help"
    return "\(first); see '\(help)'"
  }
}
