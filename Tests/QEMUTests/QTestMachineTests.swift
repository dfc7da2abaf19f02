import EventLoop
import Events
import Foundation
import Glibc
import Machine
import QEMU
import Testing

@Suite(
  "QEMU's own devices by qtest", .serialized, .enabled(if: RealQEMU.isThere, Comment(rawValue: RealQEMU.reason)))
struct QTestMachineTests {
  /// Accelerators that the machine can run with: of some QEMUs, qtest's own too, which they do not list.
  static let accelerators: [String] = {
    guard let qemu = try? RealQEMU.result.get() else { return [] }
    var options = QTestMachine.Options()
    options.accelerator = "qtest"
    guard let loop = try? EpollLoop(seed: 1),
      let machine = try? QTestMachine(qemu, on: loop, tap: EventTap(on: loop), options: options)
    else { return ["tcg"] }
    machine.closeNow()
    return ["tcg", "qtest"]
  }()

  /// Runs `body` on a machine, which is ended afterwards.
  private func withMachine(
    _ options: QTestMachine.Options = .init(),
    _ body: @escaping @Sendable (QTestMachine, EpollLoop) async throws -> Void
  ) throws {
    let qemu = try RealQEMU.result.get()
    try onLoop { loop in
      let machine = try QTestMachine(qemu, on: loop, tap: EventTap(on: loop), options: options)
      try await body(machine, loop)
      await machine.close()
      #expect(machine.process.outcome == .exited(0), "\(machine.process.diagnostics?.text ?? "")")
    }
  }

  @Test("the scan finds the PIIX chipset and the e1000, with addresses and a routed line", arguments: accelerators)
  func scan(_ accelerator: String) throws {
    var options = QTestMachine.Options()
    options.accelerator = accelerator
    try withMachine(options) { machine, _ in
      #expect(machine.scan.issues.isEmpty, "\(machine.scan.issues)")
      let ids = machine.devices.map { [$0.vendorID, $0.deviceID] }
      #expect(ids.starts(with: [[0x8086, 0x1237], [0x8086, 0x7000]]))
      let nic = try #require(machine.devices.first { $0.vendorID == 0x8086 && $0.deviceID == 0x100E })
      #expect(nic.address == PCIAddress(bus: 0, device: 3, function: 0))
      #expect(nic.classCode == 0x020000)
      #expect(nic.resources.map(\.byteCount) == [128 << 10, 64])
      #expect(nic.resources.map(\.kind) == [.memory32, .io])
      let allEnabled = nic.resources.allSatisfy { $0.isEnabled && $0.address != 0 }
      #expect(allEnabled)
      #expect(nic.interruptPin == 1)
      // Device 3's INTA# is PIRQC of the PIIX.
      #expect(nic.interruptLine == 5)
      #expect(machine.handle(at: PCIAddress(bus: 0, device: 30, function: 0)) == nil)
      #expect(machine.networkController?.address == nic.address)
    }
  }

  @Test("registers answer through the memory and the I/O BAR, and beyond them nothing does")
  func registers() throws {
    try withMachine { machine, _ in
      let nic = try #require(machine.networkController)
      // RAL and RAH of QEMU's default address 52:54:00:12:34:56; then through IOADDR and IODATA.
      #expect(nic.read32(bar: 0, offset: 0x5400) == 0x1200_5452)
      #expect(nic.read32(bar: 0, offset: 0x5404) == 0x8000_5634)
      // QEMU's I/O BAR answers nothing.
      #expect(nic.read32(bar: 1, offset: 0) == 0)
      #expect(nic.read32(bar: 0, offset: 0x1FFFE) == .max)
      #expect(nic.read32(bar: 0, offset: -4) == .max)
      #expect(nic.read32(bar: 0, offset: .max) == .max)
      #expect(nic.read32(bar: 2, offset: 0) == .max)
      nic.write32(bar: 2, offset: 0, value: 1)
      #expect(nic.readConfiguration(0, size: 4) == 0x100E_8086)
      #expect(nic.readConfiguration(2, size: 2) == 0x100E)
      #expect(nic.readConfiguration(1, size: 1) == 0x80)
      #expect(nic.readConfiguration(256, size: 4) == .max)
      nic.writeConfiguration(0x3C, size: 1, value: 0x42)
      #expect(nic.readConfiguration(0x3C, size: 1) == 0x42)
      // The register file follows its base address register.
      nic.writeConfiguration(0x10, size: 4, value: 0xF000_0000)
      #expect(nic.read32(bar: 0, offset: 0x5400) == 0x1200_5452)
    }
  }

  @Test("DMA memory is guest memory: zeroed, above 1 MiB, and given back")
  func memory() throws {
    try withMachine { machine, _ in
      let nic = try #require(machine.networkController)
      let buffer = try nic.allocateDMA(byteCount: 10_000, alignment: 8192)
      #expect(buffer.busAddress >= 1 << 20)
      #expect(buffer.busAddress % 8192 == 0)
      buffer.window.store(0x1122_3344 as UInt32, 4)
      let address = String(buffer.busAddress + 4, radix: 16)
      #expect(try machine.connection.read("readl 0x\(address)") == 0x1122_3344)
      try machine.connection.command("writel 0x\(address) 0x55667788")
      #expect(buffer.window.load(4, as: UInt32.self) == 0x5566_7788)
      nic.freeDMA(buffer)
      #expect(machine.allocator.counters.bytesInUse == 0)
      #expect(throws: MachineError.self) { try nic.allocateDMA(byteCount: 64 << 20, alignment: 1) }
    }
  }

