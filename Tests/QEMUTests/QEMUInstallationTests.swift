import EventLoop
import Foundation
import Glibc
import QEMU
import Testing

@Suite("Finding a QEMU") struct QEMUInstallationTests {
  /// Writes an executable shell script in place of a QEMU.
  private func program(_ body: String, in folder: PrivateFolder, named name: String = "qemu") throws -> String {
    try folder.write(Array("#!/bin/sh\n\(body)\n".utf8), to: name)
    chmod(folder.file(name), 0o700)
    return folder.file(name)
  }

  /// A script that answers like a QEMU.
  private static let answers = #"""
    case "$*" in
      --version) echo 'QEMU emulator version 10.1.2 (Debian 1:10.1.2)'; echo Copyright;;
      '-device help') printf 'Network devices:\nname "e1000", bus PCI, alias "e1000-82540em", desc "an alias "\n\n';
                      printf 'Misc devices:\nname "vfio-user-pci", bus PCI, ';
                      printf 'desc "VFIO over socket PCI device assignment"\n';;
      '-accel help') printf 'Accelerators supported in QEMU binary:\nqtest\ntcg\n';;
      *) exit 1;;
    esac
    """#

  @Test("version, devices with their aliases and accelerators are what the program says")
  func asks() throws {
    let folder = try PrivateFolder()
    let qemu = try QEMUInstallation(at: try program(Self.answers, in: folder))
    #expect(qemu.version == QEMUVersion(10, 1, 2))
    #expect(qemu.devices == ["e1000", "e1000-82540em", "vfio-user-pci"])
    #expect(qemu.accelerators == ["qtest", "tcg"])
    #expect(qemu.hasVfioUser)
  }

  @Test("the first that has the devices is taken; otherwise the error says of each what it lacks")
  func choice() throws {
    let folder = try PrivateFolder()
    let old = try program(Self.answers.replacing("vfio-user-pci", with: "vfio-pci"), in: folder, named: "old")
    let new = try program(Self.answers, in: folder, named: "new")
    let missing = folder.file("missing")
    let limit = TimeSpan.seconds(10)
    func find(_ devices: [String], _ paths: [String]) throws(QEMUError) -> String {
      try QEMUInstallation.find(requiring: devices, among: paths, limit: limit).path
    }
    #expect(try find([], [missing, old, new]) == old)
    #expect(try find(["vfio-user-pci"], [missing, old, new]) == new)
    let error = #expect(throws: QEMUError.self) { try find(["vfio-user-pci"], [old]) }
    #expect(error == .unsuitable(wanted: ["vfio-user-pci"], reasons: ["\(old) (10.1.2) has no vfio-user-pci"]))
    #expect(error?.advice == QEMUInstallation.vfioUserAdvice)
    let none = #expect(throws: QEMUError.self) { try find([], [missing]) }
    #expect(none == .notFound(places: [missing], wanted: []))
    #expect(none?.advice == QEMUInstallation.advice)
  }

  @Test(
    "a program that is no QEMU is told apart",
    arguments: [
      ("echo hello", "--version says hello"), ("true", "--version says nothing"),
      ("echo broken >&2; exit 3", "--version ended with exit code 3: broken"),
      ("kill -9 $$", "--version was ended by Killed"),
      ("echo QEMU emulator version x", "--version says QEMU emulator version x"),
      ("yes", "does not stop writing"),
    ])
  func notQEMU(_ body: String, _ reason: String) throws {
    let folder = try PrivateFolder()
    let path = try program(body, in: folder)
    let error = #expect(throws: QEMUError.self) { try QEMUInstallation(at: path) }
    #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
  }

  @Test("a program that does not answer is given up, and killed with its children")
  func hangs() throws {
    let folder = try PrivateFolder()
    let path = try program("sleep 1000 & echo $! > \(folder.path)/pid; wait", in: folder)
    let error = #expect(throws: QEMUError.self) { try QEMUInstallation(at: path, limit: .seconds(1)) }
    #expect(error == .timedOut(what: "\(path) --version", limit: .seconds(1)))
    let child = try #require(
      try pid_t(
        String(contentsOfFile: folder.file("pid"), encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)))
    // Whoever inherits it reaps it some time; it does not run any longer.
    let deadline = Date(timeIntervalSinceNow: 10)
    while isAlive(child), Date() < deadline { sched_yield() }
    #expect(!isAlive(child))
  }

  @Test("a file that is no program is told of")
  func noProgram() throws {
    let folder = try PrivateFolder()
    try folder.write(Array("text".utf8), to: "text")
    #expect(throws: QEMUError.system(operation: "start", subject: folder.file("text"), code: EACCES)) {
      try QEMUInstallation(at: folder.file("text"))
    }
  }

  @Test("versions are compared by their numbers")
  func versions() {
    #expect(QEMUVersion(7, 2, 22) < QEMUVersion(10, 1))
    #expect(QEMUVersion(10, 1) < QEMUVersion(10, 1, 1))
    #expect(QEMUVersion(answer: "QEMU emulator version 11.1.3 (Debian)") == QEMUVersion(11, 1, 3))
    #expect(QEMUVersion(answer: "QEMU emulator version 9.0") == QEMUVersion(9, 0))
    #expect(QEMUVersion(answer: "QEMU emulator version 9") == nil)
    #expect(QEMUVersion(answer: "qemu-img version 9.0") == nil)
    #expect(QEMUVersion(10, 1, 2).description == "10.1.2")
  }

  @Test(
    "the QEMU of this machine has an e1000",
    .enabled(if: RealQEMU.isThere, Comment(rawValue: RealQEMU.reason)))
  func real() throws {
    let qemu = try RealQEMU.result.get()
    #expect(qemu.version >= QEMUVersion(7, 2))
    #expect(qemu.devices.isSuperset(of: ["e1000", "e1000-82540em"]))
    #expect(qemu.accelerators.contains("tcg"))
  }
}
