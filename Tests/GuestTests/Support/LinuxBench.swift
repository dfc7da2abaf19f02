import Foundation
import Testing

/// A booted Linux with a NIC: the steps that many checks share.
final class LinuxBench {
  let nic: GuestNIC
  let cabling: Cabling
  private(set) var device: DeviceProcess?
  private(set) var guest: Guest

  init(_ nic: GuestNIC, _ cabling: Cabling = Cabling(), parameters: String = "") throws {
    self.nic = nic
    self.cabling = cabling
    if case .model(let model) = nic { device = try DeviceProcess(model, cabling) }
    guest = try Guest(devices: device?.arguments ?? cabling.ownArguments, parameters: parameters)
  }

  var isUsable: Bool { guest.isRunning && device?.isRunning ?? true }

  /// Another guest on the same device.
  func bootNext() throws {
    guest.kill()
    guest = try Guest(devices: device?.arguments ?? cabling.ownArguments)
  }

  /// A new server on the sockets of the one that was killed, and another guest on it.
  func replaceDevice() throws {
    guest.kill()
    try device?.restart()
    guest = try Guest(devices: device?.arguments ?? cabling.ownArguments)
  }

  /// Ends guest and device.
  func close() {
    guest.kill()
    device?.terminate()
  }

  /// Module loaded, link up, an address from slirp's DHCP; whatever of it is not so already.
  func bringUp() throws {
    try guest.succeed(
      """
      [ -e /sys/class/net/eth0 ] || modprobe e1000 || exit 1
      ip link set eth0 up || exit 1
      for try in $(seq 100); do [ "$(cat /sys/class/net/eth0/carrier)" = 1 ] && break; usleep 100000; done
      [ "$(cat /sys/class/net/eth0/carrier)" = 1 ] || { echo "no link"; exit 1; }
      ip -4 address show dev eth0 | grep -q inet || udhcpc -i eth0 -n -q -t 10 -T 1
      """, limit: 60)
  }

  /// Downloads the server's file and compares it.
  func download(from server: FileServer, limit: Double) throws {
    let digest = try guest.succeed(
      "wget -q -O /tmp/received \(server.url) && sha256sum /tmp/received && rm /tmp/received", limit: limit)
    #expect(digest.hasPrefix(server.digest), "\(server.byteCount) bytes arrive changed: \(digest)")
  }

  /// A download with the content thrown away: megabytes (10^6) a second.
  func downloadRate(from server: FileServer, limit: Double) throws -> Double {
    let time = try seconds { try guest.succeed("wget -q -O /dev/null \(server.url)", limit: limit) }
    return Double(server.byteCount) / time / 1e6
  }

  /// Fetches a file of `megabytes` from the guest through the port forward, and compares.
  func upload(megabytes: Int, limit: Int) throws {
    let port = try #require(cabling.forwardedPort)
    let digest = try guest.succeed(
      """
      mkdir -p /tmp/offered
      [ "$(stat -c %s /tmp/offered/file 2>/dev/null)" = $((\(megabytes) << 20)) ] ||
        { rm -f /tmp/offered/*; dd if=/dev/urandom of=/tmp/offered/file bs=1M count=\(megabytes) 2>/dev/null
          sha256sum /tmp/offered/file >/tmp/offered/digest; }
      pidof httpd >/dev/null || httpd -p 80 -h /tmp/offered
      cat /tmp/offered/digest
      """, limit: 60)
    let received = try HostFetch.digest(of: "http://127.0.0.1:\(port)/file", limit: limit)
    #expect(digest.hasPrefix(received), "\(megabytes) MiB arrive changed")
  }

  /// What the kernel says of the NIC while `body` runs, with its levels; fails for anything worse than a notice.
  func withoutWarnings(_ body: () throws -> Void) throws -> String {
    let mark = "checked from here: \(UInt32.random(in: 0...UInt32.max))"
    try guest.succeed("echo '\(mark)' >/dev/kmsg")
    try body()
    let lines = try guest.succeed("dmesg -r | sed '1,/\(mark)/d'")
    let warnings = lines.split(separator: "\n").filter { line in
      // "<6>[    1.234567] text"; the level is in the low three bits.
      guard let level = line.dropFirst().split(separator: ">").first.flatMap({ Int($0) }) else { return false }
      // What the kernel says of its clocks when the guest gets no processor for a while is not about the NIC.
      return level & 7 < 5 && !line.contains("clocksource:") && !line.contains("hrtimer:")
    }
    #expect(warnings.isEmpty, "\(warnings)")
    return lines
  }

  /// The values of `ethtool -S`.
  func statistics(of interface: String = "eth0") throws -> [String: Int] {
    let lines = try guest.succeed("ethtool -S \(interface)").split(separator: "\n")
    return Dictionary(
      lines.compactMap { line in
        let words = line.split(separator: ":")
        guard words.count == 2, let value = Int(words[1].trimmingCharacters(in: .whitespaces)) else { return nil }
        return (words[0].trimmingCharacters(in: .whitespaces), value)
      }, uniquingKeysWith: { $1 })
  }
}
