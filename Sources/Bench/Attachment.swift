import EventLoop
import Events
import Machine
import QEMU
import VfioUser
import Wires

/// Where the NIC is that a bench drives.
public enum Attachment: Sendable, Equatable {
  /// A model in the bench's own process, its cable the bench's.
  case inProcess
  /// Behind a vfio-user server, at a socket: a `workbench device`, or any other.
  case vfioUser(path: String)
  /// QEMU's own e1000, in a QEMU that is started for it, its cable in QEMU's user network.
  case qtest
}

/// A function in another process, and what is needed to reach it.
final class RemoteFunction {
  let function: any FunctionHandle
  private let client: VfioUserClient?
  private let qemu: QTestMachine?

  /// Nil for a NIC in process.
  init?(_ bench: BenchOptions, on loop: EpollLoop, tap: EventTap) throws(BenchError) {
    let memoryByteCount = bench.station.board.machine.memoryByteCount
    switch bench.attachment {
    case .inProcess: return nil
    case .vfioUser(let path):
      do throws(VfioUserError) {
        let client = try VfioUserClient(path: path, on: loop, tap: tap, memoryByteCount: memoryByteCount)
        self.client = client
        function = client
        qemu = nil
      } catch {
        throw .vfioUser(error)
      }
    case .qtest:
      var options = QTestMachine.Options()
      options.memoryByteCount = memoryByteCount
      options.portForwards = bench.cable.slirp.forwards.map(QEMU.PortForward.init)
      let machine: QTestMachine
      do throws(QEMUError) {
        let installation = try QEMUInstallation.find(requiring: [options.device])
        machine = try QTestMachine(installation, on: loop, tap: tap, options: options)
      } catch {
        throw .qemu(error)
      }
      guard let function = machine.networkController else { throw .noController }
      self.function = function
      qemu = machine
      client = nil
    }
  }

  /// Why the function is gone; nil while it is there.
  var failure: BenchError? {
    if let error = client?.failure { return .vfioUser(error) }
    if let error = qemu?.failure { return .qemu(error) }
    return nil
  }

  /// After the driver has stopped.
  func close() async {
    client?.close()
    await qemu?.close()
  }

  func add(to report: inout PathReport) {
    if let client { report.add("vfio-user client", client.counters) }
    if let qemu {
      report.add("qtest", qemu.connection.counters)
      report.add("interrupts", qemu.interrupts.counters)
    }
  }
}

extension QEMU.PortForward {
  init(_ forward: Wires.PortForward) {
    self.init(
      forward.transport == .udp ? .udp : .tcp, hostAddress: IPAddressText(forward.hostAddress).text,
      hostPort: forward.hostPort,
      guestAddress: forward.guestAddress.map { IPAddressText($0).text }, guestPort: forward.guestPort)
  }
}
