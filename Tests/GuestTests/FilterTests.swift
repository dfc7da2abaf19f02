import Testing

extension GuestTests {
  /// Two NICs of one process, joined by a cable, both in one guest: eth0, and eth1 in a network namespace of its own.
  @Suite("Receive filters, as Linux sets them")
  struct Filters {
    /// Both ends up: 192.168.5.1 here, 192.168.5.2 in the namespace `far`.
    private func joined(_ nic: GuestNIC) throws -> LinuxBench {
      let bench = try Laboratory.current.pair(nic)
      try bench.guest.succeed(
        """
        far() { ip netns exec far "$@"; }
        # Nothing but what the tests send: no IPv6.
        silence='for file in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 >$file; done'
        [ -e /run/netns/far ] || {
          modprobe e1000 && ip netns add far && ip link set eth1 netns far || exit 1
          eval "$silence"; far sh -c "$silence"
        }
        ip address replace 192.168.5.1/24 dev eth0 && ip link set eth0 up || exit 1
        far /bin/ip address replace 192.168.5.2/24 dev eth1 && far /bin/ip link set eth1 up || exit 1
        for try in $(seq 100); do
          [ "$(cat /sys/class/net/eth0/operstate)" = up ] && far /bin/ip link show eth1 | grep -q 'state UP' && break
          usleep 100000
        done
        ping -q -c 2 -W 5 192.168.5.2 || exit 1
        # Nor ARP, from here on.
        ip neighbour replace 192.168.5.2 lladdr $(far cat /sys/class/net/eth1/address) dev eth0 nud permanent
        far /bin/ip neighbour replace 192.168.5.1 lladdr $(cat /sys/class/net/eth0/address) dev eth1 nud permanent
        """, limit: 60)
      return bench
    }

    /// How many of five pings to 192.168.5.9, an address that `far` knows at the hardware address 02:00:00:00:00:09,
    /// arrive at eth0.
    private static let strangersFrames = """
      ip netns exec far /bin/ip neighbour replace 192.168.5.9 lladdr 02:00:00:00:00:09 dev eth1
      before=$(cat /sys/class/net/eth0/statistics/rx_packets)
      ip netns exec far ping -q -c 5 -W 1 -A 192.168.5.9 >/dev/null
      after=$(cat /sys/class/net/eth0/statistics/rx_packets)
      echo $((after - before))
      """

    @Test("frames to other stations arrive in promiscuous mode only", arguments: GuestNIC.all)
    func promiscuous(nic: GuestNIC) throws {
      let bench = try joined(nic)
      func count() throws -> Int? { Int(try bench.guest.succeed(Self.strangersFrames).filter(\.isNumber)) }
      #expect(try count() == 0)
      try bench.guest.succeed("ip link set eth0 promisc on")
      #expect(try count() == 5)
      try bench.guest.succeed("ip link set eth0 promisc off")
      #expect(try count() == 0)
    }