  /// Offsets of the 8254x's interrupt registers (manual 13.4.17 to 13.4.21).
  private enum Interrupt {
    static let causeRead = 0xC0
    static let causeSet = 0xC8
    static let maskSet = 0xD0
    static let maskClear = 0xD8
  }

  @Test("a handler runs on the loop as long as the line is asserted, and not once more", arguments: accelerators)
  func interrupt(_ accelerator: String) throws {
    var options = QTestMachine.Options()
    options.accelerator = accelerator
    try withMachine(options) { machine, loop in
      let nic = try #require(machine.networkController)
      var runs = 0
      nic.setInterruptHandler {
        runs += 1
        // Two times it does nothing about it.
        if runs == 3 { #expect(nic.read32(bar: 0, offset: Interrupt.causeRead) & 4 == 4) }
        if runs == 4 { nic.write32(bar: 0, offset: Interrupt.maskClear, value: .max) }
      }
      nic.write32(bar: 0, offset: Interrupt.maskSet, value: 4)
      nic.write32(bar: 0, offset: Interrupt.causeSet, value: 4)
      _ = nic.read32(bar: 0, offset: 8)
      #expect(runs == 0, "never inside a register access")
      try await expectEventually(on: loop) { runs == 3 }
      try await loop.sleep(for: .milliseconds(5))
      #expect(runs == 3, "reading the cause lowers the line")

      nic.write32(bar: 0, offset: Interrupt.causeSet, value: 4)
      try await expectEventually(on: loop) { runs == 4 }
      try await loop.sleep(for: .milliseconds(5))
      #expect(runs == 4, "masking lowers the line")

      nic.setInterruptHandler(nil)
      nic.write32(bar: 0, offset: Interrupt.maskSet, value: 4)
      try await loop.sleep(for: .milliseconds(5))
      #expect(runs == 4)
      // Asserted already when it is connected.
      nic.setInterruptHandler {
        runs += 1
        _ = nic.read32(bar: 0, offset: Interrupt.causeRead)
      }
      try await expectEventually(on: loop) { runs == 5 }
      nic.setInterruptHandler(nil)
    }
  }

  @Test("a QEMU that dies reads as ones and is told of once, with what became of it")
  func death() throws {
    try withQEMU { qemu, loop in
      let machine = try QTestMachine(qemu, on: loop, tap: EventTap(on: loop))
      let nic = try #require(machine.networkController)
      var failures: [QEMUError] = []
      machine.onFailure = { failures.append($0) }
      machine.process.send(SIGKILL)
      try await expectEventually(on: loop) { !failures.isEmpty }
      #expect(nic.read32(bar: 0, offset: 8) == .max)
      nic.write32(bar: 0, offset: 8, value: 0)
      #expect(nic.readConfiguration(0, size: 4) == .max)
      #expect(nic.readConfiguration(0, size: 2) == 0xFFFF)
      try await loop.sleep(for: .milliseconds(5))
      #expect(failures == [.ended(.killed(signal: SIGKILL), diagnostics: "")])
      #expect(machine.failure != nil)
      await machine.close()
    }
  }

  @Test("what QEMU says about options that it does not take is in the error")
  func badOptions() throws {
    try withQEMU { qemu, loop in
      var options = QTestMachine.Options()
      options.device = "no-such-device"
      var caught: QEMUError?
      do throws(QEMUError) {
        _ = try QTestMachine(qemu, on: loop, tap: EventTap(on: loop), options: options)
      } catch { caught = error }
      #expect(caught?.description.contains("no-such-device") == true, "\(String(describing: caught))")
    }
  }

  @Test("options that make no sense are refused before anything is started")
  func senselessOptions() throws {
    try withQEMU { qemu, loop in
      var cases: [QTestMachine.Options] = Array(repeating: .init(), count: 6)
      cases[0].memoryByteCount = 1000
      cases[1].memoryByteCount = 4 << 30
      cases[2].slot = 1
      cases[3].accelerator = "none"
      cases[4].network = "socket,listen=:1"
      cases[4].portForwards = [PortForward(hostPort: 1, guestPort: 1)]
      cases[5].device = ""
      for options in cases {
        var caught: QEMUError?
        do throws(QEMUError) {
          _ = try QTestMachine(qemu, on: loop, tap: EventTap(on: loop), options: options)
        } catch { caught = error }
        guard case .badOption = caught else {
          Issue.record("\(options): \(String(describing: caught))")
          continue
        }
      }
    }
  }

  @Test("nothing is left when the machine goes: no process, no folder")
  func nothingIsLeft() throws {
    try withQEMU { qemu, loop in
      var pid: pid_t = 0
      var folder = ""
      do {
        let machine = try QTestMachine(qemu, on: loop, tap: EventTap(on: loop))
        pid = machine.process.processIdentifier
        let commandLine = try #require(try? String(contentsOfFile: "/proc/\(pid)/cmdline", encoding: .utf8))
        let firmware = try #require(commandLine.split(separator: "\0").first { $0.hasSuffix("/halt.bin") })
        folder = String(firmware.dropLast("/halt.bin".count))
        var status = stat()
        #expect(stat(folder, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o700)
        #expect(isAlive(pid))
      }
      #expect(!isAlive(pid))
      #expect(access(folder, F_OK) != 0)
    }
  }

  private func withQEMU(_ body: @escaping @Sendable (QEMUInstallation, EpollLoop) async throws -> Void) throws {
    let qemu = try RealQEMU.result.get()
    try onLoop { loop in try await body(qemu, loop) }
  }
}
