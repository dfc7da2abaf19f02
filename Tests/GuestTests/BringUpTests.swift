import Testing

extension GuestTests {
  @Suite("Linux brings the NIC up")
  struct BringUp {
    @Test("e1000 probes it without a warning", arguments: GuestNIC.all)
    func probe(nic: GuestNIC) throws {
      let bench = try Laboratory.current.online(nic)
      try bench.guest.succeed("rmmod e1000")
      let log = try bench.withoutWarnings { try bench.guest.succeed("modprobe e1000") }
      #expect(log.contains("eth0: Intel(R) PRO/1000 Network Connection"), "\(log)")
      let identity = try bench.guest.succeed(
        "cd /sys/class/net/eth0/device && echo $(cat vendor device) $(basename $(readlink driver))")
      #expect(identity.hasPrefix(nic.identity + " e1000"))
    }

    @Test("the link comes up at a gigabit, full duplex", arguments: GuestNIC.all)
    func link(nic: GuestNIC) throws {
      let bench = try Laboratory.current.online(nic)
      let report = try bench.guest.succeed("ethtool eth0")
      for line in ["Speed: 1000Mb/s", "Duplex: Full", "Auto-negotiation: on", "Link detected: yes"] {
        #expect(report.contains(line), "\(report)")
      }
    }

    @Test("DHCP leases slirp's first address", arguments: GuestNIC.all)
    func dhcp(nic: GuestNIC) throws {
      let bench = try Laboratory.current.online(nic)
      let log = try bench.guest.succeed("udhcpc -i eth0 -n -q -t 10 -T 1")
      #expect(log.contains("bound 10.0.2.15"), "\(log)")
    }

    @Test("ping of every size up to a whole frame is answered", arguments: GuestNIC.all)
    func ping(nic: GuestNIC) throws {
      let bench = try Laboratory.current.online(nic)
      try bench.guest.succeed(
        "for size in 0 1 17 18 19 56 255 256 1471 1472; do ping -c 1 -W 5 -s $size 10.0.2.2 || exit 1; done", limit: 60)
    }

    @Test("the module can be unloaded and loaded again", arguments: GuestNIC.all)
    func reload(nic: GuestNIC) throws {
      let bench = try Laboratory.current.online(nic)
      _ = try bench.withoutWarnings {
        for _ in 1...3 {
          try bench.guest.succeed("ping -c 1 -W 5 10.0.2.2 && rmmod e1000 && [ ! -e /sys/class/net/eth0 ]")
          try bench.bringUp()
        }
        try bench.guest.succeed("ping -c 1 -W 5 10.0.2.2")
      }
    }

    @Test("200 times down and up, with traffic between")
    func cycles() throws {
      let benches = try GuestNIC.all.map { try Laboratory.current.online($0) }
      // Without wake-up, Linux powers the PHY down; it then negotiates after the driver has first looked, and the
      // driver looks again after 2 s. With it the link is there at once.
      let cycles = """
        turn() {
          ethtool -s eth0 wol $2 2>/dev/null
          for cycle in $(seq $1); do
            # busybox's ip, which this shell need not load from a file.
            command ip link set eth0 down && command ip link set eth0 up || exit 1
            for try in $(seq 1000); do
              read carrier </sys/class/net/eth0/carrier && [ "$carrier" = 1 ] && break
              usleep 5000
            done
            ping -q -c 1 -W 10 10.0.2.2 >/dev/null || { echo "no answer in cycle $cycle of $1"; exit 1; }
          done
        }
        mark="cycles from here: $(cat /proc/uptime)"
        echo "$mark" >/dev/kmsg
        turn 5 d; turn 190 g; turn 5 d
        # Nothing worse than a notice of the NIC.
        dmesg -r | sed "1,/$mark/d" | grep '^<[0-4]>' | grep -v -e clocksource: -e hrtimer: && exit 1
        exit 0
        """
      // In all guests at once: most of it is waiting.
      let running = try benches.map { try $0.guest.begin(cycles) }
      for (bench, running) in zip(benches, running) {
        let outcome = try bench.guest.finish(running, limit: 400)
        #expect(outcome.status == 0, "\(bench.nic.testDescription): \(outcome.output)")
      }
    }
  }
}
