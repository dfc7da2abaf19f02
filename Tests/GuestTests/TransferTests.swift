import Testing

extension GuestTests {
  @Suite("Bytes arrive as they were sent")
  struct Transfer {
    @Test("wget gets 64 MiB", arguments: GuestNIC.all)
    func download(nic: GuestNIC) throws {
      let bench = try Laboratory.current.online(nic)
      try bench.download(from: try Laboratory.current.server(megabytes: 64), limit: 120)
    }

    @Test("a port forward gives 64 MiB to the host", arguments: GuestNIC.all)
    func upload(nic: GuestNIC) throws {
      let bench = try Laboratory.current.online(nic)
      try bench.upload(megabytes: 64, limit: 120)
    }

    @Test("both ways with every combination of offloads", arguments: GuestNIC.all)
    func offloads(nic: GuestNIC) throws {
      let bench = try Laboratory.current.online(nic)
      let server = try Laboratory.current.server(megabytes: 2)
      defer { _ = try? bench.guest.run("ethtool -K eth0 rx on tx on sg on tso on gso on gro on") }
      // The bits of `combination` are these features; Linux turns off what needs another one that is off.
      let features = ["rx", "tx", "sg", "tso"]
      for combination in 0..<(1 << features.count) {
        let setting = features.enumerated()
          .map { "\($1) \(combination >> $0 & 1 == 1 ? "on" : "off")" }.joined(separator: " ")
        _ = try bench.guest.run("ethtool -K eth0 \(setting)")
        let inForce = try bench.guest.succeed("ethtool -k eth0")
        let names = ["rx-checksumming", "tx-checksumming", "scatter-gather", "tcp-segmentation-offload"]
        for (bit, name) in names.enumerated() {
          let isOn = inForce.contains("\(name): on")
          let isWanted = combination >> bit & 1 == 1
          // Segmentation and gathering may be off for want of checksums; nothing is on that is not wanted.
          let isFree = bit < 2 || combination & 0b1110 == 0b1110
          #expect(isFree ? isOn == isWanted : isWanted || !isOn, "\(setting): \(inForce)")
        }
        try bench.bringUp()
        try bench.download(from: server, limit: 60)
        try bench.upload(megabytes: 2, limit: 60)
      }
    }

    @Test("with an MTU of 9000: ping of 8000 bytes, and wget", arguments: GuestNIC.all)
    func jumbo(nic: GuestNIC) throws {
      let bench = try LinuxBench(nic, Cabling(mtu: 9000))
      defer { bench.close() }
      try bench.bringUp()
      try bench.guest.succeed("ip link set eth0 mtu 9000")
      try bench.bringUp()
      try bench.guest.succeed("ping -c 3 -W 5 -s 8000 10.0.2.2")
      try bench.download(from: try Laboratory.current.server(megabytes: 64), limit: 120)
      let statistics = try bench.statistics()
      #expect(statistics["rx_long_length_errors"] == 0 && statistics["rx_errors"] == 0, "\(statistics)")
    }
  }
}
