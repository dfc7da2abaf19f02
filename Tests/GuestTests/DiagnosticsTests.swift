import Foundation
import Testing

extension GuestTests {
  @Suite("ethtool is satisfied")
  struct Diagnostics {
    @Test("the offline self-test passes", arguments: GuestNIC.all)
    func selfTest(nic: GuestNIC) throws {
      let bench = try Laboratory.current.online(nic)
      let outcome = try bench.guest.run("ethtool -t eth0 offline", limit: 90)
      #expect(outcome.status == 0 && outcome.output.contains("PASS"), "\(outcome.output)")
      try bench.bringUp()
      try bench.guest.succeed("ping -c 1 -W 5 10.0.2.2")
    }

    @Test("the EEPROM's dump has the address and the right sum", arguments: GuestNIC.all)
    func eeprom(nic: GuestNIC) throws {
      let bench = try Laboratory.current.online(nic)
      let address = try bench.guest.succeed("cat /sys/class/net/eth0/address")
      let dump = try bench.guest.succeed("ethtool -e eth0 raw on length 128 | hexdump -v -e '1/1 \"%d \"'", limit: 60)
      let bytes = dump.split(separator: " ").compactMap { Int($0) }
      try #require(bytes.count == 128, "\(dump)")
      let octets = bytes.prefix(6).map { String(format: "%02x", $0) }.joined(separator: ":")
      #expect(address.hasPrefix(octets), "\(address), \(octets)")
      let sum = stride(from: 0, to: 128, by: 2).reduce(0) { $0 + bytes[$1] + bytes[$1 + 1] << 8 }
      #expect(sum & 0xFFFF == 0xBABA)
    }

    @Test("ethtool -S counts what the wire saw", arguments: GuestNIC.all)
    func statistics(nic: GuestNIC) throws {
      let folder = try Folder()
      let bench = try LinuxBench(nic, Cabling(capture: folder.file("wire.pcapng")))
      defer { bench.close() }
      try bench.bringUp()
      try bench.download(from: try Laboratory.current.server(megabytes: 2), limit: 60)
      try bench.guest.succeed("ping -c 3 -s 1000 -W 5 10.0.2.2")
      // Nothing comes after these: no IPv6, no ARP, no connection.
      try bench.guest.succeed(
        """
        echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6
        ip neighbour change 10.0.2.2 dev eth0 nud permanent || exit 1
        sleep 1
        """)
      let statistics = try bench.statistics()
      bench.device?.terminate()
      let frames = try CapturedFrames(folder.file("wire.pcapng"))
      let address = try bench.guest.succeed("cat /sys/class/net/eth0/address").trimmingCharacters(
        in: .whitespacesAndNewlines)
      let sent = frames.from(address)
      let received = frames.notFrom(address)
      #expect(sent.count > 20 && received.count > 1000, "\(sent.count) sent, \(received.count) received")
      #expect(statistics["tx_packets"] == sent.count)
      #expect(statistics["rx_packets"] == received.count)
      // Octets from the destination address to the FCS, inclusive.
      #expect(statistics["tx_bytes"] == sent.reduce(0) { $0 + max($1.byteCount, 60) + 4 })
      #expect(statistics["rx_bytes"] == received.reduce(0) { $0 + max($1.byteCount, 60) + 4 })
      #expect(statistics["tx_broadcast"] == sent.filter(\.isBroadcast).count)
      #expect(statistics["rx_broadcast"] == received.filter(\.isBroadcast).count)
      #expect(statistics["tx_multicast"] == sent.filter(\.isMulticast).count)
      for name in ["rx_errors", "rx_crc_errors", "rx_missed_errors", "rx_no_buffer_count", "tx_errors", "tx_dropped"] {
        #expect(statistics[name] == 0, "\(name)")
      }
    }
  }
}

/// The frames of a capture, as tshark reads it.
struct CapturedFrames {
  struct Frame {
    let source: String
    let destination: String
    let byteCount: Int

    var isBroadcast: Bool { destination == "ff:ff:ff:ff:ff:ff" }
    var isMulticast: Bool { !isBroadcast && (Int(destination.prefix(2), radix: 16) ?? 0) & 1 == 1 }
  }

  let frames: [Frame]

  init(_ path: String) throws {
    let folder = try Folder()
    let fields = ["eth.src", "eth.dst", "frame.len"].flatMap { ["-e", $0] }
    let process = try Child(
      "sh", ["-c", "tshark -n -T fields \"$@\"; echo end", "tshark", "-r", path] + fields, folder: folder)
    let text = String(decoding: try process.read(upTo: "end\n", until: Deadline(60)), as: UTF8.self)
    frames = text.split(separator: "\n").compactMap { line in
      let fields = line.split(separator: "\t")
      guard fields.count == 3, let length = Int(fields[2]) else { return nil }
      return Frame(source: String(fields[0]), destination: String(fields[1]), byteCount: length)
    }
    guard !frames.isEmpty else { throw GuestError("nothing in the capture: \(process.errors)") }
  }

  func from(_ address: String) -> [Frame] { frames.filter { $0.source == address } }
  func notFrom(_ address: String) -> [Frame] { frames.filter { $0.source != address } }
}
