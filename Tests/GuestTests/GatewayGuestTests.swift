import Foundation
import Glibc
import Testing

extension GuestTests {
  /// A guest on QEMU's own e1000, whose other end is a stack of this project: `workbench gateway`.
  @Suite("A gateway behind a QEMU's socket backend")
  struct GatewayTests {
    /// How the two find each other; the folder holds the sockets.
    enum Meeting: String, CaseIterable, Sendable, CustomTestStringConvertible {
      case stream, datagram

      var testDescription: String { rawValue }

      func wire(_ folder: Folder) -> String {
        switch self {
        case .stream: "stream:listen:unix:\(folder.file("guest"))"
        case .datagram: "dgram:unix:\(folder.file("gateway")):\(folder.file("guest"))"
        }
      }

      func netdev(_ folder: Folder) -> String {
        switch self {
        case .stream: "stream,id=net0,server=off,addr.type=unix,addr.path=\(folder.file("guest"))"
        case .datagram:
          "dgram,id=net0,local.type=unix,local.path=\(folder.file("guest")),remote.type=unix,"
            + "remote.path=\(folder.file("gateway"))"
        }
      }
    }

    @Test("gives a Linux guest an address, an origin and a way to the host's network", arguments: Meeting.allCases)
    func everything(_ meeting: Meeting) throws {
      let folder = try Folder()
      let gateway = try Child(
        DeviceProcess.program, ["gateway", "--wire", meeting.wire(folder), "--origin", "8080"], folder: folder)
      defer { gateway.terminate() }
      try #require(waitUntil(limit: 20) { gateway.errors.contains("Ctrl-C") }, "\(gateway.errors)")
      let guest = try Guest(devices: ["-netdev", meeting.netdev(folder), "-device", "e1000,netdev=net0"])
      defer { guest.kill() }
      let log = try guest.succeed(
        "modprobe e1000 && ip link set eth0 up && udhcpc -i eth0 -n -q -t 10 -T 2", limit: 60)
      #expect(log.contains("bound 192.168.76.15"), "\(log)")
      // The origin on the gateway's own sockets: the same bytes every time, of the length that was asked for.
      let count = try guest.succeed("wget -q -O - http://192.168.76.1:8080/bytes/8000000 | wc -c", limit: 120)
      #expect(count.hasPrefix("8000000"))
      // Through the router: ping of every size, fragments too, and a file of the host's loopback.
      try guest.succeed("for size in 0 56 1472 4000; do ping -c 1 -W 5 -s $size 10.0.2.2 || exit 1; done", limit: 60)
      let server = try Laboratory.current.server(megabytes: 8)
      let digest = try guest.succeed("wget -q -O - \(server.url) | sha256sum", limit: 120)
      #expect(digest.hasPrefix(server.digest), "\(digest)")
    }
  }
}
