import Foundation
import Testing

extension GuestTests {
  @Suite("Guests and servers come and go")
  struct Life {
    @Test("a guest reboots, and another one follows a guest that was killed", arguments: GuestNIC.all)
    func reboot(nic: GuestNIC) throws {
      let bench = try Laboratory.current.online(nic)
      let server = try Laboratory.current.server(megabytes: 2)
      try bench.guest.reboot()
      try bench.bringUp()
      try bench.download(from: server, limit: 60)

      // In the middle of traffic.
      try bench.guest.succeed("(while true; do wget -q -O /dev/null \(server.url); done) >/dev/null 2>&1 &")
      usleep(500_000)
      try bench.bootNext()
      try bench.bringUp()
      try bench.download(from: server, limit: 60)
    }

    @Test("a guest survives its device's server, and reads ones", arguments: GuestNIC.all.filter { $0 != .qemusOwn })
    func serverKilled(nic: GuestNIC) throws {
      let bench = try LinuxBench(nic)
      defer { bench.close() }
      try bench.bringUp()
      // At rest: QEMU 11.1 itself can end by an assertion of its own when a server dies with a read under way.
      try bench.guest.succeed("ping -c 1 -W 5 10.0.2.2")
      bench.device?.kill()
      #expect(try bench.guest.succeed("echo alive").contains("alive"))
      let identity = try bench.guest.succeed(
        "hexdump -n 4 -e '1/4 \"%08x\"' /sys/class/net/eth0/device/config", limit: 60)
      #expect(identity == "ffffffff", "\(identity)")
      let registers = try bench.guest.succeed("ethtool -d eth0 raw on | hexdump -v -n 12 -e '3/4 \"%08x \"'", limit: 60)
      #expect(registers.hasPrefix("ffffffff ffffffff ffffffff"), "\(registers)")
      #expect(try bench.guest.succeed("echo alive").contains("alive"))
    }

    @Test(
      "a server that is killed under traffic is followed by another one on the same sockets",
      arguments: GuestNIC.all.filter { $0 != .qemusOwn })
    func serverKilledUnderTraffic(nic: GuestNIC) throws {
      let bench = try LinuxBench(nic)
      defer { bench.close() }
      try bench.bringUp()
      let server = try Laboratory.current.server(megabytes: 2)
      try bench.guest.succeed("(while true; do wget -q -O /dev/null \(server.url); done) >/dev/null 2>&1 &")
      usleep(700_000)
      bench.device?.kill()
      // QEMU 11.1 may end by an assertion of its own (util/error.c), when it had asked the server for something;
      // nothing else may end it. Otherwise the guest lives on, and its NIC is gone.
      if waitUntil(limit: 3, { !bench.guest.isRunning }) {
        #expect(bench.guest.errors.contains("util/error.c"), "\(bench.guest.errors)")
        print("server killed under traffic: QEMU ended by its own assertion: \(bench.guest.errors)")
      } else {
        #expect(try bench.guest.succeed("echo alive", limit: 60).contains("alive"))
        print("server killed under traffic: the guest lived on")
      }
      try bench.replaceDevice()
      try bench.bringUp()
      try bench.download(from: server, limit: 60)
    }
  }
}
