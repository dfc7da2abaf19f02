import ArgumentParser
import Bench

struct Device: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "The NIC as a device of another program's machine, served by vfio-user.",
    discussion: """
      Serves until Ctrl-C; a QEMU may come, go and come back. With several sockets the NICs share one network: two and \
      --wire loop are joined by a cable, more by a switch. The QEMU needs guest memory that can be shared; \
      workbench qemu sets up both ends. workbench registers --of PID decodes the NIC while the guest uses it.

      EXAMPLES
        workbench device --socket nic.sock
        workbench device --socket nic.sock --nic 82545em --forward 8080:80 --capture guest.pcapng
        qemu-system-x86_64 -m 512M -object memory-backend-memfd,id=m,size=512M,share=on -machine memory-backend=m \\
          -device '{"driver":"vfio-user-pci","socket":{"type":"unix","path":"nic.sock"}}' ...
      """)

  @Option(help: ArgumentHelp("The unix socket to serve a NIC on; repeat it for more NICs.", valueName: "path"))
  var socket: [String]

  @OptionGroup var device: DeviceArguments

  func run() throws {
    guard Set(socket).count == socket.count else { throw CommandFailure.usage("--socket: the same path twice") }
    try DeviceRun(device.options(sockets: socket)).run { host in
      for device in host.devices {
        Diagnostics.print("\(device.model.controller) at \(device.server.path)")
        device.server.onConnectionChange = { isConnected in
          Diagnostics.print("\(device.server.path): \(isConnected ? "a client has come" : "the client has gone")")
        }
      }
      await host.run()
    } ending: { host in
      if device.cable.json { try Output.json(host.report) } else { try Output.line(host.report.text) }
    }
  }
}

/// Builds a ``DeviceHost``, runs a command's work on its loop, and takes it down again, also after an error or Ctrl-C.
struct DeviceRun {
  private let options: DeviceHost.Options

  init(_ options: DeviceHost.Options) { self.options = options }

  /// - Parameter ending: runs after all is taken down, also after Ctrl-C, which is no failure here.
  func run(
    _ work: @escaping (DeviceHost) async throws -> Void, ending: @escaping (DeviceHost) throws -> Void
  ) throws {
    OutputFiles.announceWaiting(for: options.cable.capturePath)
    let host: DeviceHost
    do { host = try DeviceHost(options) } catch { throw CommandFailure(error.description) }
    let signals = Signals { [loop = host.loop] in loop.stop() }
    defer { signals.cancel() }
    do {
      try host.loop.run {
        let result: Result<Void, any Error>
        do { result = .success(try await work(host)) } catch { result = .failure(error) }
        try host.close()
        if !signals.wereCaught { try result.get() }
      }
    } catch let failure as CommandFailure {
      throw failure
    } catch {
      throw CommandFailure(String(describing: error))
    }
    try ending(host)
  }
}
