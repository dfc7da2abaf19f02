import EventLoop
import Glibc
import Link
import Testing
import Wires

/// A user network on a real loop with a recorder plugged in, and frames to talk to it. Everything stays on the virtual
/// network and on the host's loopback interface.
final class SlirpBench {
  let loop: EpollLoop
  let wire: SlirpWire
  let port: FrameRecorder
  static let guestAddress: [UInt8] = [0x52, 0x54, 0, 0x12, 0x34, 0x56]
  static let guest: [UInt8] = [10, 0, 2, 15]
  static let host: [UInt8] = [10, 0, 2, 2]
  /// libslirp's own hardware address of 10.0.2.2.
  static let hostAddress: [UInt8] = [0x52, 0x55, 10, 0, 2, 2]

  init(_ settings: SlirpSettings = SlirpSettings()) throws {
    loop = try EpollLoop(seed: 1)
    wire = try SlirpWire(on: loop, settings: settings)
    port = FrameRecorder(on: wire)
  }

  /// Runs the loop until `condition` holds, at most `limit`.
  func run(until condition: @escaping () -> Bool, limit: TimeSpan = .seconds(5)) throws -> Bool {
    let loop = loop
    return try loop.run {
      let end = loop.now + limit
      while !condition() {
        if loop.now > end { return false }
        try await loop.sleep(for: .milliseconds(1))
      }
      return true
    }
  }

  /// Sends `frame` and waits for the first received frame for which `matches` holds.
  func ask(_ frame: [UInt8], _ matches: @escaping ([UInt8]) -> Bool) throws -> [UInt8]? {
    port.send(frame)
    let port = port
    _ = try run { port.frames.contains(where: matches) }
    return port.frames.first(where: matches)
  }

  /// Makes the guest's hardware address known, so that answers need no question first.
  func introduce() throws {
    #expect(try ask(Self.arp(for: Self.host)) { $0.count >= 42 && $0[12] == 8 && $0[13] == 6 } != nil)
    port.takeFrames()
  }

  static func arp(for address: [UInt8]) -> [UInt8] {
    [UInt8](repeating: 0xFF, count: 6) + guestAddress + [8, 6, 0, 1, 8, 0, 6, 4, 0, 1] + guestAddress + guest
      + [UInt8](repeating: 0, count: 6) + address
  }

  static func ipv4(
    _ transport: UInt8, _ payload: [UInt8], from source: [UInt8] = guest, to destination: [UInt8] = host,
    identification: UInt16 = 1, fragment: UInt16 = 0
  ) -> [UInt8] {
    let total = UInt16(20 + payload.count)
    var header: [UInt8] = [0x45, 0] + big(total) + big(identification) + big(fragment) + [64, transport, 0, 0]
    header += source + destination
    header.replaceSubrange(10..<12, with: big(checksum(header)))
    return hostAddress + guestAddress + [8, 0] + header + payload
  }

  static func echoRequest(sequence: UInt16) -> [UInt8] {
    var message: [UInt8] = [8, 0, 0, 0, 0x12, 0x34] + big(sequence) + (0..<32).map { UInt8($0) }
    message.replaceSubrange(2..<4, with: big(checksum(message)))
    return ipv4(1, message)
  }

  static func udp(
    from source: UInt16, to port: UInt16, _ payload: [UInt8], sourceAddress: [UInt8] = guest,
    destination: [UInt8] = host
  ) -> [UInt8] {
    // Checksum 0: none.
    let message = big(source) + big(port) + big(UInt16(8 + payload.count)) + [0, 0] + payload
    return ipv4(17, message, from: sourceAddress, to: destination)
  }

  static func tcp(
    from source: UInt16, to port: UInt16, sequence: UInt32, acknowledgement: UInt32 = 0, flags: UInt8,
    payload: [UInt8] = [], window: UInt16 = 64240, urgent: UInt16 = 0
  ) -> [UInt8] {
    var segment = big(source) + big(port) + big(UInt16(sequence >> 16)) + big(UInt16(truncatingIfNeeded: sequence))
    segment += big(UInt16(acknowledgement >> 16)) + big(UInt16(truncatingIfNeeded: acknowledgement))
    segment += [0x50, flags] + big(window) + [0, 0] + big(urgent) + payload
    let pseudo = guest + host + [0, 6] + big(UInt16(segment.count))
    segment.replaceSubrange(16..<18, with: big(checksum(pseudo + segment)))
    return ipv4(6, segment)
  }

  static func big(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }

  static func checksum(_ bytes: [UInt8]) -> UInt16 {
    var sum: UInt32 = 0
    for i in stride(from: 0, to: bytes.count, by: 2) {
      sum += UInt32(bytes[i]) << 8 | (i + 1 < bytes.count ? UInt32(bytes[i + 1]) : 0)
    }
    while sum >> 16 != 0 { sum = sum & 0xFFFF + sum >> 16 }
    return ~UInt16(sum)
  }
}

/// A TCP segment that libslirp sent, as far as the tests look at it.
struct SeenSegment {
  let sequence: UInt32
  let acknowledgement: UInt32
  let flags: UInt8
  let payload: ArraySlice<UInt8>

  init?(_ frame: [UInt8], to port: UInt16) {
    guard frame.count >= 54, frame[12] == 8, frame[13] == 0, frame[23] == 6,
      UInt16(frame[36]) << 8 | UInt16(frame[37]) == port
    else { return nil }
    func number(_ at: Int) -> UInt32 { (0..<4).reduce(0) { $0 << 8 | UInt32(frame[at + $1]) } }
    sequence = number(38)
    acknowledgement = number(42)
    flags = frame[47]
    let total = Int(frame[16]) << 8 | Int(frame[17])
    payload = frame[(34 + Int(frame[46] >> 4) * 4)..<(14 + total)]
  }
}

/// A listening socket on the host's loopback interface.
final class LoopbackListener {
  let descriptor: Int32
  let port: UInt16
  private(set) var accepted: [Int32] = []

  init() throws {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    self.descriptor = descriptor
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        bind(descriptor, pointer, length) == 0 && listen(descriptor, 8) == 0
          && getsockname(descriptor, pointer, &length) == 0
      }
    }
    port = UInt16(bigEndian: address.sin_port)
    try #require(result)
  }

  deinit {
    close(descriptor)
    for one in accepted { close(one) }
  }

  /// Accepts a connection that is there already.
  func acceptOne() -> Int32 {
    let one = accept(descriptor, nil, nil)
    if one >= 0 {
      _ = fcntl(one, F_SETFL, O_NONBLOCK)
      accepted.append(one)
    }
    return one
  }

  /// Closes all connections, or with `listening` also the port.
  func closeConnections() {
    for one in accepted { close(one) }
    accepted = []
  }
}
