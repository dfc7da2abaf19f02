import Foundation
import Glibc
import Testing

extension RealThings {
  @Suite("A NIC in another process") struct AttachmentTests {
    /// A `workbench device` that listens on its sockets.
    private func device(_ arguments: [String], in folder: TemporaryFolder) async throws -> ChildProcess {
      let program = try WorkbenchProgram.start(["device"] + arguments, in: folder)
      let sockets = zip(arguments, arguments.dropFirst()).filter { $0.0 == "--socket" }.map(\.1)
      let listens = try await onThread { waitUntil { sockets.allSatisfy { access(folder.file($0), F_OK) == 0 } } }
      try #require(listens, "\(program.diagnostics)")
      return program
    }

    @Test("is driven by vfio-user: a large fetch arrives whole, and the next client finds the device as new")
    func fetch() async throws {
      let folder = try TemporaryFolder()
      let device = try await device(["--socket", "nic.sock", "--nic", "82545em"], in: folder)
      for _ in 0..<2 {
        let outcome = try await WorkbenchProgram.succeed(["fetch", "--attach", "vfio-user:nic.sock"], in: folder)
        #expect(outcome.output.contains("SHA-256 verified"), "\(outcome.output)")
        #expect(outcome.output.contains("vfio-user client"))
      }
      device.send(SIGTERM)
      let outcome = try await device.end(limit: 5)
      #expect(outcome.code == 0, "\(outcome.diagnostics)")
      #expect(outcome.output.contains("connections 2, disconnections 2"), "\(outcome.output)")
      #expect(folder.entries == [])
    }

    @Test("can be looked into from a third process while it is driven")
    func inspection() async throws {
      let folder = try TemporaryFolder()
      let device = try await device(["--socket", "nic.sock", "--mac", "02:00:00:aa:bb:cc"], in: folder)
      defer { device.terminate() }
      let ping = try WorkbenchProgram.start(
        ["ping", "10.0.2.2", "-c", "1000", "-i", "0.05", "--attach", "vfio-user:nic.sock"], in: folder)
      let runs = try await onThread { waitUntil { ping.output.contains("seq=3") } }
      try #require(runs, "\(ping.diagnostics)")
      let outcome = try await WorkbenchProgram.succeed(["registers", "RCTL", "RAL", "--of", "\(device.pid)"])
      #expect(outcome.output.contains("82540EM") && outcome.output.contains("EN"), "\(outcome.output)")
      #expect(outcome.output.contains("aa000002"), "\(outcome.output)")
      ping.terminate()
    }

    @Test("has a cable to the NICs of the same device process")
    func cable() async throws {
      let folder = try TemporaryFolder()
      let device = try await device(["--socket", "a.sock", "--socket", "b.sock", "--wire", "loop"], in: folder)
      defer { device.terminate() }
      let other = try WorkbenchProgram.start(
        ["ping", "10.9.0.2", "-c", "1000", "--attach", "vfio-user:a.sock", "--address", "10.9.0.1/24"], in: folder)
      defer { other.terminate() }
      let outcome = try await WorkbenchProgram.succeed(
        ["ping", "10.9.0.1", "-c", "2", "-i", "0.1", "--attach", "vfio-user:b.sock", "--address", "10.9.0.2/24"],
        in: folder)
      #expect(outcome.output.contains("2 sent, 2 received"), "\(outcome.output)")
    }

    @Test("that goes away ends the work with one line that says so")
    func serverDies() async throws {
      let folder = try TemporaryFolder()
      let device = try await device(["--socket", "nic.sock"], in: folder)
      let ping = try WorkbenchProgram.start(
        ["ping", "10.0.2.2", "-c", "20", "-i", "0.2", "-W", "0.2", "--attach", "vfio-user:nic.sock"], in: folder)
      let runs = try await onThread { waitUntil { ping.output.contains("seq=2") } }
      try #require(runs, "\(ping.diagnostics)")
      device.send(SIGKILL)
      _ = try await device.end(limit: 5)
      let outcome = try await ping.end(limit: 20)
      #expect(outcome.code == 1)
      #expect(outcome.diagnostics.last?.contains("the device's server ended the connection") == true)
    }

