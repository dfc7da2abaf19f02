import CLinux
import EventLoop
import Foundation
import Glibc
import Packets
import QEMU
import Wires

/// What a machine has for the bench and for what comes around it.
public struct Diagnosis {
  public struct Finding: Sendable, Codable, Equatable {
    public enum State: String, Sendable, Codable { case ok, missing, limited }
    public let subject: String
    public let state: State
    public let detail: String
    /// What to do about it.
    public let advice: String?
    /// The main path does not work without it.
    public let isRequired: Bool
  }

  public init() {}

  public var findings: [Finding] {
    [sharedMemory, slirp, seccomp, tap, qemu, tshark, cores]
  }

  /// Pings the gateway of a bench that has started: system calls, stack, driver, bus, model and libslirp in one go.
  public static func tryPath(of bench: Bench) async throws -> Finding {
    var plan = PingPlan(to: IPAddress(bench.host))
    plan.count = 1
    let report = try await bench.station.ping(plan) { _ in }
    guard report.received == 1 else { return pathIsBroken("\(bench.host) does not answer a ping") }
    let address = bench.station.interface.addresses.first?.description ?? "no address"
    return Finding(
      subject: "the path", state: .ok,
      detail: "\(bench.station.driver.name) has \(address); \(bench.host) answers in "
        + "\(report.replies[0].milliseconds) ms", advice: nil, isRequired: true)
  }

  /// The finding of a bench that does not work.
  public static func pathIsBroken(_ reason: String) -> Finding {
    Finding(
      subject: "the path", state: .missing, detail: reason,
      advice: "workbench ping 10.0.2.2 -v shows how far it gets", isRequired: true)
  }

  private func finding(
    _ subject: String, _ state: Finding.State, _ detail: String, advice: String? = nil, isRequired: Bool = false
  ) -> Finding {
    Finding(subject: subject, state: state, detail: detail, advice: advice, isRequired: isRequired)
  }

  private var sharedMemory: Finding {
    let descriptor = clinux_memfd_create("wirebench-doctor")
    guard descriptor >= 0 else {
      return finding(
        "shared memory", .missing, "memfd_create: \(String(cString: strerror(errno)))",
        advice: "a Linux kernel of 3.17 or newer is needed", isRequired: true)
    }
    close(descriptor)
    return finding("shared memory", .ok, "memfd_create works", isRequired: true)
  }

  private var slirp: Finding {
    do throws(SlirpError) {
      return finding("libslirp", .ok, "version \(try SlirpWire.libraryVersion())", isRequired: true)
    } catch {
      return finding(
        "libslirp", .missing, error.description, advice: "apt-get install libslirp0, or make deps", isRequired: true)
    }
  }

  private var seccomp: Finding {
    let actions = read("/proc/sys/kernel/seccomp/actions_avail")
    guard actions.contains("user_notif") else {
      return finding("seccomp", .limited, "no user notification", advice: "unmodified programs need Linux 5.9 or newer")
    }
    return finding("seccomp", .ok, "user notification is available")
  }

  private var tap: Finding {
    guard access("/dev/net/tun", F_OK) == 0 else {
      return finding("tap", .limited, "/dev/net/tun is not there", advice: "modprobe tun; slirp needs no tap")
    }
    guard access("/dev/net/tun", R_OK | W_OK) == 0 else {
      return finding("tap", .limited, "/dev/net/tun may not be opened by this user", advice: "slirp needs no tap")
    }
    return finding("tap", .ok, "/dev/net/tun can be opened")
  }

  /// The QEMU that would be used: one that can take our device if there is one, else any.
  private var qemu: Finding {
    let limit = TimeSpan.seconds(5)
    do throws(QEMUError) {
      let found = try QEMUInstallation.find(requiring: [QEMUInstallation.vfioUserDevice], limit: limit)
      return finding("QEMU", .ok, "\(found.version) with \(QEMUInstallation.vfioUserDevice), \(found.path)")
    } catch {
      guard let found = try? QEMUInstallation.find(limit: limit) else {
        return finding("QEMU", .limited, error.description, advice: error.advice)
      }
      return finding(
        "QEMU", .limited, "\(found.version) without \(QEMUInstallation.vfioUserDevice), \(found.path)",
        advice: QEMUInstallation.vfioUserAdvice)
    }
  }

  private var tshark: Finding {
    guard let path = program("tshark") else {
      return finding("tshark", .limited, "not installed", advice: "apt-get install tshark, to look into captures")
    }
    return finding("tshark", .ok, path)
  }

  private var cores: Finding { finding("processors", .ok, "\(ProcessInfo.processInfo.activeProcessorCount)") }

  private func read(_ path: String) -> String {
    FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  /// Where `name` is found in PATH.
  private func program(_ name: String) -> String? {
    (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
      .map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
  }
}