    @Test("a VLAN's frames pass with its tag only", arguments: GuestNIC.all)
    func vlan(nic: GuestNIC) throws {
      let bench = try joined(nic)
      try bench.guest.succeed(
        """
        modprobe 8021q
        # Linux answers ARP for any address of its own on every interface otherwise.
        echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore
        ip link add link eth0 name eth0.5 type vlan id 5 && ip address add 192.168.6.1/24 dev eth0.5 || exit 1
        ip link set eth0.5 up || exit 1
        far() { ip netns exec far "$@"; }
        far /bin/ip link add link eth1 name eth1.5 type vlan id 5 || exit 1
        far /bin/ip link add link eth1 name eth1.7 type vlan id 7 || exit 1
        far /bin/ip link set eth1.5 up && far /bin/ip link set eth1.7 up || exit 1
        far /bin/ip address add 192.168.6.2/24 dev eth1.5 || exit 1
        ethtool -k eth0 | grep 'rx-vlan-filter: on' || exit 1
        """)
      defer {
        _ = try? bench.guest.run(
          "ip link del eth0.5; for id in 5 7; do ip netns exec far /bin/ip link del eth1.$id; done")
      }
      try bench.guest.succeed("for size in 0 56 1472; do ping -q -c 3 -W 5 -s $size 192.168.6.2 || exit 1; done")

      // The same address over another VLAN, and untagged: nothing comes back, nothing even arrives at eth0.5.
      for other in ["eth1.7", "eth1"] {
        let arrived = try bench.guest.succeed(
          """
          far() { ip netns exec far "$@"; }
          far /bin/ip address del 192.168.6.2/24 dev eth1.5 || exit 1
          far /bin/ip address add 192.168.6.2/24 dev \(other) || exit 1
          before=$(cat /sys/class/net/eth0.5/statistics/rx_packets)
          far ping -q -c 3 -W 1 192.168.6.1 >/dev/null && echo "answered, "
          echo $(($(cat /sys/class/net/eth0.5/statistics/rx_packets) - before))
          far /bin/ip address del 192.168.6.2/24 dev \(other) && far /bin/ip address add 192.168.6.2/24 dev eth1.5
          """)
        #expect(arrived == "0\n" || arrived == "0", "by \(other): \(arrived)")
      }
      try bench.guest.succeed("ping -q -c 3 -W 5 192.168.6.2")

      // Frames of VLAN 7 stop at the NIC's filter. Promiscuous mode opens it.
      let frames = """
        ip netns exec far /bin/ip neighbour replace 192.168.7.1 lladdr $(cat /sys/class/net/eth0/address) dev eth1.7
        ip netns exec far /bin/ip address replace 192.168.7.2/24 dev eth1.7
        before=$(cat /sys/class/net/eth0/statistics/rx_packets)
        ip netns exec far ping -q -c 5 -W 1 -A 192.168.7.1 >/dev/null
        echo $(($(cat /sys/class/net/eth0/statistics/rx_packets) - before))
        """
      #expect(Int(try bench.guest.succeed(frames).filter(\.isNumber)) == 0)
      try bench.guest.succeed("ip link set eth0 promisc on")
      #expect(Int(try bench.guest.succeed(frames).filter(\.isNumber)) == 5)
      try bench.guest.succeed("ip link set eth0 promisc off")
    }

    @Test("tags are inserted and stripped by the NIC or by Linux, with the same frames", arguments: GuestNIC.all)
    func tagOffload(nic: GuestNIC) throws {
      let bench = try joined(nic)
      try bench.guest.succeed(
        """
        modprobe 8021q
        far() { ip netns exec far "$@"; }
        ip link add link eth0 name eth0.5 type vlan id 5 && ip address add 192.168.6.1/24 dev eth0.5 || exit 1
        far /bin/ip link add link eth1 name eth1.5 type vlan id 5 || exit 1
        far /bin/ip address add 192.168.6.2/24 dev eth1.5 && far /bin/ip link set eth1.5 up || exit 1
        ip link set eth0.5 up || exit 1
        mkdir -p /tmp/sent && dd if=/dev/urandom of=/tmp/sent/file bs=64k count=16 2>/dev/null
        far sh -c 'pidof httpd >/dev/null || httpd -p 80 -h /tmp/sent'
        """)
      defer {
        _ = try? bench.guest.run(
          "ethtool -K eth0 rxvlan on txvlan on; ip link del eth0.5; ip netns exec far /bin/ip link del eth1.5")
      }
      for (receive, transmit) in [("on", "on"), ("off", "on"), ("on", "off"), ("off", "off")] {
        // The driver has one switch for both: what was asked of the receive side holds, and transmit follows.
        _ = try bench.guest.run("ethtool -K eth0 rxvlan \(receive) txvlan \(transmit)")
        let state = try bench.guest.succeed("ethtool -k eth0 | sed -n 's/^[rt]x-vlan-offload: \\([a-z]*\\).*/\\1/p'")
        #expect(state.split(separator: "\n").map(String.init) == [receive, receive])
        try bench.guest.succeed(
          """
          ping -q -c 20 -W 5 -w 20 -A 192.168.6.2 >/dev/null || exit 1
          wget -q -O /tmp/received http://192.168.6.2/file && cmp /tmp/sent/file /tmp/received
          """, limit: 60)
      }
    }
  }
}
