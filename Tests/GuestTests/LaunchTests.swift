import Foundation
import Testing

extension GuestTests {
  @Suite("workbench qemu")
  struct Launch {
    private func launch(_ folder: Folder) throws -> (Child, Guest) {
      let process = try Child(
        DeviceProcess.program,
        [
          "qemu", "--capture", folder.file("frames.pcapng"), "--", "-accel", "tcg", "-cpu", "max", "-m", "256M",
          "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-kernel", GuestImages.kernel,
          "-initrd", GuestImages.initramfs, "-append", "console=ttyS0 quiet panic=-1 no_timer_check load=e1000",
          "-serial", "file:\(folder.file("console"))", "-serial", "stdio",
        ], folder: folder)
      return (process, try Guest(in: process, folder: folder))
    }

    @Test("puts the NIC into a QEMU, and both end when the guest turns itself off")
    func powerOff() throws {
      let folder = try Folder()
      let (process, guest) = try launch(folder)
      defer { process.kill() }
      try guest.succeed("ip link set eth0 up && udhcpc -i eth0 -n -q -t 20 && ping -c 1 -W 10 10.0.2.2", limit: 90)
      try guest.post("poweroff -f")
      #expect(waitUntil(limit: 30) { !process.isRunning })
      #expect(process.status == 0, "\(process.errors)")
      #expect(process.errors.contains("vfio-user nic0"))
      let capture = try FileManager.default.attributesOfItem(atPath: folder.file("frames.pcapng"))[.size] as? Int
      #expect((capture ?? 0) > 500)
    }

    @Test("ends QEMU when it is ended itself")
    func terminate() throws {
      let folder = try Folder()
      let (process, guest) = try launch(folder)
      defer { process.kill() }
      try guest.succeed("true")
      process.signal(SIGTERM)
      #expect(waitUntil(limit: 20) { !process.isRunning })
      // Nobody holds the guest's serial line any more.
      let error = #expect(throws: GuestError.self) { try guest.run("true", limit: 5) }
      #expect(error?.description.contains("has ended") == true, "\(String(describing: error))")
    }
  }
}
