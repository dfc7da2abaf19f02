/// All captures under fixtures/captures.
enum Fixtures {
  static var all: [CaptureScript] {
    [
      arp, ping, udp, dns, unreachable, dhcp, fetch, refused, serve, fragments, portScan, resets, damaged, outOfOrder,
      noise,
    ]
  }
}