    @Test("may be QEMU's own e1000, reached by qtest")
    func qtest() async throws {
      let outcome = try await WorkbenchProgram.succeed(["fetch", "--attach", "qtest"], limit: 60)
      #expect(outcome.output.contains("SHA-256 verified"), "\(outcome.output)")
      #expect(outcome.output.contains("qtest"))
      let ping = try await WorkbenchProgram.succeed(["ping", "10.0.2.2", "-c", "2", "-i", "0.1", "--attach", "qtest"])
      #expect(ping.output.contains("2 sent, 2 received"), "\(ping.output)")
    }

    @Test(
      "that is not there, or whose cable is meant, is an error",
      arguments: [
        (["--attach", "vfio-user:none.sock"], Int32(1), "cannot connect to none.sock: No such file or directory"),
        (["--attach", "vfio-user:"], 2, "write in-process, vfio-user:SOCKET or qtest"),
        (["--attach", "pci"], 2, "write in-process, vfio-user:SOCKET or qtest"),
        (["--attach", "qtest", "--impair", "loss=1%"], 2, "--impair: the NIC and its cable are in another process"),
        (["--attach", "vfio-user:none.sock", "--forward", "8080:80"], 2, "--forward: the NIC and its cable"),
      ])
    func errors(_ arguments: [String], _ code: Int32, _ message: String) async throws {
      try await WorkbenchProgram.fail(["ping", "10.0.2.2", "-c", "1"] + arguments, code: code, message)
    }

    @Test("is not served where another one is, or where a file is in the way")
    func sockets() async throws {
      let folder = try TemporaryFolder()
      let device = try await device(["--socket", "nic.sock"], in: folder)
      defer { device.terminate() }
      try folder.write("text", to: "file")
      try await WorkbenchProgram.fail(
        ["device", "--socket", "nic.sock"], code: 1, "another program serves this socket", in: folder)
      try await WorkbenchProgram.fail(["device", "--socket", "file"], code: 1, "not a socket", in: folder)
      try await WorkbenchProgram.fail(
        ["device", "--socket", "a", "--socket", "a"], code: 2, "the same path twice", in: folder)
      try await WorkbenchProgram.fail(
        ["device", "--socket", "a", "--mac", "01:00:00:00:00:01"], code: 2, "the address of one station", in: folder)
      try await WorkbenchProgram.fail(["device", "--socket", "a", "--rom", "none"], code: 66, "--rom none", in: folder)
      try await WorkbenchProgram.fail(
        ["device", "--socket", "a", "--rom", "file"], code: 1, "does not begin with 55 AA", in: folder)
    }

    @Test("two benches meet on the wire of a QEMU socket backend")
    func socketWire() async throws {
      let folder = try TemporaryFolder()
      let other = try WorkbenchProgram.start(
        ["ping", "10.9.0.2", "-c", "1000", "--wire", "stream:listen:unix:wire.sock", "--address", "10.9.0.1/24"],
        in: folder)
      defer { other.terminate() }
      let outcome = try await WorkbenchProgram.succeed(
        ["ping", "10.9.0.1", "-c", "2", "-i", "0.1", "--wire", "stream:unix:wire.sock", "--address", "10.9.0.2/24"],
        in: folder)
      #expect(outcome.output.contains("2 sent, 2 received"), "\(outcome.output)")
    }

    @Test("a QEMU that cannot take our device is named, with what to do about it")
    func unsuitableQEMU() async throws {
      let folder = try TemporaryFolder()
      try folder.write("#!/bin/sh\necho no QEMU at all\n", to: "qemu")
      chmod(folder.file("qemu"), 0o755)
      try await WorkbenchProgram.fail(
        ["qemu", "--", "-nographic"], code: 1, "make qemu", environment: ["WIREBENCH_QEMU": folder.file("qemu")])
    }
  }
}
