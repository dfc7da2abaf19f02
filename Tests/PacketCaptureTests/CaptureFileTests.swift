import Foundation
import PacketCapture
import Packets
import Testing

private let tsharkPath = ["/usr/bin/tshark", "/usr/local/bin/tshark"].first {
  FileManager.default.isExecutableFile(atPath: $0)
}

/// A folder that goes away with its owner.
private final class TemporaryFolder {
  let url: URL
  init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("capture-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }
  deinit { try? FileManager.default.removeItem(at: url) }
  func path(_ name: String) -> String { url.appendingPathComponent(name).path }
}

struct CaptureFileTests {
  private let builder = FrameBuilder(
    source: MACAddress(rawValue: 0x5254_0012_3456), destination: MACAddress(rawValue: 0x5255_0A00_0202))

  private var ping: [UInt8] {
    builder.icmp(
      from: IPv4Address(10, 0, 2, 15), to: IPv4Address(10, 0, 2, 2),
      ICMPFields(type: 8, identifier: 1, sequenceNumber: 1), payload: [1, 2, 3])
  }

  @Test("a file has its bytes after a flush, and all of them after close", arguments: [1, 100, 65_536])
  func flushing(bufferSize: Int) throws {
    let folder = try TemporaryFolder()
    let path = folder.path("a.pcapng")
    let writer = try PcapngWriter(CaptureSink(path: path, bufferSize: bufferSize), application: "test")
    let interface = try writer.addInterface(name: "eth0")
    try writer.write(ping.span.bytes, time: 1, interface: interface)
    try writer.flush()
    #expect(try frames(CaptureReader(path: path)).count == 1)
    for time in 2...300 { try writer.write(ping.span.bytes, time: UInt64(time), interface: interface) }
    try writer.close()
    try writer.close()
    #expect(throws: CaptureError.closed) { try writer.write(RawSpan(), time: 0) }
    #expect(try frames(CaptureReader(path: path)).map(\.time) == [UInt64](1...300))
  }

  @Test("a sink that goes away leaves a whole file")
  func forgotten() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("a.pcap")
    do {
      let writer = try PcapWriter(CaptureSink(path: path))
      try writer.write(ping.span.bytes, time: 1)
    }
    #expect(try frames(CaptureReader(path: path)).count == 1)
  }

  @Test("files that cannot be opened or written are named with the error")
  func errors() throws {
    #expect(throws: CaptureError.cannotOpen(path: "/nonexistent/a", code: ENOENT)) {
      try CaptureReader(path: "/nonexistent/a")
    }
    #expect(throws: CaptureError.cannotOpen(path: "/nonexistent/a", code: ENOENT)) {
      try CaptureSink(path: "/nonexistent/a")
    }
    let sink = try CaptureSink(path: "/dev/full")
    try sink.append([1, 2, 3].span.bytes)
    #expect(throws: CaptureError.writeFailed(code: ENOSPC)) { try sink.flush() }
    #expect(throws: CaptureError.writeFailed(code: ENOSPC)) { try sink.append([1].span.bytes) }
  }

  @Test(
    "tshark reads our files with times, lengths and directions as they were written",
    .enabled(if: tsharkPath != nil, "tshark is not installed"), arguments: ["pcapng", "pcap"])
  func tshark(format: String) throws {
    let folder = try TemporaryFolder()
    let path = folder.path("a.\(format)")
    let long = builder.udp(
      from: IPv4Address(10, 0, 2, 15), 1000, to: IPv4Address(10, 0, 2, 2), 2000,
      payload: [UInt8](repeating: 7, count: 500))
    if format == "pcapng" {
      let writer = try PcapngWriter(CaptureSink(path: path), application: "test")
      let interface = try writer.addInterface(name: "enp0s3", snapLength: 128, hardwareAddress: builder.source)
      try writer.write(
        ping.span.bytes, time: 1_700_000_000_123_456_789, interface: interface, direction: .outbound,
        comment: "first of two")
      try writer.write(long.span.bytes, time: 1_700_000_001_000_000_001, interface: interface, direction: .inbound)
      try writer.close()
    } else {
      let writer = try PcapWriter(CaptureSink(path: path), snapLength: 128)
      try writer.write(ping.span.bytes, time: 1_700_000_000_123_456_789)
      try writer.write(long.span.bytes, time: 1_700_000_001_000_000_001)
      try writer.sink.close()
    }
    let fields = ["frame.time_epoch", "frame.len", "frame.cap_len", "_ws.col.Protocol"]
    let more = format == "pcapng" ? ["frame.interface_name", "frame.packet_flags_direction", "frame.comment"] : []
    let output = try run(
      try #require(tsharkPath),
      ["-r", path, "-T", "fields", "-E", "separator=|"] + (fields + more).flatMap { ["-e", $0] })
    let lines = output.split(separator: "\n").map { $0.split(separator: "|", omittingEmptySubsequences: false) }
    try #require(lines.count == 2, "\(output)")
    let length = ping.count
    #expect(Array(lines[0][1...3]).map(String.init) == ["\(length)", "\(length)", "ICMP"])
    #expect(Array(lines[1][1...3]).map(String.init) == ["542", "128", "UDP"])
    #expect(["1700000000.123456789", "2023-11-14T22:13:20.123456789Z"].contains(String(lines[0][0])))
    #expect(lines[1][0].contains(".000000001"))
    if format == "pcapng" {
      #expect(lines[0][4] == "enp0s3" && lines[0][6] == "first of two")
      #expect(lines.map { String($0[5].suffix(1)) } == ["2", "1"])
    }
  }

  private func run(_ program: String, _ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: data, as: UTF8.self)
  }
}
